//! The tree at every instant, and what happened to a path.

use crate::support::*;
use vigie_model::files::{Seen, Unseen, UnseenCause};
use vigie_model::*;
use vigie_store::{Batch, NewRecord, Store};

const R: NodeId = NodeId([1; 16]);

fn names_in(store: &Store, dir: NodeId, at: Seq) -> Vec<String> {
    let children = store.children(MACHINE, dir, at, None, usize::MAX).unwrap();
    children.iter().map(|(name, _)| String::from_utf8_lossy(name.as_bytes()).into_owned()).collect()
}

fn find(store: &Store, at: &str, seq: Seq) -> Option<NodeId> {
    store.lookup(MACHINE, &path(at), seq).unwrap()
}

#[test]
fn every_instant_keeps_its_tree() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let store = &running.store;
    let mut facts = Facts::new();
    let made = facts
        .add(root("/srv", R))
        .add(dir(R, "d", node(2)))
        .add(file(node(2), "f", node(3)))
        .commit(&running);
    let moved = facts.add(renamed((R, "d"), (R, "e"), node(2))).commit(&running);
    let other = facts.add(file(node(2), "g", node(4))).commit(&running);
    let over = facts.add(renamed((node(2), "g"), (node(2), "f"), node(4))).commit(&running);
    let gone = facts.add(removed(node(2), "f", node(4))).commit(&running);

    assert_eq!(find(store, "/srv/d/f", made), Some(node(3)));
    assert_eq!((find(store, "/srv/d/f", moved), find(store, "/srv/e/f", moved)), (None, Some(node(3))));
    assert_eq!(names_in(store, node(2), other), ["f", "g"]);
    assert_eq!(find(store, "/srv/e/f", over), Some(node(4)), "the older node lost its name");
    assert_eq!(names_in(store, node(2), over), ["f"]);
    assert_eq!(store.names(MACHINE, node(3), over).unwrap(), []);
    assert_eq!(names_in(store, node(2), gone), Vec::<String>::new());
    assert_eq!(store.path_of(MACHINE, node(3), made).unwrap().unwrap(), b"/srv/d/f");
    assert_eq!(store.path_of(MACHINE, node(3), moved).unwrap().unwrap(), b"/srv/e/f");
    assert_eq!(store.path_of(MACHINE, node(3), gone).unwrap(), None);
    running.stop();
}

#[test]
fn a_removal_takes_only_the_node_it_names() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let mut facts = Facts::new();
    facts.add(root("/srv", R)).add(file(R, "f", node(3))).add(file(R, "f", node(4)));
    let late = facts.add(removed(R, "f", node(3))).commit(&running);
    assert_eq!(find(&running.store, "/srv/f", late), Some(node(4)));
    let gone = facts.add(removed(R, "f", node(4))).commit(&running);
    assert_eq!(find(&running.store, "/srv/f", gone), None, "what it had replaced does not come back");
    let same = facts.add(file(R, "g", node(5))).add(renamed((R, "g"), (R, "g"), node(5))).commit(&running);
    assert_eq!(
        find(&running.store, "/srv/g", same),
        Some(node(5)),
        "a rename onto itself takes nothing away"
    );
    running.stop();
}

#[test]
fn a_directory_that_is_created_begins_empty() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let store = &running.store;
    let mut facts = Facts::new();
    facts.add(root("/srv", R)).add(dir(R, "d", node(2))).add(dir(node(2), "e", node(3)));
    facts.add(file(node(3), "gone", node(4))).add(file(node(3), "kept", node(5)));
    // Another takes its only name, and the agent dies before it can tell what became of it.
    let over = facts.add(dir(R, "d", node(6))).commit(&running);
    let mut facts = Facts { incarnation: Incarnation(2), ..Facts::new() };
    facts.add(dir(node(6), "back", node(2))).add(dir(node(2), "e", node(3)));
    let back = facts.add(file(node(3), "kept", node(5))).commit(&running);
    assert_eq!(
        (names_in(store, node(2), over), names_in(store, node(2), back)),
        (vec!["e".into()], vec!["e".into()])
    );
    assert_eq!(names_in(store, node(3), over), ["gone", "kept"]);
    assert_eq!(names_in(store, node(3), back), ["kept"]);
    assert_eq!(find(store, "/srv/d/back/e/gone", back), None);
    assert_eq!(store.names(MACHINE, node(4), back).unwrap(), []);
    // A root within a root is declared when it and its entries are known.
    let inner = facts.add(root("/srv/d/back/e", node(3))).commit(&running);
    assert_eq!(find(store, "/srv/d/back/e/kept", inner), Some(node(5)));
    // One that was not asked for any more, and is again, holds what is told from then on.
    let label = EdgeName::Root(path("/srv"));
    let dropped = files::Removed { parent: NodeId::ROOTS, name: label, node: R };
    facts.add(FileEvent::Removed(dropped)).commit(&running);
    let again = facts.add(root("/srv", R)).add(file(R, "f", node(7))).add(root("/srv", R)).commit(&running);
    assert_eq!(names_in(store, R, again), ["f"]);
    assert_eq!(find(store, "/srv/d/back/e/kept", inner), Some(node(5)));
    running.stop();
}

#[test]
fn directories_are_listed_in_pages_whatever_happened_to_their_names() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let mut facts = Facts::new();
    facts.add(root("/srv", R));
    let odd = ["a", "a!", "a\u{1}", "b", "zz", "\u{ff}"];
    let early = facts.add(file(R, "a", node(9))).commit(&running);
    for round in 0..40 {
        for (at, name) in odd.iter().enumerate() {
            facts.add(file(R, name, node(10 + at as u8)));
            if round % 2 == 0 {
                facts.add(removed(R, name, node(10 + at as u8)));
            }
        }
    }
    let end = facts.commit(&running);
    let mut sorted = odd.map(|name| name.as_bytes().to_vec());
    sorted.sort();
    for limit in [1, 2, 5, 100] {
        let mut found: Vec<Vec<u8>> = Vec::new();
        loop {
            let after = found.last().cloned();
            let page = running.store.children(MACHINE, R, end, after.as_deref(), limit).unwrap();
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            found.extend(page.iter().map(|(name, _)| name.as_bytes().to_vec()));
        }
        assert_eq!(found, sorted, "in pages of {limit}");
    }
    assert_eq!(names_in(&running.store, R, early), ["a"]);
    running.stop();
}

#[test]
fn a_directory_is_unseen_until_it_is_seen_or_made_anew() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let mut facts = Facts::new();
    let pending = |at: Seq| running.store.node(MACHINE, node(3), at).unwrap().unwrap().state.pending;
    let unseen = || FileEvent::Unseen(Unseen { node: node(3), cause: UnseenCause::Unlisted });
    let made = facts.add(root("/srv", R)).add(dir(R, "d", node(3))).commit(&running);
    let first = facts.add(unseen()).commit(&running);
    let changed = facts.add(chmod(node(3), 0o100)).commit(&running);
    let seen = facts.add(FileEvent::Seen(Seen { node: node(3) })).commit(&running);
    let again = facts.add(unseen()).commit(&running);
    let anew = facts.add(dir(R, "e", node(3))).commit(&running);
    let expected =
        [(made, false), (first, true), (changed, true), (seen, false), (again, true), (anew, false)];
    for (at, unseen) in expected {
        assert_eq!(pending(at), unseen, "{at}");
        assert_eq!(
            running.store.nodes(MACHINE, &[node(3)], at).unwrap()[0].as_ref().unwrap().state.pending,
            unseen
        );
    }
    for _ in 0..20 {
        facts.add(unseen()).add(FileEvent::Seen(Seen { node: node(3) }));
    }
    let many = facts.add(unseen()).commit(&running);
    assert!(pending(many), "of many rows the newest counts");
    let path = BytePath::normalise(b"/srv/e/none/below").unwrap();
    let way = running.store.way(MACHINE, &path, many).unwrap().unwrap();
    assert_eq!((way.0.as_bytes(), way.1), (&b"/srv"[..], vec![R, node(3)]));
    running.stop();
}

#[test]
fn states_follow_their_records() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let mut facts = Facts::new();
    let state = |at: Seq| running.store.node(MACHINE, node(3), at).unwrap().unwrap();
    let made = facts.add(root("/srv", R)).add(file(R, "f", node(3))).commit(&running);
    assert!(state(made).state.pending && state(made).state.content.is_none());

    facts.add(content(node(3), whole(b"one")));
    let first = running.commit(facts.batch(vec![block(b"one")])).unwrap().last;
    assert_eq!(
        (state(first).state.meta.mode, state(first).state.meta.size),
        (0o600, 3),
        "it brings its fstat"
    );
    assert!(!state(first).state.pending);

    let changed = chmod(node(3), 0o400);
    let FileEvent::Metadata(mut newer) = changed else { panic!("chmod is metadata") };
    newer.pending = true;
    let pending = facts.add(FileEvent::Metadata(newer)).commit(&running);
    let version = state(pending);
    assert!(version.state.pending && version.content_seq == Some(first) && version.seq == pending);
    assert_eq!(version.state.meta.mode, 0o400);
    assert_eq!((version.content_meta().mode, version.content_meta().size), (0o600, 3));

    let late = Content { ctime: FileTime { secs: 1, nanos: 0 }, mode: 0o777, ..whole(b"one") };
    let late = facts.add(content(node(3), late)).commit(&running);
    assert_eq!(state(late).state.meta.mode, 0o400, "a content read before the change does not undo it");
    for mode in 0..40 {
        facts.add(chmod(node(3), mode));
    }
    let many = facts.commit(&running);
    assert_eq!((state(many).state.meta.mode, state(many).content_seq), (39, Some(late)));
    for _ in 0..40 {
        facts.add(content(node(3), whole(b"one")));
    }
    facts.commit(&running);
    assert_eq!((state(many).content_seq, state(pending).content_seq), (Some(late), Some(first)));
    let again = facts.add(file(R, "f", node(3))).commit(&running);
    assert!(state(again).state.content.is_some(), "a node that is known keeps its content");
    running.stop();
}

#[test]
fn many_states_at_once_are_those_of_each() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let mut facts = Facts::new();
    facts.add(root("/srv", R));
    for n in 2..200 {
        facts.add(file(R, &format!("f{n}"), node(n)));
        // From none to many versions of either kind, in every mixture.
        for mode in 0..n % 7 * 5 {
            facts.add(chmod(node(n), mode.into()));
        }
        for _ in 0..n % 5 * 6 {
            facts.add(content(node(n), whole(b"one")));
        }
    }
    let tail = running.commit(facts.batch(vec![block(b"one")])).unwrap().last;
    let every = |step: usize| (0..=255).step_by(step).map(node).collect::<Vec<NodeId>>();
    for nodes in [every(1), every(3), every(60), vec![node(150)], vec![node(250)], vec![]] {
        for at in [Seq(0), Seq(1), Seq(tail.0 / 2), tail] {
            let each: Vec<_> =
                nodes.iter().map(|node| running.store.node(MACHINE, *node, at).unwrap()).collect();
            assert_eq!(running.store.nodes(MACHINE, &nodes, at).unwrap(), each);
        }
    }
    running.stop();
}

#[test]
fn a_rename_and_a_chmod_write_as_little_as_they_say() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let mut facts = Facts::new();
    facts.add(root("/srv", R)).add(dir(R, "big", node(2)));
    for i in 0..5000u32 {
        facts.add(file(node(2), &format!("f{i}"), NodeId(u128::from(i + 100).to_be_bytes())));
    }
    for i in 0..5000 {
        facts.add(linked(R, &format!("l{i}"), node(9)));
    }
    facts.commit(&running);
    let (before, tail) = (running.store.tree_rows().unwrap(), *running.store.tail().borrow());
    facts.add(renamed((R, "big"), (R, "huge"), node(2))).commit(&running);
    let after_rename = running.store.tree_rows().unwrap();
    assert_eq!(after_rename.0 - before.0, 2, "edges: one that left, one that came");
    assert_eq!(after_rename.1 - before.1, 1, "nodes: the directory's new name");
    facts.add(chmod(node(9), 0o600)).commit(&running);
    let after_chmod = running.store.tree_rows().unwrap();
    assert_eq!((after_chmod.0 - after_rename.0, after_chmod.1 - after_rename.1), (0, 1));
    assert_eq!(find(&running.store, "/srv/huge/f4999", Seq(tail.0 + 1)).map(|_| ()), Some(()));
    running.stop();
}

#[test]
fn nested_roots_and_the_root_of_everything() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let mut facts = Facts::new();
    facts.add(root("/", R)).add(dir(R, "srv", node(2))).add(file(node(2), "f", node(3)));
    let at = facts.add(root("/srv", node(2))).commit(&running);
    assert_eq!(find(&running.store, "/srv/f", at), Some(node(3)));
    assert_eq!(find(&running.store, "/", at), Some(R));
    let roots = running.store.roots(MACHINE, at).unwrap();
    assert_eq!(roots, [(path("/"), R), (path("/srv"), node(2))]);
    assert_eq!(running.store.path_of(MACHINE, node(3), at).unwrap().unwrap(), b"/srv/f");
    running.stop();
}

#[test]
fn the_history_of_a_path_follows_editors_and_renames() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let mut facts = Facts::new();
    facts.add(root("/srv", R)); // #1
    facts.add(file(R, "conf", node(3))).add(chmod(node(3), 0o600)); // #2 #3
    facts.add(file(R, "conf.tmp", node(4))).add(chmod(node(4), 0o644)); // #4 #5, as `sed -i` does
    facts.add(renamed((R, "conf.tmp"), (R, "conf"), node(4))); // #6
    facts.add(chmod(node(3), 0)); // #7, of a node that no longer bears the name
    facts.add(chmod(node(4), 0o640)); // #8
    facts.add(file(R, "other", node(5))); // #9
    facts.commit(&running);
    let history = |at: &str| running.store.history(MACHINE, &path(at)).unwrap();
    assert_eq!(history("/srv/conf"), [2, 3, 4, 5, 6, 8].map(Seq));
    assert_eq!(history("/srv/conf.tmp"), [4, 5, 6].map(Seq));
    assert_eq!(history("/srv"), [Seq(1)]);
    assert_eq!(history("/elsewhere"), []);
    running.stop();
}

#[test]
fn unknown_streams_and_damaged_payloads_travel_as_they_are() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let mut facts = Facts::new();
    let note = AgentRecord {
        observed: UnixNanos(1),
        stream: Stream::NOTES,
        kind: 77,
        version: 9,
        payload: b"any bytes \xff".to_vec(),
    };
    let broken = AgentRecord { payload: vec![0xff; 9], ..root("/srv", R).encode(UnixNanos(2)) };
    facts.fact(note.clone()).fact(broken.clone()).add(root("/srv", R));
    for stream in [Stream::FILES, Stream::MACHINES, Stream::ROLES] {
        facts.fact(AgentRecord { stream, kind: 999, ..note.clone() });
        facts.fact(AgentRecord { version: 999, ..AgentRecord { stream, kind: 1, ..note.clone() } });
    }
    let last = facts.commit(&running);
    let records = running.store.records(Seq(1), 10).unwrap();
    assert_eq!(records.iter().map(|r| &r.fact).take(2).collect::<Vec<_>>(), [&note, &broken]);
    assert_eq!(running.store.sizes().unread, 1, "the one that should be readable is counted");
    assert_eq!(find(&running.store, "/srv", last), Some(R));
    running.stop();
}

#[test]
fn records_are_found_by_number_and_by_origin() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let mut facts = Facts::new();
    facts.add(root("/srv", R));
    for i in 0..25 {
        facts.add(chmod(R, i));
        if i % 10 == 0 {
            facts.commit(&running);
        }
    }
    facts.commit(&running);
    let seqs = |records: Vec<Record>| records.iter().map(|r| r.seq.0).collect::<Vec<_>>();
    assert_eq!(seqs(running.store.records(Seq(11), 4).unwrap()), [11, 12, 13, 14]);
    assert_eq!(seqs(running.store.records(Seq(25), 9).unwrap()), [25, 26]);
    assert_eq!(seqs(running.store.records_before(Seq(5), 3).unwrap()), [2, 3, 4]);
    assert_eq!(seqs(running.store.records_before(Seq(u64::MAX), 2).unwrap()), [25, 26]);
    assert_eq!(seqs(running.store.records_before(Seq(3), 100).unwrap()), [1, 2]);
    for n in 1..=26 {
        let origin = Origin { machine: MACHINE, incarnation: Incarnation(1), n: RecordNo(n) };
        assert_eq!(running.store.by_origin(&origin).unwrap().unwrap().seq, Seq(n));
    }
    let beyond = Origin { machine: MACHINE, incarnation: Incarnation(1), n: RecordNo(27) };
    assert_eq!(running.store.by_origin(&beyond).unwrap(), None);
    running.stop();
}

#[test]
fn enrolled_machines_are_found_by_their_newest_name() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let mut facts = Facts::new();
    let enrol = |id: u8, name: &str| {
        machines::Enrolled { machine: MachineId([id; 16]), name: name.into() }.encode(UnixNanos(1))
    };
    facts.fact(enrol(1, "old")).fact(enrol(2, "web")).fact(enrol(1, "new")).commit(&running);
    let named = |name: &str| running.store.machine_named(name).unwrap();
    assert_eq!((named("old"), named("new")), (None, Some(MachineId([1; 16]))));
    assert_eq!(running.store.machines().unwrap().len(), 2);
    facts.fact(enrol(3, "web")).commit(&running);
    assert_eq!(named("web"), Some(MachineId([3; 16])));
    running.stop();
}

#[test]
fn machines_do_not_see_each_other() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let at = Facts::new().add(root("/srv", R)).commit(&running);
    let other = MachineId([8; 16]);
    let origin = Origin { machine: other, incarnation: Incarnation(5), n: RecordNo(1) };
    let fact = root("/home", R).encode(UnixNanos(5));
    let batch = Batch { blocks: vec![], records: vec![NewRecord { origin, fact }] };
    let at = running.commit(batch).unwrap().last.max(at);
    assert_eq!(running.store.roots(MACHINE, at).unwrap(), [(path("/srv"), R)]);
    assert_eq!(running.store.roots(other, at).unwrap(), [(path("/home"), R)]);
    assert_eq!(running.store.lookup(other, &path("/srv"), at).unwrap(), None);
    running.stop();
}
