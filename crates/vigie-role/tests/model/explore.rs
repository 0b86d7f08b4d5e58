//! Everything that can happen, breadth first.

use crate::world::{Budget, Plan, Step, TICK, TTL, World};
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use vigie_role::words::{Mode, Settings};

/// No story within the bounds of these tests has as many steps, nor are there as many states.
const DEPTH_MAX: usize = 300;
const STATES_MAX: usize = 3_000_000;

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

/// Tries everything, for so many steps of time. Gives the number of states, or panics with the shortest story of what went wrong.
fn explore(first: World, ticks: u32) -> usize {
    let until = first.now + TICK * ticks;
    let mut seen = HashSet::from([name(&first)]);
    let mut met = vec![Met { from: 0, step: Step::Time }];
    let mut frontier = vec![(0, first)];
    let (mut principals, mut depth) = (0_usize, 0);
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
        depth += 1;
        if let Some((at, world)) = frontier.first() {
            // A storm of grants that nobody takes would go on for ever at one time.
            assert!(
                depth < DEPTH_MAX && seen.len() < STATES_MAX,
                "there is no end:\n  {}\n{world:#?}",
                story(&met, *at)
            );
        }
    }
    assert!(principals > 0, "nobody was ever principal: nothing was tried");
    seen.len()
}

fn world(mode: Mode, members: &[(u32, i32)], delays: u8, faults: u8) -> World {
    let preempt = members.iter().any(|(_, priority)| *priority != 0);
    let settings = Settings { mode, ttl: TTL, preempt };
    let budget = Budget { delays, faults };
    World::new(&Plan { settings, members: members.to_vec(), names: members.len() as u8, budget })
}

/// Clocks that are wrong by a little less than a tenth, either way.
const SLOW: u32 = 901;
const RIGHT: u32 = 1000;
const QUICK: u32 = 1099;

fn tried(what: &str, states: usize) {
    println!("{what}: {states} states");
}

#[test]
fn a_start_with_one_delay_and_one_fault() {
    for clocks in [[SLOW, QUICK], [QUICK, SLOW]] {
        let members = clocks.map(|rate| (rate, 0));
        tried("start", explore(world(Mode::Safe, &members, 1, 1), 4));
    }
}

#[test]
fn a_settled_group_with_two_delays_and_one_fault() {
    for clocks in [[SLOW, RIGHT], [RIGHT, SLOW]] {
        let members = clocks.map(|rate| (rate, 0));
        tried("settled", explore(world(Mode::Safe, &members, 2, 1).settled(), 5));
    }
}

#[test]
fn a_settled_group_with_one_delay_and_two_faults() {
    tried("faults", explore(world(Mode::Safe, &[(SLOW, 0), (RIGHT, 0)], 1, 2).settled(), 4));
}

#[test]
fn three_members_with_one_delay_and_one_fault() {
    let members = [(RIGHT, 0), (SLOW, 0), (QUICK, 0)];
    tried("three", explore(world(Mode::Safe, &members, 1, 1).settled(), 5));
}

#[test]
fn two_processes_that_speak_for_one_member() {
    let members = vec![(SLOW, 0), (RIGHT, 0), (RIGHT, 0)];
    let settings = Settings { mode: Mode::Safe, ttl: TTL, preempt: false };
    let budget = Budget { delays: 1, faults: 1 };
    tried("twins", explore(World::new(&Plan { settings, members, names: 2, budget }), 5));
}

#[test]
fn a_group_that_preempts() {
    tried("preempting", explore(world(Mode::Safe, &[(RIGHT, 0), (SLOW, 1)], 1, 1), 4));
}

#[test]
fn a_fast_group_never_shares_an_epoch_either() {
    tried("fast", explore(world(Mode::Fast, &[(RIGHT, 0), (SLOW, 0)], 1, 1).settled(), 6));
}
