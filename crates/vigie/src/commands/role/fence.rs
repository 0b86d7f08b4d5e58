//! `vigie role fence`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use vigie_model::Epoch;
use vigie_role::{FenceError, Fenced, fence};

/// Let only the newest epoch pass: exit 0, or 75 when a higher one has passed before
///
/// Whoever writes somewhere as principal calls this first, with the epoch that it was granted. The file remembers
/// the highest epoch that passed, durably and under a lock, and is made if it is not there. A file that is damaged
/// lets nothing pass.
#[derive(Args, Debug)]
#[command(after_help = "\
EXAMPLES:
  vigie role fence --file /srv/app.fence --epoch \"$VIGIE_EPOCH\" && rsync -a out/ /srv/app/
  vigie role fence --file /srv/app.fence --epoch 7; [ $? -eq 75 ] && echo 'somebody else is principal'

Exit codes: 0 it passed, 75 it is stale, 2 wrong usage, 4 it is not known, so it did not pass.")]
pub(crate) struct FenceArgs {
    /// The file, beside what it protects
    #[arg(long, value_name = "PATH")]
    file: PathBuf,

    /// The epoch of the grant: VIGIE_EPOCH in a hook
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    epoch: u64,
}

/// How it went, for scripts.
#[derive(Serialize)]
struct FenceLine {
    passed: bool,
    epoch: u64,
    /// The highest that has passed now.
    highest: u64,
}

impl FenceArgs {
    pub(crate) fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let fenced = fence(&self.file, Epoch(self.epoch)).map_err(|error| failure(&error))?;
        let (outcome, highest) = match fenced {
            Fenced::Passed { .. } => (Outcome::Done, Epoch(self.epoch)),
            Fenced::Stale { highest } => (Outcome::Stale, highest),
        };
        if context.out.is_json() {
            let passed = outcome == Outcome::Done;
            context.out.json(&FenceLine { passed, epoch: self.epoch, highest: highest.0 })?;
            context.out.flush()?;
        } else if outcome == Outcome::Stale {
            context.out.remark(&format!("epoch {} is stale: {highest} has passed before", self.epoch));
        }
        Ok(outcome)
    }
}

fn failure(error: &FenceError) -> Failure {
    let failure = Failure::of(error);
    match error {
        FenceError::Damaged { .. } => failure.hint(
            "nothing passes until it is repaired: once it is certain who is principal, remove it; the next epoch \
             makes it anew",
        ),
        FenceError::Zero => failure.into_usage(),
        FenceError::Io { .. } | FenceError::Busy { .. } => failure,
    }
}
