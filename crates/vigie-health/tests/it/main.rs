//! Real load balancers, real clients, real targets. The tests of `rows` and `balancers` need HAProxy, which
//! `cargo xtask setup` installs.

// A helper that cannot go on fails its test, which is what `unwrap` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests live outside of `#[test]` functions")]

mod answers;
mod balancers;
mod checks;
mod haproxy;
mod rows;
mod world;

use std::time::{Duration, Instant};

/// How long a test waits for what must come: long enough for a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer. For what another process does, which cannot be subscribed to.
pub(crate) async fn eventually<T, F: Future<Output = Result<T, String>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let start = Instant::now();
    loop {
        let last = match ask().await {
            Ok(answer) => return answer,
            Err(last) => last,
        };
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}; last seen: {last}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
