use super::*;
use crate::limits::TTL_DEFAULT;

type Actions = Vec<Action<&'static str>>;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn join(boot: u64) -> Join {
    Join {
        boot: BootId(boot),
        priority: 0,
        nofailover: false,
        renews: true,
        holding: None,
        stamp: Stamp::default(),
    }
}

/// A group whose disk is at once done.
struct World {
    group: Group<&'static str>,
    said: Vec<(&'static str, ToMember)>,
    told: Vec<Fact<&'static str>>,
}

impl World {
    fn new(settings: Settings) -> Self {
        World { group: Group::new(settings), said: Vec::new(), told: Vec::new() }
    }

    fn does(&mut self, now: Duration, actions: Actions) {
        for action in actions {
            match action {
                Action::Persist(opening) => {
                    let actions = self.group.persisted(now, opening.epoch);
                    self.does(now, actions);
                }
                Action::Send { to, message, .. } => self.said.push((to, message)),
                Action::Tell(fact) => self.told.push(fact),
            }
        }
    }

    fn hears(&mut self, now: Duration, member: &'static str, conn: u64, said: FromMember) {
        let actions = self.group.heard(now, &member, Conn(conn), said);
        self.does(now, actions);
    }

    fn joins(&mut self, now: Duration, member: &'static str, boot: u64) {
        self.hears(now, member, boot, FromMember::Join(join(boot)));
    }

    fn renews(&mut self, now: Duration, member: &'static str, conn: u64, epoch: Option<u64>) {
        let said = FromMember::Renew { epoch: epoch.map(Epoch), stamp: Stamp(now) };
        self.hears(now, member, conn, said);
    }

    fn loses(&mut self, now: Duration, member: &'static str, conn: u64) {
        let actions = self.group.lost(now, &member, Conn(conn));
        self.does(now, actions);
    }

    fn ticks(&mut self, now: Duration) {
        let actions = self.group.tick(now);
        self.does(now, actions);
    }

    /// Who is principal, in which epoch and why.
    fn principal(&self) -> Option<(&'static str, u64, Cause)> {
        self.group.held().map(|held| (held.member, held.epoch.0, held.cause))
    }

    fn last_end(&self) -> (Cause, Option<Duration>) {
        let last = self.group.last_ended().unwrap();
        (last.cause, last.detection)
    }
}

fn fast() -> Settings {
    Settings { mode: Mode::Fast, ..Settings::default() }
}

#[test]
fn the_first_is_principal_and_the_next_is_next() {
    let mut world = World::new(Settings::default());
    world.joins(s(1), "a", 1);
    world.joins(s(1), "b", 2);
    world.joins(s(1), "c", 3);
    assert_eq!(world.principal(), Some(("a", 1, Cause::First)));
    assert!(matches!(
        world.said[..],
        [
            ("a", ToMember::Granted(_)),
            ("b", ToMember::Secondaire { cause: Cause::Joined, epoch: Epoch(1), .. }),
            ("c", ToMember::Secondaire { .. }),
        ]
    ));
    world.hears(s(2), "a", 1, FromMember::Leave);
    assert_eq!(world.principal(), Some(("b", 2, Cause::Left)));
    assert_eq!(world.last_end(), (Cause::Left, Some(Duration::ZERO)));
}

#[test]
fn nobody_is_granted_what_is_not_durable() {
    let mut group = Group::new(Settings::default());
    let actions = group.heard(s(1), &"a", Conn(1), FromMember::Join(join(1)));
    assert!(matches!(&actions[..], [Action::Persist(opening)] if opening.epoch == Epoch(1)), "{actions:?}");
    assert_eq!(group.persisted(s(1), Epoch(7)), []);
    // The candidate goes while the disk works: its epoch is nobody's.
    assert_eq!(group.heard(s(1), &"a", Conn(1), FromMember::Leave), []);
    assert_eq!(group.persisted(s(1), Epoch(1)), []);
    let actions = group.heard(s(2), &"b", Conn(2), FromMember::Join(join(2)));
    assert!(matches!(&actions[..], [Action::Persist(opening)] if opening.epoch == Epoch(2)), "{actions:?}");
}

#[test]
fn safe_waits_for_the_lease_and_fast_does_not() {
    for (settings, at_once) in [(Settings::default(), false), (fast(), true)] {
        let mut world = World::new(settings);
        world.joins(s(1), "a", 1);
        world.joins(s(1), "b", 2);
        world.renews(s(2), "a", 1, Some(1));
        world.loses(s(3), "a", 1);
        assert_eq!(world.principal().unwrap().0 == "b", at_once);
        world.renews(s(4), "b", 2, None);
        world.ticks(s(5) - Duration::from_nanos(1));
        assert_eq!(world.principal().unwrap().0 == "b", at_once);
        world.ticks(s(2) + TTL_DEFAULT);
        assert_eq!(world.principal(), Some(("b", 2, Cause::ConnectionLost)));
        let detection = if at_once { s(1) } else { TTL_DEFAULT };
        assert_eq!(world.last_end(), (Cause::ConnectionLost, Some(detection)));
    }
}

#[test]
fn silence_ends_a_lease_and_the_next_must_be_lively() {
    let mut world = World::new(Settings::default());
    for (member, boot) in [("a", 1), ("b", 2), ("c", 3)] {
        world.joins(s(1), member, boot);
    }
    // `b` is as silent as `a`.
    world.renews(s(3), "c", 3, None);
    assert_eq!(world.group.next_wake(), Some(s(4)));
    world.ticks(s(4));
    assert_eq!(world.principal(), Some(("c", 2, Cause::LeaseExpired)));
    assert_eq!(world.last_end(), (Cause::LeaseExpired, Some(TTL_DEFAULT)));
    // `a` wakes up, and is told.
    world.renews(s(5), "a", 1, Some(1));
    assert!(matches!(
        world.said.last(),
        Some(("a", ToMember::Secondaire { cause: Cause::LeaseExpired, .. }))
    ));
}

#[test]
fn the_same_process_keeps_role_and_epoch_over_a_new_connection() {
    let mut world = World::new(Settings::default());
    world.joins(s(1), "a", 1);
    world.joins(s(1), "b", 2);
    world.loses(s(2), "a", 1);
    let back = Join { holding: Some(Epoch(1)), ..join(1) };
    world.hears(s(3), "a", 9, FromMember::Join(back));
    assert_eq!(world.principal(), Some(("a", 1, Cause::First)));
    assert!(matches!(world.said.last(), Some(("a", ToMember::Granted(Grant { epoch: Epoch(1), .. })))));
    // News of the old connection is old news.
    world.loses(s(3), "a", 1);
    world.ticks(s(5));
    assert_eq!(world.principal(), Some(("a", 1, Cause::First)));
}

#[test]
fn another_process_of_the_same_member_waits_for_the_old_lease() {
    let mut world = World::new(Settings::default());
    world.joins(s(1), "a", 1);
    world.joins(s(1), "a", 2);
    assert!(matches!(world.said.last(), Some(("a", ToMember::Refused(Refusal::Taken)))));
    world.loses(s(2), "a", 1);
    world.joins(s(2), "a", 2);
    assert_eq!(world.principal(), Some(("a", 1, Cause::First)));
    world.renews(s(3), "a", 2, None);
    world.ticks(s(4));
    assert_eq!(world.principal(), Some(("a", 2, Cause::MemberRestarted)));
}

#[test]
fn a_restart_gives_the_former_holder_time_to_come_back() {
    let opening = Opening {
        epoch: Epoch(7),
        member: "a",
        boot: BootId(1),
        mode: Mode::Safe,
        ttl: TTL_DEFAULT,
        cause: Cause::First,
        after: None,
    };
    for comes_back in [true, false] {
        let mut world = World::new(Settings::default());
        world.group = Group::restored(Settings::default(), s(100), opening.clone());
        world.joins(s(101), "b", 2);
        if comes_back {
            world.hears(s(102), "a", 3, FromMember::Join(Join { holding: Some(Epoch(7)), ..join(1) }));
        }
        world.renews(s(102), "b", 2, None);
        world.ticks(s(103));
        let expected = if comes_back { ("a", 7, Cause::First) } else { ("b", 8, Cause::HubRestarted) };
        assert_eq!(world.principal(), Some(expected));
    }
}

#[test]
fn a_term_whose_end_is_durable_is_waited_for_by_nobody() {
    let mut world = World::new(Settings::default());
    world.group = Group::resumed(Settings::default(), Epoch(7), Cause::Left);
    assert_eq!(world.group.held(), None);
    world.joins(s(100), "b", 2);
    assert_eq!(world.principal(), Some(("b", 8, Cause::Left)));
}

#[test]
fn an_epoch_from_the_future_is_refused_and_said() {
    let mut world = World::new(Settings::default());
    world.joins(s(1), "a", 1);
    world.hears(s(1), "b", 2, FromMember::Join(Join { holding: Some(Epoch(2)), ..join(2) }));
    let why = Refusal::FutureEpoch { presented: Epoch(2), highest: Epoch(1) };
    assert_eq!(world.said.last(), Some(&("b", ToMember::Refused(why))));
    assert_eq!(world.told.last(), Some(&Fact::Refused { member: "b", why }));
    world.renews(s(2), "a", 1, Some(9));
    assert!(matches!(world.said.last(), Some(("a", ToMember::Refused(Refusal::FutureEpoch { .. })))));
    world.ticks(s(10));
    assert_eq!(world.principal(), None);
    assert_eq!(world.group.highest(), Epoch(1));
}

#[test]
fn stepping_down_waits_for_the_demotion() {
    let mut world = World::new(Settings::default());
    for (member, boot) in [("a", 1), ("b", 2), ("c", 3)] {
        world.joins(s(1), member, boot);
    }
    assert_eq!(world.group.step_down(s(1), Some(&"d")), Err(CannotStepDown::NoSuchMember("d")));
    assert_eq!(world.group.step_down(s(1), Some(&"a")), Err(CannotStepDown::NotEligible("a")));
    let actions = world.group.step_down(s(1), Some(&"c")).unwrap();
    world.does(s(1), actions);
    assert_eq!(world.group.step_down(s(1), None), Err(CannotStepDown::Already));
    let asked = ToMember::StepDown { epoch: Epoch(1), cause: Cause::SteppedDown };
    assert_eq!(world.said.last(), Some(&("a", asked)));
    // Its hook takes its time, and the lease lives on.
    world.renews(s(3), "a", 1, Some(1));
    world.renews(s(3), "c", 3, None);
    world.ticks(s(5));
    assert_eq!(world.principal(), Some(("a", 1, Cause::First)));
    world.hears(s(5), "a", 1, FromMember::Released { epoch: Epoch(1), cause: Cause::SteppedDown });
    assert_eq!(world.principal(), Some(("c", 2, Cause::SteppedDown)));
    // Who stepped down is last in line.
    world.renews(s(6), "a", 1, None);
    world.renews(s(6), "b", 2, None);
    world.hears(s(6), "c", 3, FromMember::Leave);
    assert_eq!(world.principal(), Some(("b", 3, Cause::Left)));
}

#[test]
fn a_lone_principal_cannot_step_down() {
    let mut world = World::new(Settings::default());
    assert_eq!(world.group.step_down(s(1), None), Err(CannotStepDown::NoPrincipal));
    world.joins(s(1), "a", 1);
    assert_eq!(world.group.step_down(s(1), None), Err(CannotStepDown::NobodyElse));
}

#[test]
fn priority_counts_at_a_vacancy_and_preempts_only_if_set() {
    for preempt in [false, true] {
        let mut world = World::new(Settings { preempt, ..Settings::default() });
        world.joins(s(1), "a", 1);
        world.joins(s(1), "b", 2);
        world.hears(s(1), "c", 3, FromMember::Join(Join { priority: 5, ..join(3) }));
        let asked =
            world.told.contains(&Fact::Asked { epoch: Epoch(1), member: "a", cause: Cause::Priority });
        assert_eq!(asked, preempt);
        let said = if preempt {
            FromMember::Released { epoch: Epoch(1), cause: Cause::Priority }
        } else {
            FromMember::Leave
        };
        world.hears(s(2), "a", 1, said);
        assert_eq!(world.principal().unwrap().0, "c");
    }
}

#[test]
fn who_leaves_is_not_barred() {
    let mut world = World::new(Settings::default());
    world.joins(s(1), "a", 1);
    world.hears(s(2), "a", 1, FromMember::Released { epoch: Epoch(1), cause: Cause::Left });
    world.hears(s(2), "a", 1, FromMember::Leave);
    assert_eq!(world.principal(), None);
    assert!(!world.told.iter().any(|fact| matches!(fact, Fact::Barred { .. })), "{:?}", world.told);
}

#[test]
fn a_failed_hook_bars_until_it_is_cleared() {
    let mut world = World::new(Settings::default());
    world.joins(s(1), "a", 1);
    world.hears(s(1), "a", 1, FromMember::Released { epoch: Epoch(1), cause: Cause::HookFailed });
    assert_eq!(world.principal(), None);
    assert!(world.told.contains(&Fact::Barred { member: "a", cause: Cause::HookFailed }));
    world.ticks(s(2));
    assert_eq!(world.principal(), None);
    let actions = world.group.resume(s(2));
    assert!(matches!(actions[..], [Action::Send { to: "a", message: ToMember::Cleared, .. }]), "{actions:?}");
    world.joins(s(2), "a", 1);
    assert_eq!(world.principal(), Some(("a", 2, Cause::HookFailed)));
}

#[test]
fn a_paused_group_promotes_nobody() {
    let mut world = World::new(fast());
    world.joins(s(1), "a", 1);
    world.joins(s(1), "b", 2);
    world.group.pause();
    assert_eq!(world.group.step_down(s(1), None), Err(CannotStepDown::Paused));
    world.renews(s(2), "a", 1, Some(1));
    assert_eq!(world.principal(), Some(("a", 1, Cause::First)));
    world.loses(s(3), "a", 1);
    world.ticks(s(4));
    assert_eq!(world.principal(), None);
    let actions = world.group.resume(s(5));
    world.does(s(5), actions);
    assert_eq!(world.principal(), Some(("b", 2, Cause::ConnectionLost)));
    assert!(matches!(world.told.last(), Some(Fact::Granted { vacant: Some(v), .. }) if *v == s(2)));
}

#[test]
fn what_is_set_holds_from_the_next_grant_on() {
    let mut world = World::new(Settings::default());
    world.joins(s(1), "a", 1);
    let short = Settings { ttl: Duration::from_millis(500), ..Settings::default() };
    world.group.set(s(1), short).unwrap();
    world.ticks(s(3));
    assert_eq!(world.principal(), Some(("a", 1, Cause::First)));
    let bad = Settings { ttl: Duration::from_millis(499), ..Settings::default() };
    assert!(world.group.set(s(3), bad).is_err());
    assert_eq!(world.group.settings(), &short);
}

#[test]
fn plain_members_are_for_fast_groups_and_leave_no_trace() {
    let plain = |boot| FromMember::Join(Join { renews: false, ..join(boot) });
    let mut world = World::new(Settings::default());
    world.hears(s(1), "a", 1, plain(1));
    assert_eq!(world.said, [("a", ToMember::Refused(Refusal::CannotRenew))]);
    let mut world = World::new(fast());
    world.hears(s(1), "a", 1, plain(1));
    world.hears(s(1), "b", 2, plain(2));
    world.ticks(s(10_000));
    assert_eq!(world.principal(), Some(("a", 1, Cause::First)));
    world.loses(s(10_000), "a", 1);
    assert_eq!(world.last_end(), (Cause::ConnectionLost, None));
    world.loses(s(10_000), "b", 2);
    assert_eq!(world.group.members().count(), 0);
    assert_eq!(world.group.next_wake(), None);
}

#[test]
fn places_of_those_away_are_kept_for_a_while() {
    let mut world = World::new(Settings::default());
    for (member, boot) in [("a", 1), ("b", 2), ("c", 3)] {
        world.joins(s(1), member, boot);
    }
    world.loses(s(1), "b", 2);
    world.hears(s(2), "b", 9, FromMember::Join(join(2)));
    world.hears(s(2), "a", 1, FromMember::Leave);
    assert_eq!(world.principal().unwrap().0, "b", "it came before c");
    world.loses(s(2), "c", 3);
    world.ticks(s(2) + TTL_DEFAULT);
    assert!(world.group.members().all(|(member, _)| *member == "b"));
}
