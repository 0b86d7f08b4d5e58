//! `vigie role step-down`

use crate::context::{Context, hub_failure};
use crate::failure::{Failure, Outcome};
use clap::Args;
use vigie_web::messages::StepDownRequest;

/// Ask the principal of a group to give the role back
///
/// Its hook of demotion is run first; then the next in line, or MACHINE, is promoted. Refused, with exit code 3,
/// when nobody could take the role.
#[derive(Args, Debug)]
#[command(after_help = "\
EXAMPLES:
  vigie role step-down db
  vigie role step-down db --to web02")]
pub(crate) struct StepDownArgs {
    /// The group
    group: String,

    /// Who is to be principal
    #[arg(long, value_name = "MACHINE")]
    to: Option<String>,
}

impl StepDownArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let request = StepDownRequest { group: self.group, to: self.to };
        let groups = context.hub()?.step_down(&request).await.map_err(hub_failure)?;
        super::show::print(&mut context.out, &groups)?;
        Ok(Outcome::Done)
    }
}
