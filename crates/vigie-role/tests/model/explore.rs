//! Everything that can happen, breadth first.

use crate::world::{Budget, Plan, Step, TICK, TTL, World};
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;
use vigie_role::words::{Mode, Settings};

/// A state's name: 128 bits, so that among millions no two share one.
fn name(world: &World) -> u128 {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, world).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// A state that was met, and how.
struct Met {
    from: usize,
    step: Step,
}

fn story(met: &[Met], mut at: usize) -> String {
    let mut steps = Vec::new();
    while at != 0 {
        steps.push(format!("{:?}", met[at].step));
        at = met[at].from;
    }
    steps.reverse();
    steps.join("\n  ")
}

/// Tries everything until a time. Gives the number of states, or panics with the shortest story of what went wrong.
fn explore(plan: &Plan, until: Duration) -> usize {
    let first = World::new(plan);
    let mut seen = HashSet::from([name(&first)]);
    let mut met = vec![Met { from: 0, step: Step::Time }];
    let mut frontier = vec![(0, first)];
    let mut principals = 0_usize;
    while !frontier.is_empty() {
        let mut next = Vec::new();
        for (from, world) in frontier {
            for step in world.steps() {
                let mut after = world.clone();
                after.apply(step);
                met.push(Met { from, step });
                let at = met.len() - 1;
                if let Err(wrong) = after.check() {
                    panic!("{wrong}, after:\n  {}\n{after:#?}", story(&met, at));
                }
                if after.now > until || !seen.insert(name(&after)) {
                    met.pop();
                    continue;
                }
                principals += usize::from(!after.principals().is_empty());
                next.push((at, after));
            }
        }
        frontier = next;
        if std::env::var_os("LOUD").is_some() { println!("{} {}", frontier.len(), seen.len()); }
        assert!(seen.len() < 2_000_000, "too much");
    }
    assert!(principals > 0, "nobody was ever principal: nothing was tried");
    seen.len()
}

fn plan(mode: Mode, members: &[(u32, i32)], delays: u8, faults: u8) -> Plan {
    let settings = Settings { mode, ttl: TTL, preempt: members.iter().any(|(_, p)| *p != 0) };
    Plan { settings, members: members.to_vec(), budget: Budget { delays, faults } }
}

fn ticks(n: u32) -> Duration {
    TICK * n
}

#[test]
fn v11() { println!("11 {}", explore(&plan(Mode::Safe, &[(901, 0), (1000, 0)], 1, 1), ticks(6))); }
#[test]
fn v20() { println!("20 {}", explore(&plan(Mode::Safe, &[(901, 0), (1099, 0)], 2, 0), ticks(6))); }
#[test]
fn v02() { println!("02 {}", explore(&plan(Mode::Safe, &[(1000, 0), (1000, 0)], 0, 2), ticks(6))); }
#[test]
fn v12() { println!("12 {}", explore(&plan(Mode::Safe, &[(901, 0), (1099, 0)], 1, 2), ticks(6))); }
#[test]
fn v21() { println!("21 {}", explore(&plan(Mode::Safe, &[(901, 0), (1099, 0)], 2, 1), ticks(6))); }
#[test]
fn v3m() { println!("3m {}", explore(&plan(Mode::Safe, &[(1000, 0), (901, 1), (1099,0)], 1, 1), ticks(6))); }
#[test]
fn vf() { println!("f {}", explore(&plan(Mode::Fast, &[(1000, 0), (901, 0)], 1, 1), ticks(6))); }
