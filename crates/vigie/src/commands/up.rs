//! `vigie up`

use crate::commands::hub::in_order_or_failed;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::places;
use crate::service::agent::AgentService;
use crate::service::hub::{HubService, check_api};
use crate::service::live::Live;
use crate::service::roots;
use crate::signals::EndSignals;
use clap::Args;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vigie_agent::{Config, MemoryDial, State};
use vigie_hub::Hub;
use vigie_model::{BytePath, UnixNanos};
use vigie_wire::MachineCard;

/// Watch directories and keep every change: hub and agent in one process, nothing to set up
///
/// Prints changes as they happen, until Ctrl-C. Other commands then find this hub by themselves.
#[derive(Args, Debug)]
#[command(after_help = "\
EXAMPLES:
  vigie up ~/projects                   watch, store and show
  vigie up /srv /etc --json             the same, for scripts
  vigie up /srv --listen '[::]:7700'    other machines' agents may join")]
pub(crate) struct UpArgs {
    /// Directories to watch
    #[arg(value_name = "DIR", required = true)]
    dirs: Vec<PathBuf>,

    /// Where everything is kept; other commands then need --hub-api DIR/api.sock [default: /var/lib/vigie for
    /// root, else ~/.local/share/vigie]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Let agents of other machines in on this address
    #[arg(long, value_name = "ADDR", value_parser = crate::addresses::with_port)]
    listen: Option<SocketAddr>,

    /// Offer the API on this loopback address, without authentication
    #[arg(long, value_name = "ADDR", value_parser = crate::addresses::with_port)]
    api: Option<SocketAddr>,
}

impl UpArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        check_api(self.api)?;
        let roots = roots::resolve(&self.dirs)?;
        let name = places::host_name()?;
        let data = match self.data {
            Some(data) => data,
            None => places::hub_data()?,
        };
        let mut end = EndSignals::listen()?;
        let hub = HubService::start(&data, self.listen, self.api, Some(&name)).await?;
        let own = roots::byte_path(&data)?;
        for remark in roots::leave_out(&roots, std::slice::from_ref(&own))? {
            context.out.remark(&remark);
        }
        if let Some(address) = hub.hub.listening() {
            context.out.remark(&format!("agents of other machines may join on {address}"));
        }
        context.out.remark(&format!("everything is kept in {own}; end with Ctrl-C"));
        let live = Live::new(hub.hub.store()).map_err(|e| Failure::of(&e))?;
        let agent = start_agent(&hub.hub, &name, roots, &data, own).await?;
        let shown = tokio::select! {
            shown = live.run(&mut context.out) => shown,
            () = end.next() => Ok(()),
        };
        let stopped = async {
            let drained = agent.stop().await;
            hub.stop().await && drained
        };
        tokio::select! {
            in_order = stopped => shown.and_then(|()| in_order_or_failed(in_order)),
            () = end.next() => Err(Failure::failed("stopped at once, as asked twice")),
        }
    }
}

/// Starts an agent whose link to the hub never leaves this process.
async fn start_agent(
    hub: &Hub,
    name: &str,
    roots: Vec<BytePath>,
    data: &Path,
    own: BytePath,
) -> Result<AgentService, Failure> {
    let known = hub.store().machine_named(name).map_err(|e| Failure::of(&e))?;
    let machine = match known {
        Some(machine) => machine,
        None => hub.enrol_machine(name).await.map_err(|e| Failure::of(&e))?,
    };
    // The hub is this process: it vouches for the machine, and no certificate has to end.
    let card = MachineCard {
        id: machine,
        name: name.to_owned(),
        certificate: [0; 32],
        not_after: UnixNanos(i64::MAX),
    };
    let (dial, links) = MemoryDial::new(card, hub.machine());
    hub.serve_all(links);
    let state = State::open(&places::agent_state_of_up(data)).map_err(|e| Failure::of(&e))?;
    let (name, exclude) = (name.to_owned(), vec![own]);
    let config = Config { machine, name, roots, ignore: Vec::new(), exclude, roles: Vec::new() };
    AgentService::start(config, state, Arc::new(dial), None).await
}
