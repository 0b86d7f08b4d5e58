//! `vigie role set`, `pause` and `resume`

use crate::context::{Context, hub_failure};
use crate::failure::{Failure, Outcome};
use clap::{Args, ValueEnum};
use std::time::Duration;
use vigie_web::messages::SetGroupRequest;

/// Set how a group works
///
/// Mode and lease hold from the next grant on. `safe`: the next is promoted when the former principal has finished its
/// demotion, or its lease is over by everybody's clock; never two at once. `fast`: as soon as its connection breaks;
/// a principal that is cut off or frozen may act for a moment beside the new one, so whoever is written to should
/// refuse old epochs (`vigie role fence`).
#[derive(Args, Debug)]
#[command(after_help = "\
EXAMPLES:
  vigie role set db --ttl 5s
  vigie role set web --mode fast --preempt on")]
pub(crate) struct SetArgs {
    /// The group; made if there is none of this name
    group: String,

    /// How much a promotion waits for
    #[arg(long)]
    mode: Option<Mode>,

    /// How long a lease is good for without renewal, from 500ms
    #[arg(long, value_name = "SPAN", value_parser = crate::instant::span)]
    ttl: Option<Duration>,

    /// Whether a machine of higher priority takes the role from one of lower
    #[arg(long)]
    preempt: Option<Switch>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    Safe,
    Fast,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// Promote nobody in a group until it is resumed
///
/// The principal stays what it is; should it go, nobody is principal. For maintenance of the machines or of the hub.
#[derive(Args, Debug)]
#[command(after_help = "\
EXAMPLES:
  vigie role pause db && reboot-something && vigie role resume db")]
pub(crate) struct PauseArgs {
    /// The group
    group: String,
}

/// Let promotions in a group go on
///
/// Also lets machines back into the line whose hook of promotion had failed.
#[derive(Args, Debug)]
#[command(after_help = "\
EXAMPLES:
  vigie role resume db")]
pub(crate) struct ResumeArgs {
    /// The group
    group: String,
}

impl SetArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        let SetArgs { group, mode, ttl, preempt } = self;
        if mode.is_none() && ttl.is_none() && preempt.is_none() {
            return Err(Failure::usage("there is nothing to set").hint("give --mode, --ttl or --preempt"));
        }
        let mode = mode.map(|mode| match mode {
            Mode::Safe => "safe".to_owned(),
            Mode::Fast => "fast".to_owned(),
        });
        let ttl_ms = ttl.and_then(|ttl| u64::try_from(ttl.as_millis()).ok());
        let preempt = preempt.map(|switch| matches!(switch, Switch::On));
        set(context, SetGroupRequest { group, mode, ttl_ms, preempt, paused: None }).await
    }
}

impl PauseArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        set(context, SetGroupRequest { group: self.group, paused: Some(true), ..Default::default() }).await
    }
}

impl ResumeArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        set(context, SetGroupRequest { group: self.group, paused: Some(false), ..Default::default() }).await
    }
}

async fn set(mut context: Context, request: SetGroupRequest) -> Result<Outcome, Failure> {
    let groups = context.hub()?.set_group(&request).await.map_err(hub_failure)?;
    super::show::print(&mut context.out, &groups)?;
    Ok(Outcome::Done)
}
