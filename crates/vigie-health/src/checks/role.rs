//! What is this machine in a group?

use super::Found;
use crate::outside::{Role, Roles};
use crate::verdict::Verdict;

pub(super) fn look(group: &str, wanted: Role, roles: &Roles) -> Found {
    match roles.get(group).map(|seen| seen.now().role) {
        None => (Verdict::Unknown, format!("this machine is in no group {group}")),
        Some(None) => (Verdict::Critical, format!("no role in {group}")),
        Some(Some(role)) if role == wanted => (Verdict::Ok, format!("{} in {group}", role.as_str())),
        Some(Some(role)) => (Verdict::Critical, format!("{} in {group}", role.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::RoleSeen;

    #[test]
    fn only_the_wanted_role_is_well() {
        let seen = |role| {
            let seen = RoleSeen { role, ..RoleSeen::none("web") };
            Roles::from([("web".to_owned(), seen)])
        };
        let verdict = |group, roles: &Roles| look(group, Role::Principal, roles).0;
        assert_eq!(verdict("web", &seen(Some(Role::Principal))), Verdict::Ok);
        assert_eq!(verdict("web", &seen(Some(Role::Secondaire))), Verdict::Critical);
        assert_eq!(verdict("web", &seen(None)), Verdict::Critical);
        assert_eq!(verdict("db", &seen(None)), Verdict::Unknown);
    }
}
