//! Long ways, at random.

use crate::world::{Budget, Plan, Step, TTL, World};
use vigie_role::words::{Mode, Settings};

/// Chance that follows from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Steps of one way while things go wrong, and then without any mishap until all must be well.
const WILD: usize = 600;
const CALM: usize = 400;

fn walk(seed: u64, mode: Mode) {
    let mut dice = Dice(seed);
    let members =
        (0..2 + dice.below(3)).map(|_| (dice.pick(&[901, 950, 1000, 1050, 1099]), dice.pick(&[0, 0, 1])));
    let members: Vec<_> = members.collect();
    // In some worlds the last one is another process that speaks for the first.
    let twins = members.len() > 2 && dice.below(4) == 0;
    let plan = Plan {
        names: members.len() as u8 - u8::from(twins),
        settings: Settings { mode, ttl: TTL, preempt: seed.is_multiple_of(2) },
        members,
        budget: Budget { delays: 0, faults: 0 },
    };
    let mut world = World::new(&plan);
    for step in 0..WILD + CALM {
        let wild = step < WILD;
        // Now and then something goes wrong; otherwise what comes next, comes.
        let mishap = wild && dice.below(6) == 0;
        world.budget = if mishap { Budget { delays: 9, faults: 9 } } else { Budget { delays: 0, faults: 0 } };
        let steps = world.steps();
        let chosen = if wild { dice.pick(&steps) } else { calm(&steps) };
        world.apply(chosen);
        if let Err(wrong) = world.check() {
            panic!("seed {seed}, step {step}, {chosen:?}: {wrong}\n{world:#?}");
        }
    }
    world.clear_nofailover();
    for _ in 0..CALM {
        world.apply(calm(&world.steps()));
        assert_eq!(world.check(), Ok(()), "seed {seed}");
    }
    assert_eq!(world.principals().len(), 1, "seed {seed}: in the end somebody is principal\n{world:#?}");
}

/// What is late happens before time goes on.
fn calm(steps: &[Step]) -> Step {
    let late = steps.iter().find(|step| !matches!(step, Step::Time));
    *late.unwrap_or(&Step::Time)
}

#[test]
fn a_thousand_safe_ways() {
    (0..1000).for_each(|seed| walk(seed, Mode::Safe));
}

#[test]
fn three_hundred_fast_ways() {
    (0..300).for_each(|seed| walk(seed, Mode::Fast));
}
