//! `vigie cat`

use crate::context::{Context, hub_failure};
use crate::failure::{Failure, Outcome};
use crate::location::{self, Location};
use crate::output::bytes;
use clap::Args;
use vigie_model::{Instant, Seq};
use vigie_web::client::{Client, ClientError, Pieces};
use vigie_web::messages::{ContentState, TreeQuery};

/// Print a file as it was
///
/// Where a newer version existed that is not in the store, the last one that is there is printed, and the exit code
/// is 3.
#[derive(Args, Debug)]
#[command(after_help = "\
T is RFC 3339, a local date and time, a span such as '10m ago', or a record such as '#1234'.
Exit code 3 when the content is pending or torn, or lies in a directory that was unseen then, or the
instant lies in a gap, or after the machine was heard of last.

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
        let query = context.tree_query(&self.location, self.at).await?;
        let hub = context.hub()?;
        let word = self.location.word.as_deref();
        let (answer, mut pieces) = context.of_place(word, hub.cat(&query, 0).await).await?;
        let again = TreeQuery { at: Instant::Seq(Seq(answer.seq)), ..query };
        let (mut given, mut asked_from) = (0, None);
        loop {
            match pieces.next().await {
                Ok(Some(piece)) => {
                    context.out.bytes(&piece)?;
                    given += piece.len() as u64;
                }
                Ok(None) => break,
                Err(error) if asked_from == Some(given) => return Err(hub_failure(error)),
                Err(error) => {
                    context.out.flush()?;
                    asked_from = Some(given);
                    pieces = the_rest(&hub, &again, given, error).await?;
                }
            }
        }
        context.out.flush()?;
        let flawed = match answer.state {
            Some(ContentState::Pending) => {
                context
                    .out
                    .warn("a newer version existed that is not in the store; this is the last whole one");
                true
            }
            Some(ContentState::PendingTorn) => {
                context.out.warn(
                    "a newer version existed that is not in the store; this one changed while it was read, and may \
                     mix several versions",
                );
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

/// Asks for the rest of an answer that was broken off. An answer that has begun cannot say that something is damaged;
/// the one from there on can.
async fn the_rest(
    hub: &Client,
    query: &TreeQuery,
    given: u64,
    error: ClientError,
) -> Result<Pieces, Failure> {
    match hub.cat(query, given).await {
        Ok((_, rest)) => Ok(rest),
        Err(refused @ ClientError::Refused(_)) => {
            Err(Failure::from(refused).adding(&format!("the {} before that were printed", bytes(given))))
        }
        Err(_) => Err(hub_failure(error)),
    }
}
