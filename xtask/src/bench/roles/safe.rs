//! Agents in `safe`, each on a cable of its own: from a fault of the principal to the next one's hook. The same faults
//! for keepalived.

use super::bed::{Bed, probe_command, until};
use super::boot;
use super::cluster::{AgentPlan, Hub, lasting_port};
use super::keepalived::Keepalived;
use super::namespace::Namespace;
use super::probe;
use crate::bench::report::{Row, Target};
use crate::bench::running::Running;
use crate::bench::series::{Series, Unit};
use anyhow::{Context, Result};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::time::Duration;

/// What happens to the principal.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// Its process stops, and its connection stands.
    Frozen,
    /// Nothing passes its cable any more.
    Cut,
}

const TTL_SECONDS: f64 = 3.0;

/// From one fault to the next, and longer every time: faults fall into all phases of a lease, and of an advert.
const BETWEEN: Duration = Duration::from_millis(1000);
const LONGER: Duration = Duration::from_millis(137);

struct Machine {
    // Before its namespace.
    agent: Running,
    plan: AgentPlan,
    namespace: Namespace,
}

pub(super) fn run(bed: &mut Bed) -> Result<Vec<Row>> {
    let dir = bed.fresh("safe")?;
    let listen = SocketAddr::from(([0, 0, 0, 0], lasting_port()?.port()));
    let hub = Hub::start_new(&bed.settings.vigie, &dir, listen)?;
    hub.set_ttl("3s")?;
    let machines = [machine(&hub, 1)?, machine(&hub, 2)?];
    hub.until_settled(machines.len())?;
    let keepalived = Keepalived::start(&bed.fresh("keepalived")?)?;

    let mut rows = Vec::new();
    for (fault, name) in [(Fault::Frozen, "frozen principal"), (Fault::Cut, "dropped link")] {
        let (mut ours, mut theirs) = (Series::new(Unit::Seconds), Series::new(Unit::Seconds));
        for number in 0..bed.settings.faults {
            std::thread::sleep(BETWEEN + LONGER * number);
            ours.push_time(fail_over(&hub, &machines, fault)?);
            theirs.push_time(keepalived.fail_over(fault)?);
        }
        bed.remark(format!(
            "{name}, all {}: vigie {}, keepalived {}",
            ours.len(),
            ours.summary(),
            theirs.summary()
        ));
        let what = format!("safe, lease 3 s: {name} until the next one's hook, worst of {}", ours.len());
        let (ours, theirs) = (ours.percentile(100), theirs.percentile(100));
        rows.push(Row::beside(
            what,
            ours,
            "keepalived, advert 1 s",
            theirs,
            Target::AtMost(TTL_SECONDS * 1.1),
        ));
    }
    Ok(rows)
}

/// An agent in a namespace of its own, from which the hub is at the other end of the cable.
fn machine(hub: &Hub, number: u8) -> Result<Machine> {
    let namespace = Namespace::new(&format!("m{number}"))?;
    let (here, hub_side) = (format!("10.213.{number}.2"), format!("10.213.{number}.1"));
    let (device, far) = (format!("vbench-m{number}"), format!("vbench-h{number}"));
    namespace.cable((&device, &here), None, (&far, &hub_side))?;
    let mut plan = hub.invite(&format!("machine{number}"))?;
    plan.hub.set_ip(hub_side.parse().context("an address")?);
    plan.hook = Some(probe_command(&plan.hook_log())?);
    plan.inside = Some(namespace.name.clone());
    Ok(Machine { agent: plan.start()?, plan, namespace })
}

/// Afterwards both are there again.
fn fail_over(hub: &Hub, machines: &[Machine; 2], fault: Fault) -> Result<Duration> {
    let (name, epoch) = hub.until_settled(machines.len())?;
    let [first, second] = machines;
    let (victim, next) = if first.plan.name == name { (first, second) } else { (second, first) };
    let begun = boot::now();
    match fault {
        Fault::Frozen => victim.agent.signal(Signal::STOP)?,
        Fault::Cut => victim.namespace.cut()?,
    }
    let taken = until("the next principal's hook runs", || {
        let (hooks, _) = probe::read(&next.plan.hook_log())?;
        Ok(hooks.into_iter().rfind(|noted| noted.principal && noted.epoch > Some(epoch)))
    })?;
    match fault {
        Fault::Frozen => victim.agent.signal(Signal::CONT)?,
        Fault::Cut => victim.namespace.mend()?,
    }
    Ok(taken.at.saturating_sub(begun))
}
