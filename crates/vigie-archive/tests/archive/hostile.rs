//! Streams made to do harm.

use crate::support::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink as make_symlink};
use vigie_archive::header::{Header, kind};
use vigie_archive::pax::{key, push_record};
use vigie_archive::{Act, Counts, ExtractError, Options, Stop, Summary};

/// A stream put together header by header, past everything the writer refuses.
#[derive(Default)]
struct Forged {
    bytes: Vec<u8>,
    counts: Counts,
}

impl Forged {
    fn new() -> Self {
        let mut forged = Forged::default();
        forged.add(b"./", kind::DIRECTORY, b"", b"", &[]);
        forged
    }

    fn add(&mut self, name: &[u8], kind: u8, link: &[u8], content: &[u8], records: &[(&[u8], &[u8])]) {
        let mut extended = Vec::new();
        for (key, value) in records {
            push_record(&mut extended, key, value);
        }
        if name.len() > 100 || name.contains(&0) {
            push_record(&mut extended, b"path", name);
        }
        if !extended.is_empty() {
            self.put(Header { name: b"x".to_vec(), kind: kind::PAX, ..Header::default() }, &extended);
        }
        let (name, link) = (name.to_vec(), link.to_vec());
        self.put(Header { name, kind, link, mode: 0o755, ..Header::default() }, content);
        self.counts.entries += 1;
        self.counts.bytes += content.len() as u64;
    }

    fn put(&mut self, header: Header, content: &[u8]) {
        self.bytes.extend_from_slice(&Header { size: content.len() as u64, ..header }.encode());
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        let mut end = Vec::new();
        push_record(&mut end, key::END, self.counts.to_string().as_bytes());
        self.put(Header { kind: kind::PAX_GLOBAL, ..Header::default() }, &end);
        self.bytes.extend_from_slice(&[0; 1024]);
        self.bytes
    }
}

fn problems(summary: &Summary) -> Vec<(String, Act)> {
    let problem = |p: &vigie_archive::Problem| (p.path.escape_ascii().to_string(), p.act);
    assert_eq!(summary.problems.count, summary.problems.first.len() as u64);
    summary.problems.first.iter().map(problem).collect()
}

#[test]
fn names_that_lead_out_are_refused_and_the_rest_goes_on() {
    let dir = scratch();
    let bad: [&[u8]; 7] =
        [b"../out", b"/tmp/out", b"a/../../out", b"..", b"nul\0byte", &[b'n'; 300], b"./../out"];
    let mut forged = Forged::new();
    for name in bad {
        forged.add(name, kind::FILE, b"", b"evil", &[]);
    }
    forged.add(b"./good", kind::FILE, b"", b"good", &[]);
    let target = dir.path().join("in/side");
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    let summary = quietly(&forged.finish(), &target, &Options::default()).unwrap();
    assert!(problems(&summary).iter().all(|(_, act)| *act == Act::Name));
    assert_eq!(summary.problems.count, bad.len() as u64);
    assert_eq!(fs::read(target.join("good")).unwrap(), b"good");
    assert_eq!(fs::read_dir(&target).unwrap().count(), 1);
    assert_eq!(fs::read_dir(dir.path().join("in")).unwrap().count(), 1);
}

#[test]
fn links_of_the_stream_are_never_followed() {
    let dir = scratch();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), b"precious").unwrap();
    let path = outside.to_str().unwrap().as_bytes();
    let precious = [path, b"/precious"].concat();
    let mut forged = Forged::new();
    forged.add(b"./dir", kind::SYMLINK, path, b"", &[]);
    forged.add(b"./dir/new", kind::FILE, b"", b"evil", &[]);
    forged.add(b"./dir/sub", kind::DIRECTORY, b"", b"", &[]);
    forged.add(b"./dir/fifo", kind::FIFO, b"", b"", &[]);
    forged.add(b"./dir", kind::DIRECTORY, b"", b"", &[]);
    forged.add(b"./name", kind::SYMLINK, &precious, b"", &[]);
    forged.add(b"./name", kind::FILE, b"", b"evil", &[]);
    forged.add(b"./hard", kind::LINK, b"./name", b"", &[]);
    forged.add(b"./up", kind::SYMLINK, b"..", b"", &[]);
    forged.add(b"./up/outside/evil", kind::FILE, b"", b"evil", &[]);
    let bytes = forged.finish();
    for (options, made_before) in [(Options::default(), false), (forced(), true)] {
        let target = dir.path().join(format!("target {made_before}"));
        if made_before {
            fs::create_dir(&target).unwrap();
            make_symlink(&outside, target.join("dir")).unwrap();
            make_symlink(outside.join("precious"), target.join("name")).unwrap();
        }
        let summary = quietly(&bytes, &target, &options).unwrap();
        let acts: Vec<Act> = problems(&summary).into_iter().map(|(_, act)| act).collect();
        let parent = Act::Parent;
        assert_eq!(acts, [parent, parent, parent, Act::Name, Act::Name, parent], "{summary:?}");
        assert!(fs::symlink_metadata(target.join("hard")).unwrap().is_symlink());
        assert_eq!(fs::read(outside.join("precious")).unwrap(), b"precious");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(fs::metadata(outside.join("precious")).unwrap().nlink(), 1);
    }
}

#[test]
fn links_on_disk_are_never_followed_under_force() {
    let dir = scratch();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), b"precious").unwrap();
    let target = dir.path().join("target");
    fs::create_dir(&target).unwrap();
    make_symlink(&outside, target.join("dir")).unwrap();
    make_symlink(outside.join("file"), target.join("file")).unwrap();
    let mut forged = Forged::new();
    // No entry for `dir`: it would have been replaced by a real directory.
    forged.add(b"./dir/file", kind::FILE, b"", b"evil", &[]);
    forged.add(b"./file", kind::FILE, b"", b"new", &[]);
    let summary = quietly(&forged.finish(), &target, &forced()).unwrap();
    assert_eq!(problems(&summary), [("dir/file".to_owned(), Act::Parent)]);
    assert_eq!(fs::read(outside.join("file")).unwrap(), b"precious");
    assert!(fs::symlink_metadata(target.join("file")).unwrap().is_file());
}

#[test]
fn second_names_reach_only_what_the_stream_holds() {
    let dir = scratch();
    fs::write(dir.path().join("outside"), b"precious").unwrap();
    let target = dir.path().join("target");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("old"), b"was here").unwrap();
    let outside = dir.path().join("outside");
    let mut forged = Forged::new();
    let firsts: [&[u8]; 6] =
        [b"../outside", outside.to_str().unwrap().as_bytes(), b"./old", b"./nothing", b"", b"./link 6"];
    for (i, first) in firsts.into_iter().enumerate() {
        forged.add(format!("./link {i}").as_bytes(), kind::LINK, first, b"", &[]);
    }
    forged.add(b"./self", kind::LINK, b"./self", b"", &[]);
    forged.add(b"./to root", kind::LINK, b"./", b"", &[]);
    let summary = quietly(&forged.finish(), &target, &forced()).unwrap();
    assert_eq!(summary.problems.count, 8, "{summary:?}");
    assert_eq!(fs::read_dir(&target).unwrap().count(), 1);
    assert_eq!(fs::metadata(dir.path().join("outside")).unwrap().nlink(), 1);
}

#[test]
fn one_name_is_written_once() {
    let dir = scratch();
    let mut forged = Forged::new();
    forged.add(b"./a", kind::FILE, b"", b"first", &[]);
    forged.add(b"a", kind::FILE, b"", b"second", &[]);
    forged.add(b"./b/", kind::DIRECTORY, b"", b"", &[]);
    forged.add(b"./b", kind::FILE, b"", b"no", &[]);
    forged.add(b"./a/below a file", kind::FILE, b"", b"no", &[]);
    forged.add(b"./", kind::DIRECTORY, b"", b"", &[]);
    let bytes = forged.finish();
    for (options, name) in [(Options::default(), "fresh"), (forced(), "forced")] {
        let target = dir.path().join(name);
        let summary = quietly(&bytes, &target, &options).unwrap();
        let acts: Vec<Act> = problems(&summary).into_iter().map(|(_, act)| act).collect();
        let one = [Act::Name, Act::Name, Act::Parent, Act::Name];
        assert_eq!(acts, one, "{summary:?}");
        assert_eq!(fs::read(target.join("a")).unwrap(), b"first");
        assert!(target.join("b").is_dir());
    }
}

#[test]
fn a_tree_is_one_object_or_a_directory() {
    let dir = scratch();
    let mut forged = Forged::default();
    let root: [(&[u8], &[u8]); 1] = [(key::ROOT, b"object")];
    forged.add(b"./one", kind::FILE, b"", b"one", &root);
    forged.add(b"./two", kind::FILE, b"", b"two", &[]);
    forged.add(b"./", kind::DIRECTORY, b"", b"", &[]);
    let target = dir.path().join("object");
    let summary = quietly(&forged.finish(), &target, &Options::default()).unwrap();
    assert_eq!((summary.problems.count, fs::read(&target).unwrap()), (2, b"one".to_vec()));

    let mut forged = Forged::new();
    forged.add(b"./a", kind::FILE, b"", b"", &root);
    let summary = quietly(&forged.finish(), &dir.path().join("tree"), &Options::default()).unwrap();
    assert_eq!(problems(&summary), [("./a".to_owned(), Act::Name)]);

    let mut forged = Forged::default();
    forged.add(b".", kind::SYMLINK, b"/etc", b"", &[]);
    let summary = quietly(&forged.finish(), &dir.path().join("link"), &Options::default()).unwrap();
    assert_eq!(problems(&summary)[0], (".".to_owned(), Act::Name));
    assert!(dir.path().join("link").symlink_metadata().is_err());
}

#[test]
fn what_is_not_understood_is_told() {
    let dir = scratch();
    let mut forged = Forged::new();
    forged.add(b"./odd", b'Q', b"", b"?", &[]);
    forged.add(b"./named", kind::FILE, b"", b"", &[(key::ACL_ACCESS, b"user::rw-,user:ann:r--,other::---")]);
    forged.add(b"./empty link", kind::SYMLINK, b"", b"", &[]);
    forged.add(b"./attribute", kind::FILE, b"", b"", &[(b"SCHILY.xattr.nonsense", b"x")]);
    forged.add(b"./deep/er/file", kind::FILE, b"", b"f", &[]);
    let target = dir.path().join("target");
    let summary = quietly(&forged.finish(), &target, &Options::default()).unwrap();
    let mut found = problems(&summary);
    found.sort();
    let names = ["attribute", "deep", "deep/er", "empty link", "named", "odd"].map(str::to_owned);
    let acts =
        [Act::Xattr, Act::Understand, Act::Understand, Act::Understand, Act::Understand, Act::Understand];
    assert_eq!(found, names.into_iter().zip(acts).collect::<Vec<_>>());
    assert_eq!(fs::read(target.join("deep/er/file")).unwrap(), b"f");
}

#[test]
fn streams_that_contradict_themselves_are_stopped() {
    let dir = scratch();
    let forge = |fill: &dyn Fn(&mut Forged)| {
        let mut forged = Forged::new();
        fill(&mut forged);
        forged.finish()
    };
    let global = |key: &[u8], value: &[u8]| {
        let mut records = Vec::new();
        push_record(&mut records, key, value);
        records
    };
    let header = |kind: u8| Header { kind, ..Header::default() };
    let bad = [
        forge(&|f| f.counts.entries += 1),
        forge(&|f| f.counts.bytes += 1),
        forge(&|f| f.counts.missing += 1),
        forge(&|f| f.put(header(kind::PAX_GLOBAL), &global(key::DAMAGED, b"7"))),
        forge(&|f| f.put(header(kind::PAX_GLOBAL), &global(key::END, b"gibberish"))),
        forge(&|f| {
            f.put(header(kind::PAX_GLOBAL), &global(key::END, b"entries=1 bytes=0"));
            f.add(b"./late", kind::FILE, b"", b"", &[]);
        }),
        forge(&|f| f.put(header(kind::PAX), b"garbage")),
        forge(&|f| f.put(header(kind::PAX), &vec![b' '; 3 << 20])),
        forge(&|f| f.put(header(kind::GNU_NAME), &vec![b'n'; 1 << 20])),
        forge(&|f| f.add(b"./t", kind::FILE, b"", b"", &[(b"mtime", b"noon")])),
        forge(&|f| f.add(b"./u", kind::FILE, b"", b"", &[(b"uid", b"4294967296")])),
        forge(&|f| f.add(b"./s", kind::FILE, b"", b"", &[(b"size", b"18446744073709551615")])),
        forge(&|f| f.add(b"./v", kind::FILE, b"", b"", &[(key::STATE, b"fine")])),
        vec![b'x'; 10_240],
        vec![],
    ];
    for (i, bytes) in bad.iter().enumerate() {
        let end = quietly(bytes, &dir.path().join(format!("{i}")), &Options::default());
        assert!(matches!(end, Err(ExtractError::Stopped { stop: Stop::Stream(_), .. })), "{i}: {end:?}");
    }
}

#[test]
fn no_flipped_byte_leads_out_or_panics() {
    let dir = scratch();
    let base = dir.path().join("base");
    let bytes = stream(|tree| {
        tree.directory(b"d", &directory()).unwrap();
        add_file(tree, b"d/f", b"content");
        tree.hard_link(b"h", b"d/f", &file()).unwrap();
        tree.other(b"l", &symlink(b"../outside")).unwrap();
    });
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (at % 8);
        let _ = vigie_archive::survey(&bad[..]);
        if bytes[at] == 0 || at % 4 != 0 {
            continue;
        }
        fs::create_dir(&base).unwrap();
        let _ = quietly(&bad, &base.join("target"), &Options { threads: 0, ..Options::default() });
        assert!(fs::read_dir(&base).unwrap().count() <= 1, "byte {at}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "byte {at}");
        fs::remove_dir_all(&base).unwrap();
    }
}

#[test]
fn an_owner_that_nobody_can_be_is_told_and_lends_no_rights() {
    let dir = scratch();
    let mut forged = Forged::new();
    let own = |id: u32| u64::from(id);
    let (uid, gid) = (own(rustix::process::geteuid().as_raw()), own(rustix::process::getegid().as_raw()));
    for (name, keyword) in [(&b"./user"[..], &b"uid"[..]), (b"./group", b"gid")] {
        let mut extended = Vec::new();
        push_record(&mut extended, keyword, u32::MAX.to_string().as_bytes());
        forged.put(Header { name: b"x".to_vec(), kind: kind::PAX, ..Header::default() }, &extended);
        let (name, kind, mode) = (name.to_vec(), kind::FILE, 0o6755);
        forged.put(Header { name, kind, mode, uid, gid, ..Header::default() }, b"x");
        forged.counts.entries += 1;
        forged.counts.bytes += 1;
    }
    let target = dir.path().join("t");
    let summary = quietly(&forged.finish(), &target, &Options::default()).unwrap();
    for name in ["user", "group"] {
        assert!(problems(&summary).contains(&(name.to_owned(), Act::Owner)), "{name}: {summary:?}");
    }
    assert_eq!(
        look(&target.join("user")).mode & 0o4000,
        0,
        "it would lend the rights of whoever restored it"
    );
    assert_eq!(look(&target.join("group")).mode & 0o2000, 0);
}
