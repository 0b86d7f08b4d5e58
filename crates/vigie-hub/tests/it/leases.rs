//! Leases on clocks that jump, and on a hub that sleeps.

use crate::peer::{Agent, WITHIN, assemble};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use vigie_hub::{Change, Hub};
use vigie_model::{Clock, Epoch, MachineId, SystemClock, UnixNanos};
use vigie_role::message::{Grant, Join};
use vigie_role::words::Stamp;
use vigie_role::{BootId, Cause, FromMember, GroupName, ToMember, notice};
use vigie_store::{Options, Store};
use vigie_wire::Frame;
use vigie_wire::frame::Notice;

const HOUR: Duration = Duration::from_secs(3600);

/// A clock of which a test moves both hands.
#[derive(Debug, Default)]
struct Moved {
    real: SystemClock,
    wall: AtomicI64,
    slept: AtomicU64,
}

impl Moved {
    fn set_wall(&self, by: i64) {
        self.wall.store(by, Ordering::Relaxed);
    }

    /// What a machine finds when it wakes: this clock went on.
    fn sleep(&self, time: Duration) {
        self.slept.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for Moved {
    fn wall(&self) -> UnixNanos {
        UnixNanos(self.real.wall().0 + self.wall.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        self.real.monotonic() + Duration::from_nanos(self.slept.load(Ordering::Relaxed))
    }
}

fn group() -> GroupName {
    GroupName::new("db").unwrap()
}

impl Agent {
    async fn say(&mut self, said: FromMember) {
        let body = notice::encode_from_member(&group(), &said).into();
        self.send(Frame::Notice(Notice { name: notice::NOTICE.into(), body })).await;
    }

    async fn join(&mut self, boot: u64) {
        let (priority, stamp) = (0, Stamp::default());
        let (nofailover, renews, holding) = (false, true, None);
        let join = Join { boot: BootId(boot), priority, nofailover, renews, holding, stamp };
        self.say(FromMember::Join(join)).await;
    }

    async fn renew(&mut self, epoch: Option<u64>) {
        self.say(FromMember::Renew { epoch: epoch.map(Epoch), stamp: Stamp::default() }).await;
    }

    /// The next thing that it is told about its role.
    async fn told(&mut self) -> ToMember {
        loop {
            if let Frame::Notice(notice) = self.next().await {
                return notice::decode_to_member(&notice.body).unwrap().1;
            }
        }
    }

    /// It is told that it is principal.
    async fn granted(&mut self) -> (u64, Cause) {
        loop {
            if let ToMember::Granted(Grant { epoch, cause, .. }) = self.told().await {
                return (epoch.0, cause);
            }
        }
    }
}

/// A hub with a group of two, whose lease no test outlives while it is awake.
async fn start(dir: &std::path::Path) -> (Hub, Arc<Moved>, [Agent; 2]) {
    let clock = Arc::new(Moved::default());
    let (store, committer) = Store::open(dir, Options::default()).unwrap();
    committer.spawn_thread().unwrap();
    let hub = assemble(store, clock.clone());
    hub.change_group(group(), Change { ttl: Some(HOUR), ..Change::default() }).await.unwrap();
    let [alpha, beta] = [1, 2].map(|n| MachineId([n; 16]));
    let mut alpha = Agent::connect(&hub, alpha, 1, 1).await;
    alpha.join(1).await;
    assert_eq!(alpha.granted().await, (1, Cause::First));
    let mut beta = Agent::connect(&hub, beta, 1, 2).await;
    beta.join(2).await;
    assert!(matches!(beta.told().await, ToMember::Secondaire { .. }));
    (hub, clock, [alpha, beta])
}

#[tokio::test]
async fn a_wall_clock_that_jumps_moves_no_role() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, clock, [mut alpha, mut beta]) = start(dir.path()).await;
    for hours in [24 * 365, -24 * 365, 0] {
        clock.set_wall(hours * 3_600_000_000_000);
        beta.renew(None).await;
        assert!(matches!(beta.told().await, ToMember::Renewed { epoch: None, .. }));
        alpha.renew(Some(1)).await;
        assert!(matches!(alpha.told().await, ToMember::Renewed { epoch: Some(Epoch(1)), .. }));
        let left = hub.groups(None).await.unwrap()[0].principal.as_ref().unwrap().lease_left_ms.unwrap();
        assert!(HOUR.as_millis() - u128::from(left) < WITHIN.as_millis(), "{left} ms are left of an hour");
    }
}

#[tokio::test]
async fn a_hub_that_slept_counts_the_time() {
    let dir = tempfile::tempdir().unwrap();
    let (_hub, clock, [mut alpha, mut beta]) = start(dir.path()).await;
    clock.sleep(2 * HOUR);
    // Whoever is heard of first is alive; the other one's lease was over in between.
    beta.renew(None).await;
    assert_eq!(beta.granted().await, (2, Cause::LeaseExpired));
    alpha.renew(Some(1)).await;
    let told = alpha.told().await;
    assert!(!matches!(told, ToMember::Granted(_) | ToMember::Renewed { epoch: Some(_), .. }), "{told:?}");
}
