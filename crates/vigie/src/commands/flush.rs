//! `vigie flush`

use crate::context::{Context, hub_failure};
use crate::failure::{Failure, Outcome};
use crate::output::{Paint, Table};
use clap::Args;
use std::time::Duration;
use vigie_web::client::ClientError;
use vigie_web::messages::{FlushOutcome, FlushReport, FlushRequest};

/// Wait until everything before now is durable on the hub
///
/// Every change that was made before the command started is in the store when it returns. Without MACHINE,
/// of all machines; where no hub was named and none answers, of this one through its agent.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit code 3 when the time was over first, or a machine is away; where the hub knows of a cause, such as a full disk,
it is said.

EXAMPLES:
  vigie flush                          every machine
  vigie flush web01 --timeout 5s && vigie cat web01:/etc/hosts")]
pub(crate) struct FlushArgs {
    /// Only this machine
    machine: Option<String>,

    /// How long to wait, such as 500ms, 30s or 2m
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = crate::instant::span)]
    timeout: Duration,
}

impl FlushArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let timeout_ms = u64::try_from(self.timeout.as_millis()).ok();
        let request = FlushRequest { machine: self.machine, timeout_ms };
        let report = match context.hub()?.flush(&request).await {
            Err(error) if error.is_unreachable() && !context.hub_is_named() => {
                by_agent(&context, request, error).await?
            }
            other => other.map_err(hub_failure)?,
        };
        print(&mut context, &report)?;
        Ok(Outcome::partial_if(!report.is_complete()))
    }
}

/// Where no hub answers, this machine's agent can say what is durable of its own.
async fn by_agent(
    context: &Context,
    request: FlushRequest,
    no_hub: ClientError,
) -> Result<FlushReport, Failure> {
    let Ok((agent, status)) = context.agent().await else { return Err(hub_failure(no_hub)) };
    let here = status.get("machine").and_then(|m| m.as_str());
    if request.machine.is_some() && request.machine.as_deref() != here {
        return Err(hub_failure(no_hub));
    }
    context.out.warn("no hub answers here: asking this machine's agent, for this machine only");
    Ok(agent.flush(&FlushRequest { machine: None, ..request }).await?)
}

fn print(context: &mut Context, report: &FlushReport) -> std::io::Result<()> {
    if context.out.is_json() {
        for machine in &report.machines {
            context.out.json(machine)?;
        }
        return context.out.flush();
    }
    let mut table = Table::new(&[], &[]);
    for machine in &report.machines {
        let (paint, word) = match machine.outcome {
            FlushOutcome::Durable => (Paint::Good, "durable"),
            FlushOutcome::Away => (Paint::Attention, "away"),
            FlushOutcome::TimedOut => (Paint::Attention, "timed out"),
            FlushOutcome::Failed => (Paint::Bad, "failed"),
        };
        let why = machine.why.clone().unwrap_or_default();
        table.row([machine.machine.clone(), context.out.paint(paint, word), why]);
    }
    for line in table.lines() {
        context.out.line(&line)?;
    }
    context.out.flush()
}
