//! `vigie role history`

use crate::commands::log;
use crate::context::{Context, hub_failure};
use crate::failure::{Failure, Outcome};
use clap::Args;
use vigie_model::Instant;
use vigie_web::messages::LogQuery;

/// Show every change of role in a group: when, who, which epoch, why, and how long it took to notice
///
/// From the hub's journal, oldest first; `vigie log --kind role-granted` has the grants of all groups.
#[derive(Args, Debug)]
#[command(after_help = "\
T is RFC 3339, a local date and time, a span such as '10m ago', or a record such as '#1234'.

EXAMPLES:
  vigie role history db
  vigie role history db -n 20 --json | jq -r 'select(.kind == \"role-granted\") | .member'")]
pub(crate) struct HistoryArgs {
    /// The group
    group: String,

    /// Only the newest N records
    #[arg(short, value_name = "N")]
    newest: Option<u64>,

    /// Only what happened since this instant
    #[arg(long, value_name = "T", value_parser = crate::instant::parse)]
    since: Option<Instant>,
}

impl HistoryArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let query = LogQuery {
            group: Some(self.group),
            newest: self.newest,
            since: self.since.unwrap_or_default(),
            ..LogQuery::default()
        };
        let (_cursor, mut lines) = context.hub()?.log(&query).await.map_err(hub_failure)?;
        while let Some(line) = lines.next().await.map_err(hub_failure)? {
            if context.out.is_json() {
                context.out.json(&line)?;
            } else {
                log::print(&mut context.out, &line)?;
            }
        }
        context.out.flush()?;
        Ok(Outcome::Done)
    }
}
