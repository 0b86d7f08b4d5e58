//! How many files, and so connections, this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Asks for as many as it is allowed to ask for, and tells how many that are beyond the `spare` ones.
pub(crate) fn raise(spare: u64) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let files = if raised.is_ok() { limit.maximum } else { limit.current };
    let most = files.map_or(u64::MAX, |files| files.saturating_sub(spare));
    usize::try_from(most).unwrap_or(usize::MAX)
}
