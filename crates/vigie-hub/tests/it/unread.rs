//! Records that cannot be read, of a store that has some.

use crate::peer::{WITHIN, now, start};
use vigie_model::{AgentRecord, Incarnation, Origin, RecordNo, Stream};
use vigie_store::{Batch, NewRecord};

/// No agent gets one past a hub; a store may have it of a hub that was at fault.
#[tokio::test]
async fn they_are_counted_by_status() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, running) = start(dir.path()).await;
    let machine = hub.enrol_machine("m").await.unwrap();
    assert_eq!(hub.status().await.sizes.unread, 0);
    let payload = vec![0xff; 9];
    let fact = AgentRecord { observed: now(), stream: Stream::FILES, kind: 1, version: 1, payload };
    let origin = Origin { machine, incarnation: Incarnation(1), n: RecordNo(1) };
    let batch = Batch { blocks: vec![], records: vec![NewRecord { origin, fact }] };
    let committed = hub.store().commit(batch).await.unwrap();
    hub.store().tail().wait_for(|tail| *tail >= committed.last).await.unwrap();
    assert_eq!(hub.status().await.sizes.unread, 1);
    assert!(running.shutdown(WITHIN).await);
}
