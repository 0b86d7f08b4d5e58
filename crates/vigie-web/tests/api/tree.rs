//! `GET ls`, `GET cat` and `GET tree`

use crate::world::{ROOT, World, at, content, meta, name, node, path, second};
use vigie_archive::{Counts, LeftOutCause, survey};
use vigie_model::files::{ContentStored, Created, GapOpened, Linked, Seen, Unseen, UnseenCause};
use vigie_model::machines::Enrolled;
use vigie_model::{
    EdgeName, FileEvent, GapCause, Instant, MachineId, Metadata, NodeId, NodeType, Seq, UnixNanos, Xattr,
};
use vigie_web::client::{ClientError, Pieces};
use vigie_web::messages::{Answer, Away, ContentState, Entry, ErrorKind, LogQuery, TreeQuery};

async fn ls(world: &World, query: &TreeQuery, recursive: bool) -> (Answer, Vec<Entry>) {
    let (answer, mut lines) = world.client.ls(query, recursive).await.unwrap();
    let mut entries = Vec::new();
    while let Some(entry) = lines.next().await.unwrap() {
        entries.push(entry);
    }
    (answer, entries)
}

fn paths(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.path.as_str()).collect()
}

async fn all(pieces: Pieces) -> Vec<u8> {
    pieces.whole(1 << 24).await.unwrap().to_vec()
}

fn refusal<T>(answer: Result<T, ClientError>) -> ErrorKind {
    match answer {
        Err(ClientError::Refused(error)) => error.kind,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was answered"),
    }
}

#[tokio::test]
async fn a_listing_tells_everything_of_its_objects() {
    let world = World::start().await;
    let (answer, entries) = ls(&world, &at("/srv", Instant::Now), false).await;
    assert_eq!((answer.seq, answer.gaps.len()), (11, 0));
    assert_eq!(paths(&entries), ["/srv/a", "/srv/b", "/srv/dir", "/srv/l", "/srv/\u{fffd}"]);
    let a = &entries[0];
    assert_eq!((a.node_type.as_str(), a.mode.as_str(), a.uid, a.gid), ("file", "0644", 1, 2));
    assert_eq!((a.size, a.state), (Some(6), Some(ContentState::Whole)));
    assert_eq!(a.mtime.as_deref(), Some("2023-11-14T22:13:20.000000005Z"));
    assert_eq!(a.node, entries[1].node);
    assert_eq!(entries[3].target.as_deref(), Some("a"));
    assert_eq!(entries[4].path_b64.as_deref(), Some("L3Nydi//"));

    let (_, below) = ls(&world, &at("/srv", Instant::Now), true).await;
    assert_eq!(paths(&below)[2..4], ["/srv/dir", "/srv/dir/none"]);
    assert_eq!(below[3].state, Some(ContentState::None));
    let (_, one) = ls(&world, &at("/srv/a", Instant::Now), false).await;
    assert_eq!(paths(&one), ["/srv/a"]);
    // Above the roots there are the directories that lead to them.
    let (_, above) = ls(&world, &at("/", Instant::Now), false).await;
    assert_eq!(paths(&above), ["/srv"]);
}

#[tokio::test]
async fn a_tree_is_that_of_its_instant() {
    let mut world = World::start().await;
    world.rename(node(12), (ROOT, b"dir"), (ROOT, b"moved")).await;
    world.remove(node(11), (ROOT, b"a")).await;
    let names = async |at_instant| {
        let (_, entries) = ls(&world, &at("/srv", at_instant), true).await;
        entries.iter().map(|e| e.path.replace("/srv/", "")).collect::<Vec<_>>()
    };
    assert_eq!(names(Instant::Seq(Seq(11))).await, ["a", "b", "dir", "dir/none", "l", "\u{fffd}"]);
    assert_eq!(names(Instant::Now).await, ["b", "l", "moved", "moved/none", "\u{fffd}"]);
    assert_eq!(names(Instant::Time(second(11))).await, ["a", "b", "l", "moved", "moved/none", "\u{fffd}"]);
}

/// An agent can say that a directory lies below itself, and at two places: no walk of it goes on without end.
#[tokio::test]
async fn a_circle_of_directories_ends_and_is_told() {
    let mut world = World::start().await;
    for (parent, text) in [(node(12), b"up"), (node(12), b"us"), (ROOT, b"it")] {
        let below = if parent == ROOT { node(12) } else { ROOT };
        world.tell(FileEvent::Linked(Linked { parent, name: name(text), node: below })).await;
    }
    let (_, entries) = ls(&world, &at("/srv", Instant::Now), true).await;
    let names: Vec<_> = entries.iter().map(|e| e.path.replace("/srv/", "")).collect();
    assert_eq!(names, ["a", "b", "dir", "dir/none", "dir/up", "dir/us", "it", "l", "\u{fffd}"]);
    let (_, pieces) = world.client.tree(&at("/srv", Instant::Now)).await.unwrap();
    let (counts, end) = survey(&all(pieces).await[..]);
    end.unwrap();
    assert_eq!((counts.entries, counts.unseen), (10, 3), "the top, and what the listing has");
}

/// The kernel lets trees be as deep as you like, and none of it is left out.
#[tokio::test]
async fn a_tree_is_told_to_its_depth() {
    let mut world = World::start().await;
    let depth = 4_200_u32;
    let of = |level: u32| match level {
        0 => ROOT,
        _ => NodeId([&level.to_be_bytes()[..], &[7; 12]].concat().try_into().unwrap()),
    };
    let directory = |level: u32| {
        let (parent, name, meta) = (of(level - 1), name(b"d").into(), meta(NodeType::Directory, 0));
        FileEvent::Created(Created { parent, name, node: of(level), meta, pending: false })
    };
    world.tell_all((1..=depth).map(directory)).await;
    let (_, pieces) = world.client.tree(&at("/srv", Instant::Now)).await.unwrap();
    let bytes = pieces.whole(64 << 20).await.unwrap();
    let (counts, end) = survey(&bytes[..]);
    end.unwrap();
    assert_eq!(counts.entries, 7 + u64::from(depth));
}

#[tokio::test]
async fn what_cannot_be_found_is_told_from_what_cannot_be_known() {
    let mut world = World::start().await;
    let ask = async |text: &str, instant| refusal(world.client.ls(&at(text, instant), false).await);
    assert_eq!(ask("/srv/missing", Instant::Now).await, ErrorKind::NotFound);
    assert_eq!(ask("/etc", Instant::Now).await, ErrorKind::NotFound);
    assert_eq!(ask("/srv", Instant::Time(second(0))).await, ErrorKind::Inconclusive);
    assert_eq!(ask("/srv", Instant::Seq(Seq(99))).await, ErrorKind::Inconclusive);
    assert_eq!(ask("/srv/missing", Instant::Seq(Seq(6))).await, ErrorKind::Inconclusive, "inside a gap");

    let restart = GapOpened { root: path("/srv"), cause: GapCause::Restart, since: Some(second(11)) };
    world.tell(FileEvent::GapOpened(restart)).await;
    let (answer, _) = ls(&world, &at("/srv", Instant::Now), false).await;
    let gap = &answer.gaps[0];
    assert_eq!((gap.root.as_str(), gap.cause.as_str(), gap.opened_seq), ("/srv", "restart", 12));
    assert_eq!((gap.since.is_some(), gap.closed.is_some()), (true, false));
}

#[tokio::test]
async fn a_machine_that_is_away_is_not_known_after_it_was_heard_last() {
    let mut world = World::start().await;
    let hub_only = Enrolled { machine: MachineId([2; 16]), name: "web02".into() }.encode(second(20));
    let later = world.own(hub_only).await;
    let away = async |world: &World, instant| {
        let (answer, entries) = ls(world, &at("/srv", instant), false).await;
        assert_eq!(entries.len(), 5, "what was told is given all the same");
        let (of_cat, _) = world.client.cat(&at("/srv/a", instant), 0).await.unwrap();
        let (of_tree, _) = world.client.tree(&at("/srv/a", instant)).await.unwrap();
        assert_eq!((&of_cat.away, &of_tree.away), (&answer.away, &answer.away));
        answer.away
    };
    assert_eq!(away(&world, Instant::Now).await, None);

    // Heard last a second after its last record, which is #11, by the hub's clock and by its own.
    *world.away_since.lock().unwrap() = Some(second(11));
    let told = Away { machine: "web01".into(), since: "2027-01-15T08:00:11.000000000Z".into(), last_seq: 11 };
    assert_eq!(away(&world, Instant::Now).await, Some(told.clone()));
    assert_eq!(away(&world, Instant::Seq(Seq(11))).await, None, "its own last record is known");
    assert_eq!(away(&world, Instant::Time(second(10))).await, None);
    // The hub's clock is behind in this world: all was received before the machine was heard last.
    assert_eq!(away(&world, Instant::Seq(later)).await, None);

    // A machine whose clock is ahead: what it has told counts, and nothing after.
    *world.away_since.lock().unwrap() = Some(UnixNanos(0));
    let told = Away { since: "1970-01-01T00:00:00.000000000Z".into(), ..told };
    assert_eq!(away(&world, Instant::Time(second(10))).await, None);
    assert_eq!(away(&world, Instant::Seq(later)).await, Some(told.clone()), "another's record, later");
    assert_eq!(away(&world, Instant::Now).await, Some(told));

    let ask = async |text: &str, instant| refusal(world.client.ls(&at(text, instant), false).await);
    assert_eq!(ask("/srv/new", Instant::Now).await, ErrorKind::Inconclusive, "it may be there by now");
    assert_eq!(ask("/srv/new", Instant::Seq(Seq(11))).await, ErrorKind::NotFound);
    assert_eq!(ask("/etc", Instant::Now).await, ErrorKind::NotFound, "nobody watches it");
}

#[tokio::test]
async fn hints_name_what_was_asked_for() {
    let mut world = World::start().await;
    world.rename(node(14), (ROOT, b"l"), (ROOT, b"a b")).await;
    world.remove(node(14), (ROOT, b"a b")).await;
    let hint = async |text: &str| match world.client.cat(&at(text, Instant::Now), 0).await {
        Err(ClientError::Refused(error)) => error.hint.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(hint("/srv/l").await, "`vigie log web01:/srv/l` tells when it was there");
    assert_eq!(hint("/srv/dir").await, "`vigie ls web01:/srv/dir` lists it");
    assert_eq!(hint("/srv/it's new").await, "nor is anything recorded of one at any other");
    assert_eq!(hint("/srv/a b").await, "`vigie log 'web01:/srv/a b'` tells when it was there");
}

#[tokio::test]
async fn content_comes_as_it_was_and_says_when_it_is_not_the_newest() {
    let mut world = World::start().await;
    let cat = async |world: &World, text: &str, instant| {
        let (answer, pieces) = world.client.cat(&at(text, instant), 0).await?;
        Ok::<_, ClientError>((answer.state.unwrap(), pieces.len_hint(), all(pieces).await))
    };
    let hello = (ContentState::Whole, Some(6), b"hello\n".to_vec());
    assert_eq!(cat(&world, "/srv/b", Instant::Now).await.unwrap(), hello);
    world.touch(node(11), 100).await;
    let pending = (ContentState::Pending, Some(6), b"hello\n".to_vec());
    assert_eq!(cat(&world, "/srv/a", Instant::Now).await.unwrap(), pending);
    world.write(node(11), &[b'x'; 1000]).await;
    assert_eq!(cat(&world, "/srv/a", Instant::Now).await.unwrap().2, [b'x'; 1000]);
    assert_eq!(cat(&world, "/srv/a", Instant::Seq(Seq(11))).await.unwrap(), hello);

    assert_eq!(refusal(cat(&world, "/srv", Instant::Now).await), ErrorKind::WrongType);
    assert_eq!(refusal(cat(&world, "/srv/l", Instant::Now).await), ErrorKind::WrongType);
    assert_eq!(refusal(cat(&world, "/srv/dir/none", Instant::Now).await), ErrorKind::Inconclusive);
    assert_eq!(refusal(cat(&world, "/", Instant::Now).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn content_can_be_asked_for_from_a_byte_on() {
    let mut world = World::start().await;
    world.write(node(13), b"").await;
    for (file, offset, rest) in
        [("a", 0, &b"hello\n"[..]), ("a", 2, b"llo\n"), ("a", 6, b""), ("dir/none", 0, b"")]
    {
        let query = at(format!("/srv/{file}"), Instant::Now);
        let (_, pieces) = world.client.cat(&query, offset).await.unwrap();
        assert_eq!(pieces.len_hint(), Some(rest.len() as u64));
        assert_eq!(all(pieces).await, rest, "{file} from {offset} on");
    }
    for (file, offset) in [("a", 7), ("a", u64::MAX), ("dir/none", 1)] {
        let beyond = world.client.cat(&at(format!("/srv/{file}"), Instant::Now), offset).await;
        assert_eq!(refusal(beyond), ErrorKind::Usage, "{file} from {offset} on");
    }
}

#[tokio::test]
async fn a_tree_is_one_stream_that_ends_with_its_counts() {
    let mut world = World::start().await;
    let (_, pieces) = world.client.tree(&at("/srv", Instant::Now)).await.unwrap();
    let (counts, end) = survey(&all(pieces).await[..]);
    end.unwrap();
    // The root, a, b, dir, dir/none, l, and the fifo.
    assert_eq!(counts, Counts { entries: 7, bytes: 6, missing: 1, ..Counts::default() });

    let (_, pieces) = world.client.tree(&at("/srv/a", Instant::Now)).await.unwrap();
    let (counts, end) = survey(&all(pieces).await[..]);
    end.unwrap();
    assert_eq!((counts.entries, counts.bytes), (1, 6));
    assert_eq!(refusal(world.client.tree(&at("/", Instant::Now)).await), ErrorKind::NotFound);

    world.touch(node(11), 7).await;
    let (_, pieces) = world.client.tree(&at("/srv", Instant::Now)).await.unwrap();
    let (counts, end) = survey(&all(pieces).await[..]);
    end.unwrap();
    assert_eq!((counts.pending, counts.missing), (1, 1));
}

#[tokio::test]
async fn what_could_not_be_seen_whole_is_no_empty_directory() {
    let mut world = World::start().await;
    let before = world.tell(FileEvent::Unseen(Unseen { node: node(12), cause: UnseenCause::Unlisted })).await;
    let unseen = |answer: &Answer| answer.unseen.iter().map(|place| place.path.clone()).collect::<Vec<_>>();
    for (text, expected) in [("/srv", vec![]), ("/srv/a", vec![]), ("/srv/dir", vec!["/srv/dir"])] {
        let (answer, _) = world.client.ls(&at(text, Instant::Now), false).await.unwrap();
        assert_eq!(unseen(&answer), expected, "{text}");
    }
    let (answer, _) = world.client.ls(&at("/srv/dir/none", Instant::Now), false).await.unwrap();
    assert_eq!(unseen(&answer), ["/srv/dir"], "what lies below is only the last known, too");
    let (_, entries) = ls(&world, &at("/srv", Instant::Now), false).await;
    let directories = entries.iter().filter(|entry| entry.node_type == "directory");
    assert_eq!(directories.map(|entry| entry.state).collect::<Vec<_>>(), [Some(ContentState::Unseen)]);
    assert_eq!(
        refusal(world.client.ls(&at("/srv/dir/new", Instant::Now), false).await),
        ErrorKind::Inconclusive
    );

    let (_, pieces) = world.client.tree(&at("/srv", Instant::Now)).await.unwrap();
    let (counts, end) = survey(&all(pieces).await[..]);
    end.unwrap();
    assert_eq!((counts.unseen, counts.missing), (1, 1));
    let (answer, pieces) = world.client.tree(&at("/srv/dir", Instant::Now)).await.unwrap();
    assert_eq!((unseen(&answer), survey(&all(pieces).await[..]).0.unseen), (vec!["/srv/dir".to_owned()], 1));

    world.tell(FileEvent::Seen(Seen { node: node(12) })).await;
    let (answer, _) = world.client.ls(&at("/srv/dir", Instant::Now), false).await.unwrap();
    assert_eq!(unseen(&answer), [""; 0]);
    let (answer, _) = world.client.ls(&at("/srv/dir", Instant::Seq(before)), false).await.unwrap();
    assert_eq!(unseen(&answer), ["/srv/dir"], "it was so then");
    assert_eq!(refusal(world.client.ls(&at("/srv/dir/new", Instant::Now), false).await), ErrorKind::NotFound);

    let lines = world.log(LogQuery { kind: Some("unseen".into()), ..LogQuery::default() }).await;
    let told: Vec<_> = lines.iter().map(|line| (line.path.as_deref(), line.cause.as_deref())).collect();
    assert_eq!(told, [(Some("/srv/dir"), Some("unlisted"))]);
}

/// Neither may cost the rest of the tree: what a stream cannot hold is left out, and said.
#[tokio::test]
async fn what_no_stream_can_hold_is_left_out_and_named() {
    let mut world = World::start().await;
    let far = |n: u16| NodeId([[0xfa; 14].as_slice(), &n.to_be_bytes()].concat().try_into().unwrap());
    let created = |parent, entry: &[u8], node, meta| {
        let name = EdgeName::Entry(name(entry));
        FileEvent::Created(Created { parent, name, node, meta, pending: false })
    };
    // 257 names of 255 bytes: past 64 KiB. In the last directory lies a first name of what `z` and `zz` are, too.
    let mut parent = ROOT;
    let mut deep = Vec::new();
    for level in 0..257 {
        let child = far(1_000 + level);
        deep.push(created(parent, &[b'd'; 255], child, meta(NodeType::Directory, 0)));
        parent = child;
    }
    deep.push(created(parent, b"x", far(2_000), meta(NodeType::Fifo, 0)));
    world.tell_all(deep).await;
    // An equals sign takes three bytes in the stream.
    let name_of_attribute = [&b"user."[..], &[b'='; 720_000]].concat();
    let fat = |node_type| {
        let xattrs = vec![Xattr { name: name_of_attribute.clone(), value: vec![1] }];
        Metadata { xattrs, mode: 0o775, ..meta(node_type, 0) }
    };
    world.tell(created(ROOT, b"fat", far(3_000), fat(NodeType::Fifo))).await;
    world.tell(created(ROOT, b"fatdir", far(3_001), fat(NodeType::Directory))).await;
    world
        .tell_all([
            created(far(3_001), b"in", far(3_002), meta(NodeType::Fifo, 0)),
            FileEvent::Linked(Linked { parent: ROOT, name: name(b"z"), node: far(2_000) }),
            FileEvent::Linked(Linked { parent: ROOT, name: name(b"zz"), node: far(2_000) }),
        ])
        .await;

    let (_, pieces) = world.client.tree(&at("/srv", Instant::Now)).await.unwrap();
    let stream = all(pieces).await;
    let target = world.dir.path().join("restored");
    let options = vigie_archive::Options::default();
    let summary = vigie_archive::extract(&stream[..], &target, &options, &mut |_| {}).unwrap();
    assert!(!summary.is_exact());
    assert_eq!((summary.left_out.count, summary.end.unwrap().left_out), (3, 3));
    let told: Vec<_> = summary.left_out.first.iter().map(|left| (left.cause, left.path.clone())).collect();
    let start_of_long = [b'd'; 255].repeat(257);
    assert_eq!(told[0].0, LeftOutCause::PathTooLong);
    assert_eq!(told[0].1.len(), vigie_archive::limits::LEFT_OUT_PATH_BYTES_MAX);
    assert_eq!(told[0].1[..255], start_of_long[..255]);
    assert_eq!(
        told[1..],
        [
            (LeftOutCause::TooMuchMetadata, b"fat".to_vec()),
            (LeftOutCause::OnlyAttributes, b"fatdir".to_vec()),
        ]
    );

    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let of = |name: &str| std::fs::symlink_metadata(target.join(name)).unwrap();
    assert_eq!(std::fs::read(target.join("a")).unwrap(), b"hello\n", "the rest is there");
    assert!(of("fatdir/in").file_type().is_fifo());
    assert_eq!(
        of("fatdir").mode() & 0o7777,
        0o700,
        "its lists of access are not known to whoever restores it"
    );
    assert!(of("z").file_type().is_fifo() && of("z").ino() == of("zz").ino());
    assert!(!target.join("fat").exists());

    // A single object that no stream can hold gives an empty stream which says so.
    let (_, pieces) = world.client.tree(&at("/srv/fat", Instant::Now)).await.unwrap();
    let (counts, end) = survey(&all(pieces).await[..]);
    end.unwrap();
    assert_eq!((counts.entries, counts.left_out), (0, 1));
}

/// A record whose path cannot be told may be about any path: a log of one must not be silent about it.
#[tokio::test]
async fn records_of_what_lies_too_deep_are_shown_and_say_why_they_have_no_path() {
    let mut world = World::start().await;
    let far = |n: u16| NodeId([[0xfa; 14].as_slice(), &n.to_be_bytes()].concat().try_into().unwrap());
    let mut parent = ROOT;
    let mut deep = Vec::new();
    for level in 0..4_100 {
        let (name, node) = (EdgeName::Entry(name(b"d")), far(level));
        let meta = meta(NodeType::Directory, 0);
        deep.push(FileEvent::Created(Created { parent, name, node, meta, pending: false }));
        parent = node;
    }
    world.tell_all(deep).await;
    let query = |text: &str| LogQuery {
        machine: Some("web01".into()),
        path: Some(path(text)),
        newest: Some(1),
        ..LogQuery::default()
    };
    let lines = world.log(query("/srv")).await;
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((line.kind.as_str(), line.path.as_deref()), ("created", None));
    assert!(line.message.as_deref().is_some_and(|why| why.contains("4096 directories")), "{line:?}");
    assert_eq!(line.node, Some(parent.to_string()));
}

#[tokio::test]
async fn a_restored_tree_is_the_recorded_one() {
    let world = World::start().await;
    let (_, pieces) = world.client.tree(&at("/srv", Instant::Now)).await.unwrap();
    let stream = all(pieces).await;
    let target = world.dir.path().join("restored");
    let done = vigie_archive::extract(&stream[..], &target, &vigie_archive::Options::default(), &mut |_| {});
    let summary = done.unwrap();
    assert_eq!(summary.missing.first, [b"dir/none".to_vec()]);
    assert_eq!(std::fs::read(target.join("a")).unwrap(), b"hello\n");
    use std::os::unix::fs::MetadataExt;
    let inode = |name| std::fs::symlink_metadata(target.join(name)).unwrap().ino();
    assert_eq!(inode("a"), inode("b"), "a second name is a second name again");
    assert_eq!(std::fs::read_link(target.join("l")).unwrap(), std::path::Path::new("a"));
}

#[tokio::test]
async fn a_block_that_is_gone_is_told_by_cat_and_flagged_in_a_tree() {
    let mut world = World::start().await;
    // The pack is damaged behind the store's back.
    world.write(node(13), &[b'z'; 5000]).await;
    let blocks = std::fs::read_dir(world.dir.path().join("store")).unwrap();
    let mut packs = Vec::new();
    for entry in blocks.flatten().filter(|e| e.path().is_dir()) {
        packs.extend(std::fs::read_dir(entry.path()).unwrap().flatten().map(|e| e.path()));
    }
    let pack = packs.into_iter().find(|p| p.to_string_lossy().contains("pack")).unwrap();
    let mut bytes = std::fs::read(&pack).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 0xff;
    std::fs::write(&pack, bytes).unwrap();

    let damaged = world.client.cat(&at("/srv/dir/none", Instant::Now), 0).await;
    assert_eq!(refusal(damaged), ErrorKind::Damaged);
    let (_, pieces) = world.client.tree(&at("/srv", Instant::Now)).await.unwrap();
    let (counts, end) = survey(&all(pieces).await[..]);
    end.unwrap();
    assert_eq!(counts.damaged, 1);
}

#[tokio::test]
async fn torn_content_is_given_and_flagged() {
    let mut world = World::start().await;
    let torn = vigie_model::Content { torn: true, ..content(b"hello\n") };
    let event = FileEvent::Content(ContentStored { node: node(11), content: torn });
    world.tell(event).await;
    let (answer, _) = world.client.cat(&at("/srv/a", Instant::Now), 0).await.unwrap();
    assert_eq!(answer.state, Some(ContentState::Torn));
    // A newer version comes that is not read yet: what there is stays torn.
    let newer =
        vigie_model::files::MetadataChanged { node: node(11), meta: meta(NodeType::File, 9), pending: true };
    world.tell(FileEvent::Metadata(newer)).await;
    let (answer, _) = world.client.cat(&at("/srv/a", Instant::Now), 0).await.unwrap();
    assert_eq!(answer.state, Some(ContentState::PendingTorn));
    let (_, mut listed) = world.client.ls(&at("/srv/a", Instant::Now), false).await.unwrap();
    assert_eq!(listed.next().await.unwrap().unwrap().state, Some(ContentState::PendingTorn));
    assert_eq!(meta(NodeType::File, 6).mode, 0o644);
}
