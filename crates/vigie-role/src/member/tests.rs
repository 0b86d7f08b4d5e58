use super::*;

const TTL: Duration = Duration::from_secs(3);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn member() -> Member {
    let mut member = Member::new(Wish { boot: BootId(1), priority: 0, nofailover: false });
    let actions = member.connected(ms(1000));
    assert!(matches!(actions[..], [MemberAction::Send(FromMember::Join(_))]));
    member
}

fn grant(epoch: u64, mode: Mode, stamp: Duration) -> ToMember {
    ToMember::Granted(Grant { epoch: Epoch(epoch), mode, ttl: TTL, cause: Cause::First, stamp: Stamp(stamp) })
}

fn renewed(epoch: u64, stamp: Duration) -> ToMember {
    ToMember::Renewed { epoch: Some(Epoch(epoch)), stamp: Stamp(stamp), ttl: TTL }
}

fn ran(actions: &[MemberAction]) -> Option<Role> {
    actions.iter().find_map(|action| match action {
        MemberAction::Run(call) => Some(call.role),
        _ => None,
    })
}

fn sent(actions: &[MemberAction]) -> Vec<FromMember> {
    let sends = actions.iter().filter_map(|action| match action {
        MemberAction::Send(said) => Some(*said),
        _ => None,
    });
    sends.collect()
}

/// A principal whose hook has ended.
fn principal(mode: Mode) -> Member {
    let mut member = member();
    let actions = member.heard(ms(1100), grant(1, mode, ms(1000)));
    assert_eq!(ran(&actions), Some(Role::Principal));
    assert!(member.hook_ended(ms(1200), true).is_empty());
    member
}

#[test]
fn it_counts_from_sending_and_stops_a_margin_early() {
    let mut member = principal(Mode::Safe);
    assert!(member.tick(ms(3699)).iter().all(|action| matches!(action, MemberAction::Send(_))));
    assert!(member.lease(ms(3699)).is_some() && member.lease(ms(3700)).is_none());
    let actions = member.tick(ms(3700));
    assert_eq!(ran(&actions), Some(Role::Secondaire));
    // The word that it is over goes out when it is.
    assert_eq!(sent(&actions), []);
    let actions = member.hook_ended(ms(3800), true);
    let released = FromMember::Released { epoch: Epoch(1), cause: Cause::LeaseExpired };
    assert_eq!(sent(&actions), [released]);
}

#[test]
fn a_machine_that_slept_is_principal_no_more_when_it_wakes() {
    let mut member = principal(Mode::Safe);
    assert_eq!(sent(&member.tick(ms(2100))).len(), 1);
    // An hour later: the answer to that renewal waits in the socket, and is read before anybody looks at the time.
    let woken = ms(3_600_000);
    let mut actions = member.heard(woken, renewed(1, ms(2100)));
    assert!(member.lease(woken).is_none(), "it counts from when the renewal was sent");
    actions.extend(member.tick(woken));
    assert_eq!(ran(&actions), Some(Role::Secondaire));
    // It is renewed only so that its demotion is waited for, and no answer makes it principal again.
    assert_eq!(sent(&actions), [FromMember::Renew { epoch: Some(Epoch(1)), stamp: Stamp(woken) }]);
    assert_eq!(ran(&member.heard(woken + ms(50), renewed(1, woken))), None);
    let released = FromMember::Released { epoch: Epoch(1), cause: Cause::LeaseExpired };
    assert_eq!(sent(&member.hook_ended(woken + ms(100), true)), [released]);
}

#[test]
fn it_renews_thrice_in_a_time_to_live() {
    let mut member = principal(Mode::Safe);
    // At once after the grant, because nobody knows how long that was on its way.
    assert_eq!(member.next_wake(), Some(ms(2100)));
    let actions = member.tick(ms(2100));
    assert_eq!(sent(&actions), [FromMember::Renew { epoch: Some(Epoch(1)), stamp: Stamp(ms(2100)) }]);
    member.heard(ms(2500), renewed(1, ms(2100)));
    assert_eq!(member.lease(ms(2500)).unwrap().deadline(), ms(4800));
    // An old answer takes nothing away.
    member.heard(ms(2600), renewed(1, ms(1100)));
    assert_eq!(member.lease(ms(2600)).unwrap().deadline(), ms(4800));
}

#[test]
fn a_broken_connection_ends_a_fast_role_and_no_safe_one() {
    let mut safe = principal(Mode::Safe);
    assert!(safe.disconnected(ms(1300)).is_empty());
    let actions = safe.connected(ms(1400));
    assert!(
        matches!(sent(&actions)[..], [FromMember::Join(Join { holding: Some(Epoch(1)), .. })]),
        "{actions:?}"
    );
    assert!(ran(&safe.heard(ms(1500), grant(1, Mode::Safe, ms(1400)))).is_none());

    let mut fast = principal(Mode::Fast);
    assert_eq!(ran(&fast.disconnected(ms(1300))), Some(Role::Secondaire));
    assert!(sent(&fast.hook_ended(ms(1400), true)).is_empty());
    let actions = fast.connected(ms(1500));
    assert!(matches!(sent(&actions)[..], [FromMember::Join(Join { holding: None, .. })]));
}

#[test]
fn a_promotion_is_killed_when_its_lease_is_over() {
    let mut member = member();
    member.heard(ms(1100), grant(1, Mode::Safe, ms(1000)));
    let actions = member.tick(ms(3700));
    assert!(actions.contains(&MemberAction::CancelHook), "{actions:?}");
    let actions = member.hook_ended(ms(3750), false);
    assert_eq!(ran(&actions), Some(Role::Secondaire));
    assert!(!member.is_barred(), "it was killed, it did not fail");
    assert_eq!(sent(&member.hook_ended(ms(3800), true)).len(), 1);
}

#[test]
fn a_promotion_that_fails_is_undone_and_bars() {
    let mut member = member();
    member.heard(ms(1100), grant(1, Mode::Safe, ms(1000)));
    let actions = member.hook_ended(ms(1200), false);
    assert_eq!(ran(&actions), Some(Role::Secondaire));
    let actions = member.hook_ended(ms(1300), true);
    assert_eq!(sent(&actions), [FromMember::Released { epoch: Epoch(1), cause: Cause::HookFailed }]);
    assert!(member.is_barred() && member.lease(ms(1300)).is_none());
    let actions = member.heard(ms(1400), grant(2, Mode::Safe, ms(1400)));
    assert!(matches!(sent(&actions)[..], [FromMember::Released { epoch: Epoch(2), .. }]));
    let actions = member.heard(ms(1450), ToMember::Cleared);
    assert!(matches!(sent(&actions)[..], [FromMember::Join(Join { nofailover: false, holding: None, .. })]));
    assert_eq!(ran(&member.heard(ms(1500), grant(3, Mode::Safe, ms(1500)))), Some(Role::Principal));
}

#[test]
fn what_was_given_back_is_never_taken_again() {
    let mut member = principal(Mode::Safe);
    let asked = ToMember::StepDown { epoch: Epoch(1), cause: Cause::SteppedDown };
    assert_eq!(ran(&member.heard(ms(1300), asked)), Some(Role::Secondaire));
    // It renews as long as its demotion lasts.
    assert!(matches!(sent(&member.tick(ms(2300)))[..], [FromMember::Renew { epoch: Some(Epoch(1)), .. }]));
    let actions = member.hook_ended(ms(2400), true);
    assert_eq!(sent(&actions), [FromMember::Released { epoch: Epoch(1), cause: Cause::SteppedDown }]);
    assert!(member.heard(ms(2500), grant(1, Mode::Safe, ms(2300))).is_empty());
    assert!(member.lease(ms(2500)).is_none());
}

#[test]
fn a_grant_that_was_long_on_its_way_needs_a_renewal_first() {
    let mut member = member();
    let actions = member.heard(ms(3800), grant(1, Mode::Safe, ms(1000)));
    assert_eq!(ran(&actions), None);
    assert_eq!(sent(&actions), [FromMember::Renew { epoch: Some(Epoch(1)), stamp: Stamp(ms(3800)) }]);
    assert_eq!(ran(&member.heard(ms(3900), renewed(1, ms(3800)))), Some(Role::Principal));
}

#[test]
fn who_was_refused_for_a_time_asks_again() {
    let mut member = member();
    let actions = member.heard(ms(1100), ToMember::Refused(Refusal::Taken));
    assert!(actions.contains(&MemberAction::Refused(Refusal::Taken)), "{actions:?}");
    let again = sent(&member.tick(member.next_wake().unwrap()));
    assert!(matches!(again[..], [FromMember::Join(_)]), "{again:?}");
    // Accepted, it renews again; and an authority that has forgotten is not persuaded by asking.
    let renewal = sent(&member.tick(member.next_wake().unwrap()));
    assert!(matches!(renewal[..], [FromMember::Renew { .. }]), "{renewal:?}");
    let future = Refusal::FutureEpoch { presented: Epoch(9), highest: Epoch(1) };
    member.heard(member.next_wake().unwrap(), ToMember::Refused(future));
    let renewal = sent(&member.tick(member.next_wake().unwrap()));
    assert!(matches!(renewal[..], [FromMember::Renew { .. }]), "{renewal:?}");
}

#[test]
fn leaving_gives_back_first() {
    let mut member = principal(Mode::Safe);
    let actions = member.leave(ms(1300));
    assert_eq!(ran(&actions), Some(Role::Secondaire));
    let actions = member.hook_ended(ms(1400), true);
    let released = FromMember::Released { epoch: Epoch(1), cause: Cause::Left };
    assert_eq!(sent(&actions), [released, FromMember::Leave]);
    assert_eq!(actions.last(), Some(&MemberAction::Left));
}
