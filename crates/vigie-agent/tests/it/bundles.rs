//! Bundles over links that break.

use crate::hub::{Seen, hub};
use crate::restart::{WITHIN, start, tree};
use std::collections::HashSet;
use vigie_model::{Digest, StoredKind};
use vigie_watch::fakes::FakeFs;

/// Some files that are asked about whichever way they take, and what they are known by.
fn files(fs: &FakeFs) -> HashSet<Digest> {
    let file =
        |i: u8| (0..700u32).flat_map(move |j| Digest::of_data(&[&[i], &j.to_le_bytes()[..]].concat()).0);
    let mut digests = HashSet::new();
    for i in 0..10u8 {
        let raw: Vec<u8> = file(i).collect();
        fs.write(format!("/data/{i}").as_bytes(), &raw).unwrap();
        digests.insert(Digest::of_data(&raw));
    }
    digests
}

/// Runs an agent with a hub that is like this until all is recorded, and gives what came in each session.
async fn sent(like: impl FnOnce(&mut Seen)) -> Vec<Vec<StoredKind>> {
    let fs = tree();
    let files = files(&fs);
    let (dial, seen) = hub(None);
    like(&mut seen.lock().unwrap());
    let (agent, _running) = start(&fs, dial, None);
    tokio::time::timeout(WITHIN, agent.flush()).await.expect("in time").unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.contents, files);
    seen.came.clone()
}

#[tokio::test]
async fn what_a_bundle_brought_and_no_record_came_behind_is_sent_again() {
    let came = sent(|seen| seen.cuts = 1).await;
    assert_eq!(came.len(), 2, "{came:?}");
    assert_eq!(came[0], [StoredKind::Bundle]);
    assert!(came[1].contains(&StoredKind::Bundle), "{came:?}");
}

#[tokio::test]
async fn each_session_has_bundles_when_its_hub_takes_them() {
    let came = sent(|seen| (seen.cuts, seen.featured) = (2, vec![true, false, true])).await;
    assert_eq!(came.len(), 3, "{came:?}");
    assert_eq!(came[0], [StoredKind::Bundle]);
    assert_eq!(came[1], [StoredKind::DATA]);
    assert!(came[2].contains(&StoredKind::Bundle), "{came:?}");

    let came = sent(|seen| (seen.cuts, seen.featured) = (1, vec![true, false])).await;
    assert_eq!(came, [vec![StoredKind::Bundle], vec![StoredKind::DATA; 10]]);
}
