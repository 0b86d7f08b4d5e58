//! `vigie drain` and `vigie undrain`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Paint, escaped};
use crate::places;
use clap::Args;
use std::path::PathBuf;
use vigie_web::client::{Client, ClientError, Place};
use vigie_web::messages::{DrainReport, DrainRequest, ErrorKind};

/// Take this machine out of service: load balancers send nothing new here
///
/// The agent (`--health`), or `vigie health serve`, then says `drain` to HAProxy's agent-check and 503 at /ready. It is
/// remembered across restarts, until `vigie undrain`.
#[derive(Args, Debug)]
#[command(after_help = "\
Connections that are there go on: wait until they have ended before you stop what serves them.

EXAMPLES:
  vigie drain --reason 'new kernel'
  vigie drain --state /run/health       that of a `vigie health serve --state /run/health`

Where both answer for this machine, an agent and a `vigie health serve`, both are told.")]
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
    /// The state directory of the agent, or of `vigie health serve` [default: their default]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl DrainArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        let request = DrainRequest { reason: self.reason };
        let report = self.of.all(&context, async |client: Client| client.drain(&request).await).await?;
        print(context, &report)
    }
}

impl UndrainArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        let report = self.of.all(&context, async |client: Client| client.undrain().await).await?;
        print(context, &report)
    }
}

impl Of {
    /// Asks everybody who answers load balancers here. Something has changed when it has for one of them.
    async fn all(
        &self,
        context: &Context,
        ask: impl AsyncFn(Client) -> Result<DrainReport, ClientError>,
    ) -> Result<DrainReport, Failure> {
        let mut answer: Option<DrainReport> = None;
        let mut nobody = None;
        for socket in self.sockets(context)? {
            match ask(Client::new(Place::Socket(socket))).await {
                Ok(mut report) => {
                    report.changed |= answer.is_some_and(|before| before.changed);
                    answer = Some(report);
                }
                // The first one, unless another one says more.
                Err(error) if error.is_unreachable() => nobody = nobody.or(Some(error)),
                Err(error) if answers_nobody(&error) => nobody = Some(error),
                Err(error) => return Err(Failure::from(error)),
            }
        }
        match (answer, nobody) {
            (Some(report), _) => Ok(report),
            (None, Some(error)) if answers_nobody(&error) => {
                Err(Failure::failed("the agent of this machine answers no load balancers")
                    .hint("start it with --health ADDR, or `vigie health serve` beside it"))
            }
            (None, Some(error)) => Err(Failure::from(error).hint(
                "does an agent with --health, or `vigie health serve`, run here, as this user? Name its directory \
                 with --state",
            )),
            (None, None) => Err(Failure::failed("there is nobody to ask")),
        }
    }

    /// The sockets of an agent and of health answers: in this directory, else the one that was named, else where they
    /// are by default.
    fn sockets(&self, context: &Context) -> Result<Vec<PathBuf>, Failure> {
        let dir = match (&self.state, context.agent_is_named()) {
            (Some(dir), _) => dir.clone(),
            (None, Some(socket)) => return Ok(vec![socket.to_owned()]),
            (None, None) => places::agent_state()?,
        };
        Ok(vec![dir.join(places::AGENT_SOCKET), dir.join(places::HEALTH_SOCKET)])
    }
}

/// Whether this is the word of an agent without health answers.
fn answers_nobody(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused(refused) if refused.kind == ErrorKind::Unsupported)
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
