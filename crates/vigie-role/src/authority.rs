//! All groups of one authority.

use crate::group::{Action, Group, Opening};
use crate::limits::GROUPS_MAX;
use crate::message::FromMember;
use crate::words::{Cause, Conn, GroupName, Settings};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;
use vigie_model::Epoch;

/// The groups, each on its own. A group exists from the first member, setting or durable opening on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority<M> {
    groups: BTreeMap<GroupName, Group<M>>,
}

/// One more group than there may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are as many groups as there may be ({GROUPS_MAX})")]
pub struct TooManyGroups;

impl<M: Clone + Ord + Debug> Default for Authority<M> {
    fn default() -> Self {
        Authority { groups: BTreeMap::new() }
    }
}

impl<M: Clone + Ord + Debug> Authority<M> {
    /// No group yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a group back as it was before a restart: what was set, the last opening that is durable, and why that term
    /// ended, if its end is durable, too.
    pub fn restore(
        &mut self,
        now: Duration,
        name: GroupName,
        settings: Settings,
        last: Option<Opening<M>>,
        ended: Option<Cause>,
    ) {
        let group = match (last, ended) {
            (Some(opening), Some(cause)) => Group::resumed(settings, opening.epoch, cause),
            (Some(opening), None) => Group::restored(settings, now, opening),
            (None, _) => Group::new(settings),
        };
        self.groups.insert(name, group);
    }

    /// A group, made with the default settings if there is none of this name.
    ///
    /// # Errors
    /// [`TooManyGroups`].
    pub fn group(&mut self, name: &GroupName) -> Result<&mut Group<M>, TooManyGroups> {
        if !self.groups.contains_key(name) {
            if self.groups.len() >= GROUPS_MAX {
                return Err(TooManyGroups);
            }
            self.groups.insert(name.clone(), Group::new(Settings::default()));
        }
        self.groups.get_mut(name).ok_or(TooManyGroups)
    }

    /// A group that exists.
    pub fn known(&mut self, name: &GroupName) -> Option<&mut Group<M>> {
        self.groups.get_mut(name)
    }

    /// Every group, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&GroupName, &Group<M>)> {
        self.groups.iter()
    }

    /// A member of a group said something.
    ///
    /// # Errors
    /// [`TooManyGroups`], when its group does not exist and cannot.
    pub fn heard(
        &mut self,
        now: Duration,
        name: &GroupName,
        member: &M,
        conn: Conn,
        said: FromMember,
    ) -> Result<Vec<Action<M>>, TooManyGroups> {
        Ok(self.group(name)?.heard(now, member, conn, said))
    }

    /// A member's connection broke: what that means for each of its groups.
    pub fn lost(&mut self, now: Duration, member: &M, conn: Conn) -> Vec<(GroupName, Vec<Action<M>>)> {
        self.each(|group| group.lost(now, member, conn))
    }

    /// An opening is durable.
    pub fn persisted(&mut self, now: Duration, name: &GroupName, epoch: Epoch) -> Vec<Action<M>> {
        self.groups.get_mut(name).map(|group| group.persisted(now, epoch)).unwrap_or_default()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) -> Vec<(GroupName, Vec<Action<M>>)> {
        self.each(|group| match group.next_wake() {
            Some(wake) if wake <= now => group.tick(now),
            _ => Vec::new(),
        })
    }

    /// When [`Self::tick`] has something to do.
    pub fn next_wake(&self) -> Option<Duration> {
        self.groups.values().filter_map(Group::next_wake).min()
    }

    fn each(
        &mut self,
        mut act: impl FnMut(&mut Group<M>) -> Vec<Action<M>>,
    ) -> Vec<(GroupName, Vec<Action<M>>)> {
        let acted = self.groups.iter_mut().map(|(name, group)| (name.clone(), act(group)));
        acted.filter(|(_, actions)| !actions.is_empty()).collect()
    }
}
