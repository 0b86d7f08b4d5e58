//! `vigie drain` and `vigie undrain`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Paint, escaped};
use clap::Args;
use std::path::PathBuf;
use vigie_web::client::{Client, ClientError, Place};
use vigie_web::messages::{DrainReport, DrainRequest};

/// Take this machine out of service: load balancers send nothing new here
///
/// `vigie health serve` then says `drain` to HAProxy's agent-check and 503 at /ready. It is remembered across restarts,
/// until `vigie undrain`.
#[derive(Args, Debug)]
#[command(after_help = "\
Connections that are there go on: wait until they have ended before you stop what serves them.

EXAMPLES:
  vigie drain --reason 'new kernel'
  vigie drain --state /run/health       that of a `vigie health serve --state /run/health`")]
pub(crate) struct DrainArgs {
    /// Why, for whoever looks at the load balancer
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    #[command(flatten)]
    of: Of,
}

/// Take this machine back into service
#[derive(Args, Debug)]
#[command(after_help = "\
EXAMPLES:
  vigie undrain
  vigie undrain --json")]
pub(crate) struct UndrainArgs {
    #[command(flatten)]
    of: Of,
}

/// Which of the services of this machine.
#[derive(Args, Debug)]
struct Of {
    /// The state directory of `vigie health serve` [default: its default]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl DrainArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        let request = DrainRequest { reason: self.reason };
        let report = self.of.client(&context)?.drain(&request).await.map_err(failure)?;
        print(context, &report)
    }
}

impl UndrainArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        let report = self.of.client(&context)?.undrain().await.map_err(failure)?;
        print(context, &report)
    }
}

impl Of {
    fn client(&self, context: &Context) -> Result<Client, Failure> {
        context.health_socket(self.state.as_deref()).map(|path| Client::new(Place::Socket(path)))
    }
}

fn failure(error: ClientError) -> Failure {
    let unreachable = error.is_unreachable();
    let failure = Failure::from(error);
    if unreachable {
        failure.hint("is `vigie health serve` running here, as this user? Name its directory with --state")
    } else {
        failure
    }
}

fn print(mut context: Context, report: &DrainReport) -> Result<Outcome, Failure> {
    let out = &mut context.out;
    if out.is_json() {
        out.json(report)?;
    } else {
        let reason = report.reason.as_ref().map(|reason| format!(": {}", escaped(reason.as_bytes())));
        let text = match (report.drained, report.changed) {
            (true, true) => out.paint(Paint::Attention, "drained") + &reason.unwrap_or_default(),
            (true, false) => out.paint(Paint::Attention, "drained already") + &reason.unwrap_or_default(),
            (false, true) => out.paint(Paint::Good, "back in service"),
            (false, false) => out.paint(Paint::Good, "it was not drained"),
        };
        out.line(&text)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}
