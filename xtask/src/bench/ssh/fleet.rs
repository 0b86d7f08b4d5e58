//! A command on very many machines.

use super::Bench;
use super::bed::{Bed, CONNECT_TIMEOUT};
use super::tools::{Ran, Tool};
use crate::bench::report::{Row, Target};
use crate::bench::series::{Series, Unit};
use anyhow::{Result, bail};
use std::path::Path;

/// Machines, and how many of them are given to all contenders.
const HOSTS: usize = 200;
/// Machines of which some are dead, and how many of them are.
const WITH_DEAD: usize = 300;
const DEAD: usize = 20;

/// Addresses that are machines, as a node set and one by one.
fn hosts(count: usize) -> (String, Vec<String>) {
    let all: Vec<String> = (0..count).map(|n| format!("127.0.{}.{}", 1 + n / 100, 1 + n % 100)).collect();
    let set = format!("127.0.[1-{}].[1-100]", count / 100);
    (set, all)
}

/// 200 machines, beside the peers.
pub(super) fn all(bench: &mut Bench, ansible: &Path) -> Result<Vec<Row>> {
    let dir = bench.dir.join("fleet");
    let bed = Bed::new(&dir)?;
    let (set, hosts) = hosts(HOSTS);
    let vigie = bench.vigie.clone();
    let tools = [Tool::Vigie(&vigie), Tool::Clush, Tool::Ansible(ansible), Tool::Pssh];
    let mut walls: Vec<Series> = tools.iter().map(|_| Series::new(Unit::Seconds)).collect();
    let mut lost = vec![0; tools.len()];
    let mut cpu = Series::new(Unit::Millis);
    let mut peak = Series::new(Unit::Bytes);
    for round in 0..bench.rounds as usize {
        for turn in 0..tools.len() {
            // Every round begins with another one.
            let at = (round + turn) % tools.len();
            let Ran { wall, cpu: used, peak_bytes, reached } = tools[at].run(&bed, &set, &hosts, &dir)?;
            walls[at].push_time(wall);
            lost[at] = lost[at].max(HOSTS.saturating_sub(reached));
            if at == 0 {
                cpu.push_time(used / HOSTS as u32);
                peak.push(peak_bytes);
            }
        }
    }
    for ((tool, lost), walls) in tools.iter().zip(&lost).zip(&walls) {
        let took = walls.summary();
        bench
            .remark(format!("{}: {took}; of {HOSTS} machines, lost in the worst round: {lost}", tool.name()));
    }
    let [ours, clush, ansible, _] = &walls[..] else { bail!("not all were measured") };
    let beside = |what: &str, tool: Tool<'_>, theirs: &Series, target| {
        Row::beside(what, ours.clone(), tool.name(), theirs.clone(), target)
    };
    Ok(vec![
        beside("200 machines", tools[1], clush, Target::Ratio(0.75)),
        beside("200 machines", tools[2], ansible, Target::Ratio(0.5)),
        Row::alone("own processor time for a machine", cpu, Target::AtMost(25.0)),
        Row::alone("resident at the most", peak, Target::AtMost(200e6)),
        Row::alone("machines lost, of 200", Series::of(Unit::Count, lost[0] as u64), Target::AtMost(0.0)),
    ])
}

/// 300 machines, 20 of which do not answer: how much longer than without them, in time-outs.
pub(super) fn some_dead(bench: &mut Bench) -> Result<Vec<Row>> {
    let dir = bench.dir.join("dead");
    let bed = Bed::new(&dir)?;
    let (set, hosts) = hosts(WITH_DEAD);
    let vigie = bench.vigie.clone();
    let tool = Tool::Vigie(&vigie);
    let (mut alive, mut with_dead) = (Series::new(Unit::Seconds), Series::new(Unit::Seconds));
    for _ in 0..bench.rounds {
        let ran = tool.run(&bed, &set, &hosts, &dir)?;
        if ran.reached != WITH_DEAD {
            bail!("{} of {WITH_DEAD} machines were reached while all were alive", ran.reached);
        }
        alive.push_time(ran.wall);
    }
    // Spread over all: every fifteenth.
    let dead: Vec<&str> = hosts.iter().step_by(WITH_DEAD / DEAD).map(String::as_str).collect();
    bed.kill(&format!("{{ {} }}", dead.join(", ")))?;
    for _ in 0..bench.rounds {
        let ran = tool.run(&bed, &set, &hosts, &dir)?;
        if ran.reached != WITH_DEAD - DEAD {
            bail!("{} of {} living machines were reached", ran.reached, WITH_DEAD - DEAD);
        }
        with_dead.push_time(ran.wall);
    }
    let timeout = CONNECT_TIMEOUT.as_secs_f64();
    bench.remark(format!(
        "300 machines: {} with all alive, {} with 20 dead, time-out {timeout} s",
        alive.summary(),
        with_dead.summary()
    ));
    // A tenth for what is not exact in it.
    let most = alive.median() + 1.1 * timeout;
    Ok(vec![Row::alone(
        format!("300 machines, 20 of them dead (all alive: {})", alive.show(alive.median())),
        with_dead,
        Target::AtMost(most),
    )])
}
