//! `GET log`

use crate::world::{MACHINE, ROOT, World, meta, name, node, path, second};
use vigie_model::files::{Created, ErrorAct, Failure, GapClosed, GapOpened};
use vigie_model::machines::Enrolled;
use vigie_model::roles::{GroupSet, RoleEvent, RoleRemark};
use vigie_model::{
    AgentRecord, EdgeName, FileEvent, GapCause, Incarnation, Instant, MachineId, NodeType, Origin, RecordNo,
    Seq, Stream,
};
use vigie_store::{Batch, NewRecord, Options, Store};
use vigie_web::client::ClientError;
use vigie_web::journal::{Enough, Page, Selection, Since, Walk};
use vigie_web::messages::{ApiError, ErrorKind, LogLine, LogQuery};

fn of(text: &str) -> LogQuery {
    LogQuery { machine: Some("web01".into()), path: Some(path(text)), ..LogQuery::default() }
}

/// What a line is about, in short.
fn short(lines: &[LogLine]) -> Vec<String> {
    let path = |line: &LogLine| line.path.clone().unwrap_or_default();
    lines.iter().map(|line| format!("{} {} {}", line.seq, line.kind, path(line))).collect()
}

#[tokio::test]
async fn every_record_is_a_line() {
    let world = World::start().await;
    let lines = world.log(LogQuery::default()).await;
    assert_eq!(
        short(&lines),
        [
            "1 enrolled ",
            "2 gap-opened /srv",
            "3 created /srv",
            "4 created /srv/a",
            "5 created /srv/dir",
            "6 created /srv/dir/none",
            "7 created /srv/l",
            "8 created /srv/\u{fffd}",
            "9 linked /srv/b",
            "10 content /srv/a",
            "11 gap-closed /srv",
        ]
    );
    assert_eq!((lines[0].machine.as_str(), lines[0].name.as_deref()), ("(hub)", Some("web01")));
    assert_eq!(lines[7].path_b64.as_deref(), Some("L3Nydi//"));
    let content = &lines[9];
    assert_eq!(content.observed, "2027-01-15T08:00:09.000000000Z");
    assert_eq!((content.machine.as_str(), content.root.as_deref()), ("web01", Some("/srv")));
    assert_eq!(content.machine_id, MACHINE.to_string());
    assert_eq!((content.size, content.digest_kind.as_deref()), (Some(6), Some("blake3")));
    assert!(lines.iter().all(|line| line.size.is_some() == (line.kind == "content")));
    assert!(lines[1..].iter().all(|line| line.root.as_deref() == Some("/srv")));
}

#[tokio::test]
async fn paths_are_those_of_their_time() {
    let mut world = World::start().await;
    world.write(node(13), b"x").await;
    world.rename(node(12), (ROOT, b"dir"), (ROOT, b"moved")).await;
    world.write(node(13), b"y").await;
    world.remove(node(13), (node(12), b"none")).await;
    world.write(node(13), b"too late").await;
    let last = LogQuery { after: Some("j0-11".into()), ..LogQuery::default() };
    let lines = world.log(last).await;
    let expected = [
        "12 content /srv/dir/none",
        "13 renamed /srv/moved",
        "14 content /srv/moved/none",
        "15 removed /srv/moved/none",
        "16 content /srv/moved/none",
    ];
    assert_eq!(short(&lines), expected);
    assert_eq!(lines[1].from.as_deref(), Some("/srv/dir"));
    // A directory has what was at or below it, under the name of then.
    let below: Vec<u64> = world.log(of("/srv/dir")).await.iter().map(|line| line.seq).collect();
    assert_eq!(below, [2, 5, 6, 11, 12, 13]);
}

#[tokio::test]
async fn a_file_has_the_history_of_its_names() {
    let mut world = World::start().await;
    world.rename(node(11), (ROOT, b"a"), (ROOT, b"a2")).await;
    world.write(node(11), b"second\n").await;
    let lines = world.log(of("/srv/a2")).await;
    let seqs: Vec<u64> = lines.iter().map(|line| line.seq).collect();
    assert!(seqs.contains(&4) && seqs.contains(&10) && seqs.contains(&12) && seqs.contains(&13), "{seqs:?}");
    assert!(seqs.is_sorted(), "{seqs:?}");
    assert!(!seqs.contains(&5), "{seqs:?}");
    let newest = world.log(LogQuery { newest: Some(1), ..of("/srv/a2") }).await;
    assert_eq!(short(&newest), ["13 content /srv/a2"]);
}

#[tokio::test]
async fn a_file_that_is_saved_by_rename_has_every_version() {
    let mut world = World::start().await;
    for save in [21, 22] {
        let meta = meta(NodeType::File, 3);
        let new = Created {
            parent: ROOT,
            name: EdgeName::Entry(name(b"a.tmp")),
            node: node(save),
            meta,
            pending: true,
        };
        world.tell(FileEvent::Created(new)).await;
        world.write(node(save), &[save, b'\n', save]).await;
        world.rename(node(save), (ROOT, b"a.tmp"), (ROOT, b"a")).await;
    }
    world.remove(node(22), (ROOT, b"a")).await;
    let expected = [
        "4 created /srv/a",
        "10 content /srv/a",
        "13 content /srv/a.tmp",
        "14 renamed /srv/a",
        "16 content /srv/a.tmp",
        "17 renamed /srv/a",
        "18 removed /srv/a",
    ];
    assert_eq!(short(&world.log(of("/srv/a")).await), expected);
    let contents = LogQuery { kind: Some("content".into()), ..of("/srv/a") };
    assert_eq!(world.log(contents.clone()).await.len(), 3);
    // The newest of those that are wanted, whatever else came after them.
    let newest = LogQuery { newest: Some(1), ..contents };
    assert_eq!(short(&world.log(newest).await), ["16 content /srv/a.tmp"]);
}

#[tokio::test]
async fn selections() {
    let mut world = World::start().await;
    let seqs = |lines: Vec<LogLine>| lines.iter().map(|line| line.seq).collect::<Vec<_>>();
    let newest = |n| LogQuery { newest: Some(n), ..LogQuery::default() };
    assert_eq!(seqs(world.log(newest(2)).await), [10, 11]);
    assert_eq!(seqs(world.log(newest(0)).await), [0; 0]);
    assert_eq!(seqs(world.log(newest(1_000_000)).await).len(), 11);
    let kind = |kind: &str| LogQuery { kind: Some(kind.into()), ..newest(2) };
    assert_eq!(seqs(world.log(kind("created")).await), [7, 8]);
    assert_eq!(seqs(world.log(kind("enrolled")).await), [1]);
    let since = |since| LogQuery { since, ..LogQuery::default() };
    assert_eq!(seqs(world.log(since(Instant::Seq(Seq(10)))).await), [10, 11]);
    let time = LogQuery { machine: Some("web01".into()), ..since(Instant::Time(second(9))) };
    assert_eq!(seqs(world.log(time).await), [10, 11]);
    let below = LogQuery { newest: Some(2), ..of("/srv/dir") };
    assert_eq!(seqs(world.log(below).await), [6, 11]);

    // A stream and a kind that this program does not know are shown with all they hold.
    let note =
        AgentRecord { observed: second(50), stream: Stream::NOTES, kind: 3, version: 1, payload: vec![0xff] };
    world.fact(vec![], note).await;
    let lines = world.log(kind("7/3")).await;
    assert_eq!(lines[0].payload_b64.as_deref(), Some("/w=="));
}

#[tokio::test]
async fn a_long_past_is_not_read() {
    let mut world = World::start().await;
    for n in 0..600 {
        world.touch(node(11), n).await;
    }
    let (web02, since) = (MachineId([2; 16]), second(5000));
    let enrolled = Enrolled { machine: web02, name: "web02".into() }.encode(second(6000));
    let enrolled = world.own(enrolled).await;
    let gap = FileEvent::GapOpened(GapOpened { root: path("/srv"), cause: GapCause::FirstScan, since: None });
    let first = world.other(web02, gap.encode(second(6001))).await;

    // One page is enough for what came since, though it is not the first machine's, and the journal is longer.
    let select = |machine| Selection {
        machine,
        below: None,
        kind: None,
        group: None,
        since: Since::new(Instant::Time(since)),
    };
    let page = |machine| {
        let mut told = Vec::new();
        let mut walk = Walk::new(&world.store, select(machine), None, None, first).unwrap();
        let take = &mut |line: LogLine| {
            told.push(line.seq);
            Ok::<_, ()>(Enough(false))
        };
        let ended = walk.page(first, take).unwrap();
        (told, ended)
    };
    assert_eq!(page(None), (vec![enrolled.0, first.0], Page::End));
    assert_eq!(page(Some(web02)), (vec![first.0], Page::End));
    assert_eq!(page(Some(MACHINE)), (vec![], Page::End));
    assert_eq!(page(Some(MachineId([3; 16]))), (vec![], Page::End), "nothing is recorded of it");
}

#[tokio::test]
async fn the_history_of_a_group_is_found_without_the_rest() {
    let mut world = World::start().await;
    let set = |group: &str, ttl_ms| {
        let (group, mode) = (group.to_owned(), "safe".to_owned());
        RoleEvent::Set(GroupSet { group, mode, ttl_ms, preempt: false, paused: false }).encode(second(20))
    };
    let remark = RoleRemark { group: "db".into(), machine: MACHINE, why: "stepped-down".into() };
    let db = [
        world.own(set("db", 1000)).await,
        world.own(RoleEvent::Asked(remark).encode(second(21))).await,
        world.own(set("db", 2000)).await,
    ];
    // Names that begin alike are other groups.
    world.own(set("db2", 1000)).await;
    world.own(set("d", 1000)).await;
    for n in 0..600 {
        world.touch(node(11), n).await;
    }
    let last = world.own(set("db", 3000)).await;
    let all = [&db[..], &[last]].concat();

    let page = |newest, since, kind: Option<&str>| {
        let (mut told, kind) = (Vec::new(), kind.map(|kind| kind.parse().unwrap()));
        let group = Some("db".to_owned());
        let select = Selection { machine: None, below: None, kind, group, since: Since::new(since) };
        let mut walk = Walk::new(&world.store, select, None, newest, last).unwrap();
        let take = &mut |line: LogLine| {
            told.push(Seq(line.seq));
            Ok::<_, ()>(Enough(false))
        };
        // One page, though the journal is longer than one.
        assert_eq!(walk.page(last, take).unwrap(), Page::End);
        told
    };
    assert_eq!(page(None, Instant::Now, None), all);
    assert_eq!(page(Some(2), Instant::Now, None), all[2..]);
    assert_eq!(page(Some(0), Instant::Now, None), []);
    assert_eq!(page(None, Instant::Seq(db[1]), None), all[1..]);
    assert_eq!(page(Some(1), Instant::Now, Some("role-set")), [last]);
    let query = LogQuery { group: Some("db".into()), newest: Some(1), ..LogQuery::default() };
    assert_eq!(world.log(query).await[0].seq, last.0);
    for (group, refused) in [("b", ErrorKind::NotFound), ("d b", ErrorKind::Usage)] {
        let query = LogQuery { group: Some(group.into()), ..LogQuery::default() };
        match world.client.log(&query).await {
            Err(ClientError::Refused(error)) => assert_eq!(error.kind, refused, "{error:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused() {
    let world = World::start().await;
    let refused = async |query: LogQuery| match world.client.log(&query).await {
        Err(ClientError::Refused(error)) => error.kind,
        other => panic!("{other:?}"),
    };
    let nobody = LogQuery { machine: Some("nobody".into()), ..LogQuery::default() };
    assert_eq!(refused(nobody).await, ErrorKind::NotFound);
    let kind = LogQuery { kind: Some("creation".into()), ..LogQuery::default() };
    assert_eq!(refused(kind).await, ErrorKind::Usage);
    let after = |cursor: &str| LogQuery { after: Some(cursor.into()), ..LogQuery::default() };
    assert_eq!(refused(after("12")).await, ErrorKind::Usage);
    assert_eq!(refused(after("j0-12")).await, ErrorKind::NotFound, "there are 11 records");
    let homeless = LogQuery { path: Some(path("/srv")), ..LogQuery::default() };
    assert_eq!(refused(homeless).await, ErrorKind::Usage);
}

/// What is told, and with which error it ends.
async fn ended(world: &World, query: LogQuery) -> Result<(Vec<u64>, Option<ApiError>), ClientError> {
    let (_, mut lines) = world.client.log(&query).await?;
    let mut told = Vec::new();
    loop {
        match lines.next().await {
            Ok(Some(line)) => told.push(line.seq),
            Ok(None) => return Ok((told, None)),
            Err(ClientError::Refused(error)) => return Ok((told, Some(error))),
            Err(other) => return Err(other),
        }
    }
}

#[tokio::test]
async fn a_path_without_records_is_no_silence() {
    let mut world = World::start().await;
    // Above the roots, and something that is gone.
    assert_eq!(world.log(of("/")).await.len(), 10);
    world.remove(node(14), (ROOT, b"l")).await;
    assert_eq!(short(&world.log(LogQuery { newest: Some(1), ..of("/srv/l") }).await), ["12 removed /srv/l"]);

    // The gaps in which it may have been there, and that it was never seen.
    let (told, error) = ended(&world, of("/srv/never")).await.unwrap();
    assert_eq!((told, error.unwrap().kind), (vec![2, 11], ErrorKind::NotFound));
    let nothing = LogQuery { kind: Some("content".into()), ..of("/srv/a") };
    assert_eq!(ended(&world, nothing).await.unwrap(), (vec![10], None));
    let nothing = LogQuery { kind: Some("removed".into()), ..of("/srv/a") };
    assert_eq!(ended(&world, nothing).await.unwrap(), (vec![], None), "it was there, and never removed");
    match ended(&world, of("/etc")).await {
        Err(ClientError::Refused(error)) => {
            assert_eq!(
                (error.kind, error.hint.as_deref()),
                (ErrorKind::NotFound, Some("watched there: /srv"))
            );
        }
        other => panic!("{other:?}"),
    }

    // What could not even be looked at has no name, and is not hidden.
    let error = Failure { path: b"/srv/never".to_vec(), act: ErrorAct::Stat, errno: 5 };
    world.tell(FileEvent::Error(error)).await;
    let (told, error) = ended(&world, of("/srv/never")).await.unwrap();
    assert_eq!((told, error), (vec![2, 11, 13], None));
}

#[tokio::test]
async fn of_a_machine_without_records_nothing_is_known() {
    let mut world = World::empty().await;
    let enrolled = Enrolled { machine: MACHINE, name: "web01".into() };
    world.own(enrolled.encode(second(0))).await;
    assert_eq!(ended(&world, of("/")).await.unwrap(), (vec![], None), "this is all of it");
    let (told, error) = ended(&world, of("/srv")).await.unwrap();
    assert_eq!((told, error.unwrap().kind), (vec![], ErrorKind::Inconclusive));
    let (_, mut lines) = world.client.log(&LogQuery { follow: true, ..of("/srv") }).await.unwrap();
    let (root, cause) = (path("/srv"), GapCause::FirstScan);
    world.tell(FileEvent::GapOpened(GapOpened { root, cause, since: None })).await;
    assert_eq!(lines.next().await.unwrap().unwrap().kind, "gap-opened");
}

#[tokio::test]
async fn what_is_followed_may_still_come() {
    let mut world = World::start().await;
    let follow = LogQuery { follow: true, newest: Some(0), ..of("/srv/a2") };
    let (_, mut lines) = world.client.log(&follow).await.unwrap();
    world.rename(node(11), (ROOT, b"a"), (ROOT, b"a2")).await;
    assert_eq!(lines.next().await.unwrap().unwrap().path.as_deref(), Some("/srv/a2"));
}

#[tokio::test]
async fn an_answer_says_behind_which_cursor_the_future_lies() {
    let mut world = World::start().await;
    let query = LogQuery { newest: Some(0), ..of("/srv/dir") };
    let (cursor, _) = world.client.log(&query).await.unwrap();
    assert_eq!(world.log(LogQuery { after: cursor.clone(), ..LogQuery::default() }).await.len(), 0);
    world.write(node(13), b"x").await;
    let behind = world.log(LogQuery { after: cursor, ..LogQuery::default() }).await;
    assert_eq!(short(&behind), ["12 content /srv/dir/none"]);
}

#[tokio::test]
async fn followers_are_told_at_once_and_end_with_the_server() {
    let mut world = World::start().await;
    let follow = LogQuery { follow: true, newest: Some(1), ..of("/srv/dir") };
    let (_, mut lines) = world.client.log(&follow).await.unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap().seq, 11);
    world.write(node(11), b"elsewhere").await;
    world.write(node(13), b"here").await;
    let line = lines.next().await.unwrap().unwrap();
    assert_eq!((line.seq, line.path.as_deref()), (13, Some("/srv/dir/none")));
    assert!(world.server.shutdown(std::time::Duration::from_secs(10)).await, "followers do not hold it up");
    assert!(lines.next().await.unwrap().is_none(), "the end is a proper one");
}

#[tokio::test]
async fn a_damaged_payload_is_shown_and_not_hidden() {
    let mut world = World::start().await;
    let mut fact =
        FileEvent::GapClosed(vigie_model::files::GapClosed { root: path("/srv") }).encode(second(60));
    fact.kind = 1;
    world.fact(vec![], fact).await;
    let lines = world.log(LogQuery { newest: Some(1), ..LogQuery::default() }).await;
    assert_eq!(lines[0].kind, "created");
    assert!(lines[0].message.as_ref().unwrap().contains("damaged"), "{:?}", lines[0]);
    assert!(lines[0].payload_b64.is_some());
}

/// A store with a segment for each of these commits, of so many records.
async fn segments(dir: &std::path::Path, counts: &[u64]) {
    let options = Options { seal_bytes: 1, ..Options::default() };
    let (store, committer) = Store::open(&dir.join("store"), options).unwrap();
    let committer = committer.spawn_thread().unwrap();
    let mut n = 0;
    for count in counts {
        let record = |n| {
            let origin = Origin { machine: MACHINE, incarnation: Incarnation(1), n: RecordNo(n) };
            NewRecord {
                origin,
                fact: FileEvent::GapClosed(GapClosed { root: path("/srv") }).encode(second(n)),
            }
        };
        let records = (n + 1..=n + count).map(record).collect();
        n += count;
        store.commit(Batch { blocks: Vec::new(), records }).await.unwrap();
    }
    store.close();
    tokio::task::spawn_blocking(move || committer.join().unwrap()).await.unwrap();
}

/// Spoils the segment that begins with this record.
fn spoil(dir: &std::path::Path, first: u64) {
    let segment = dir.join(format!("store/journal/{first:020}.seg"));
    let mut bytes = std::fs::read(&segment).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&segment, bytes).unwrap();
}

#[tokio::test]
async fn a_log_with_holes_ends_and_says_which_records_are_lost() {
    let dir = tempfile::tempdir().unwrap();
    // More are lost than are read at once, and the last ones are too: of them the index alone knows.
    segments(dir.path(), &[10, 2000, 10, 5]).await;
    for first in [11, 2021] {
        spoil(dir.path(), first);
    }
    let options = Options { read_only: true, ..Options::default() };
    let store = Store::open(&dir.path().join("store"), options).unwrap().0;
    let world = World::of(dir, store).await;
    let told = |query: LogQuery| {
        let client = world.client.clone();
        async move {
            let (_, mut lines) = client.log(&query).await.unwrap();
            let mut seqs = Vec::new();
            loop {
                match lines.next().await {
                    Ok(Some(line)) => seqs.push(line.seq),
                    Ok(None) => return (seqs, None),
                    Err(ClientError::Refused(error)) => return (seqs, Some(error)),
                    Err(other) => panic!("{other}"),
                }
            }
        }
    };
    let left: Vec<u64> = (1..=10).chain(2011..=2020).collect();
    for follow in [false, true] {
        let (seqs, error) = told(LogQuery { follow, ..LogQuery::default() }).await;
        assert_eq!(seqs, left, "follow: {follow}");
        let error = error.expect("some are lost");
        assert_eq!(error.kind, ErrorKind::Inconclusive);
        assert!(error.message.contains("records #11 to #2010, #2021 to #2025"), "{}", error.message);
    }
    // The newest of one kind: behind the hole, if there are enough.
    let newest = |n| LogQuery { kind: Some("gap-closed".into()), newest: Some(n), ..LogQuery::default() };
    let (seqs, error) = told(newest(3)).await;
    assert_eq!(seqs, [2018, 2019, 2020]);
    let error = error.expect("the last are lost");
    assert!(error.message.contains("records #2021 to #2025 said"), "{}", error.message);
    assert_eq!(told(newest(12)).await.0, left[8..]);
}
