//! `vigie cat`

use crate::context::{Context, hub_failure};
use crate::failure::{Failure, Outcome};
use crate::location::{self, Location};
use clap::Args;
use vigie_model::Instant;
use vigie_web::messages::ContentState;

/// Print a file as it was
///
/// Where a newer version existed that is not in the store, the last whole one is printed, and the exit code
/// is 3.
#[derive(Args, Debug)]
#[command(after_help = "\
T is RFC 3339, a local date and time, a span such as '10m ago', or a record such as '#1234'.
Exit code 3 when the content is pending or torn, or the instant lies in a gap, or after the machine was
heard of last.

EXAMPLES:
  vigie cat web01:/etc/hosts --at '1h ago'
  diff <(vigie cat /etc/hosts --at '#1234') /etc/hosts")]
pub(crate) struct CatArgs {
    /// What to print
    #[arg(value_name = "MACHINE:PATH", value_parser = location::parser())]
    location: Location,

    /// As it was at this instant
    #[arg(long, value_name = "T", value_parser = crate::instant::parse)]
    at: Option<Instant>,
}

impl CatArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let query = context.tree_query(self.location, self.at).await?;
        let (answer, mut pieces) = context.hub()?.cat(&query).await.map_err(hub_failure)?;
        while let Some(piece) = pieces.next().await.map_err(hub_failure)? {
            context.out.bytes(&piece)?;
        }
        context.out.flush()?;
        let flawed = match answer.state {
            Some(ContentState::Pending) => {
                context
                    .out
                    .warn("a newer version existed that is not in the store; this is the last whole one");
                true
            }
            Some(ContentState::Torn) => {
                context.out.warn("the file changed while it was read; this may mix several versions");
                true
            }
            _ => false,
        };
        Ok(Outcome::partial_if(context.warn_of_doubts(&answer) || flawed))
    }
}
