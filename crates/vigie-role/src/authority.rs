//! All groups of one authority.

use crate::group::{Action, Group, Opening, refuse};
use crate::limits::GROUPS_MAX;
use crate::message::{FromMember, Refusal};
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

    /// A member of a group said something. Only joining makes a group; whoever says anything else to one that does not
    /// exist is none of its members.
    pub fn heard(
        &mut self,
        now: Duration,
        name: &GroupName,
        member: &M,
        conn: Conn,
        said: FromMember,
    ) -> Vec<Action<M>> {
        let group = match said {
            FromMember::Join(_) => self.group(name),
            _ => match self.known(name) {
                Some(group) => Ok(group),
                None => return Vec::new(),
            },
        };
        match group {
            Ok(group) => group.heard(now, member, conn, said),
            Err(TooManyGroups) => refuse(member, conn, Refusal::Full).into(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::Fact;
    use crate::message::{Join, ToMember};
    use crate::words::{BootId, Stamp};

    #[test]
    fn groups_are_made_by_joining_and_are_bounded() {
        let mut authority = Authority::<u32>::new();
        let name = |n: usize| GroupName::new(&format!("g{n}")).unwrap();
        let say = |authority: &mut Authority<u32>, n, said| {
            authority.heard(Duration::from_secs(1), &name(n), &1, Conn(1), said)
        };
        let others = [
            FromMember::Renew { epoch: Some(Epoch(7)), stamp: Stamp::default() },
            FromMember::Released { epoch: Epoch(7), cause: Cause::Left },
            FromMember::Leave,
        ];
        for said in others {
            assert_eq!(say(&mut authority, 0, said), []);
        }
        assert_eq!(authority.iter().count(), 0);
        let join = FromMember::Join(Join {
            boot: BootId(1),
            priority: 0,
            nofailover: false,
            renews: true,
            holding: None,
            stamp: Stamp::default(),
        });
        for n in 0..GROUPS_MAX {
            assert!(matches!(say(&mut authority, n, join)[..], [Action::Persist(_)]), "{n}");
        }
        let refused = say(&mut authority, GROUPS_MAX, join);
        assert!(
            matches!(
                refused[..],
                [
                    Action::Send { to: 1, message: ToMember::Refused(Refusal::Full), .. },
                    Action::Tell(Fact::Refused { member: 1, why: Refusal::Full })
                ]
            ),
            "{refused:?}"
        );
        assert_eq!(authority.iter().count(), GROUPS_MAX);
    }
}
