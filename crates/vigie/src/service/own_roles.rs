//! The roles of this machine's agent, as its health answers want them.

use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use vigie_agent::{Agent, RoleNow, RolesNow};
use vigie_health::{LeaseEnd, Role, RoleSeen, Roles};
use vigie_model::Clock;
use vigie_role::GroupName;

/// The way of roles from an agent, which may start later, to whoever answers.
#[derive(Debug)]
pub(crate) struct OwnRoles(watch::Sender<Roles>);

impl OwnRoles {
    /// These groups, in which nothing is known yet.
    pub(crate) fn new<'a>(groups: impl Iterator<Item = &'a GroupName>) -> Self {
        let none = |group: &GroupName| (group.to_string(), RoleSeen::none(group.as_str()));
        OwnRoles(watch::Sender::new(groups.map(none).collect()))
    }

    /// Where the answers look.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Roles> {
        self.0.subscribe()
    }

    /// Passes on what this agent is, as long as the handle lives.
    pub(crate) fn follow(self, agent: &Agent) -> AbortOnDropHandle<()> {
        let (mut now, clock) = (agent.roles(), agent.lease_clock());
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                let seen = seen_all(&now.borrow_and_update(), &clock);
                self.0.send_replace(seen);
                if now.changed().await.is_err() {
                    return;
                }
            }
        }))
    }
}

fn seen_all(now: &RolesNow, clock: &Arc<dyn Clock>) -> Roles {
    now.iter().map(|(group, role)| (group.to_string(), seen(group, role, clock))).collect()
}

/// Principal is only who holds a lease and whose hook has made it true; who is on the way there, or back, is told
/// nothing new, and counts as secondaire.
fn seen(group: &GroupName, now: &RoleNow, clock: &Arc<dyn Clock>) -> RoleSeen {
    let none = RoleSeen::none(group.as_str());
    match now.principal {
        Some((epoch, at)) if now.is_settled => RoleSeen {
            role: Some(Role::Principal),
            epoch: Some(epoch.0),
            lease: Some(LeaseEnd { clock: Arc::clone(clock), at }),
            ..none
        },
        // What is over when its lease is, is then unknown, too.
        Some((_, at)) => {
            let lease = Some(LeaseEnd { clock: Arc::clone(clock), at });
            RoleSeen { role: Some(Role::Secondaire), lease, ..none }
        }
        None if now.is_told => RoleSeen { role: Some(Role::Secondaire), ..none },
        None => none,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use vigie_model::{Epoch, SystemClock};

    #[test]
    fn a_role_counts_from_the_end_of_its_hook_to_that_of_its_lease() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let group = GroupName::new("db").unwrap();
        let lease = Some((Epoch(7), Duration::from_secs(3)));
        let role = |principal, is_settled, is_told| {
            let now = RoleNow { principal, is_settled, is_told, is_barred: false, refused: None };
            let RoleSeen { role, epoch, lease, .. } = seen(&group, &now, &clock);
            (role, epoch, lease.map(|lease| lease.at))
        };
        let end = lease.map(|(_, end)| end);
        assert_eq!(role(lease, true, true), (Some(Role::Principal), Some(7), end));
        assert_eq!(role(lease, false, true), (Some(Role::Secondaire), None, end));
        assert_eq!(role(None, false, true), (Some(Role::Secondaire), None, None));
        assert_eq!(role(None, false, false), (None, None, None));
    }
}
