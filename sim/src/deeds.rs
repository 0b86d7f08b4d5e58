//! What happens to files: one random change after the other, as people and programs make them.

use crate::dice::Dice;
use crate::judge::{Model, is_below_closed};
use vigie_watch::fakes::FakeFs;

/// Where everything happens.
pub(crate) const ROOT: &[u8] = b"/srv";
/// A place that is not watched, to move things out to and in from.
const OUTSIDE: &[u8] = b"/outside";

/// Makes the two places.
pub(crate) fn found(fs: &FakeFs) -> std::io::Result<()> {
    fs.mkdir_all(ROOT)?;
    fs.mkdir_all(OUTSIDE)
}

/// Kinds of deeds; links come last.
const KINDS: usize = 24;

/// Does one thing. Some of them fail, as they do in life; the file system decides.
pub(crate) fn one(fs: &FakeFs, dice: &mut Dice) -> String {
    let kind = dice.below(KINDS);
    deed(fs, dice, kind)
}

/// Does one thing that makes no second name.
pub(crate) fn any_but_link(fs: &FakeFs, dice: &mut Dice) -> String {
    let kind = dice.below(KINDS - 1);
    deed(fs, dice, kind)
}

fn deed(fs: &FakeFs, dice: &mut Dice, kind: usize) -> String {
    let model = fs.snapshot(ROOT);
    let inside: Vec<Vec<u8>> = model.keys().map(|below| absolute(below)).collect();
    let (some, other) = (path(dice, &inside), path(dice, &inside));
    let new = fresh(dice, &inside);
    let changed = match kind {
        0..=5 => Some(&new),
        6..=10 | 19..=21 => Some(&some),
        _ => None,
    };
    if let Some(path) = changed.filter(|path| is_changed_unseen(&model, path)) {
        return format!("nothing to {}, of which no event would tell", String::from_utf8_lossy(path));
    }
    let (word, done) = match kind {
        0..=5 => ("write", fs.write(&new, &bytes(dice))),
        6..=8 => ("rewrite", fs.write(&some, &bytes(dice))),
        9 => ("append", fs.append(&some, &bytes(dice))),
        10 => ("truncate", fs.truncate(&some, dice.below(100) as u64)),
        11..=12 => ("mkdir", fs.mkdir(&new)),
        13 => ("unlink", fs.unlink(&some)),
        14 => ("remove_all", if some == ROOT { Ok(()) } else { fs.remove_all(&some) }),
        15..=16 => ("rename", if some == ROOT { Ok(()) } else { fs.rename(&some, &new) }),
        17 => ("rename over", if some == ROOT || other == ROOT { Ok(()) } else { fs.rename(&some, &other) }),
        18 => ("exchange", if some == ROOT || other == ROOT { Ok(()) } else { fs.exchange(&some, &other) }),
        19 => match dice.below(3) {
            0 => ("symlink", fs.symlink(b"../somewhere", &new)),
            1 => ("mkfifo", fs.mkfifo(&new)),
            _ => ("setxattr", fs.setxattr(&some, b"user.mood", &[dice.below(256) as u8])),
        },
        20 if some != ROOT && dice.percent(30) => {
            ("close", fs.chmod(&some, 0o200 + dice.below(0o200) as u32))
        }
        20 => ("chmod", fs.chmod(&some, 0o600 + dice.below(0o200) as u32)),
        21 => ("chown", fs.chown(&some, dice.below(3) as u32, dice.below(3) as u32)),
        22 => across(fs, dice, &some, &new),
        _ => ("link", fs.link(&some, &new)),
    };
    let outcome = done.map_or_else(|e| format!(" ({:?})", e.kind()), |()| String::new());
    format!("{word} {} {}{outcome}", String::from_utf8_lossy(&some), String::from_utf8_lossy(&new))
}

/// Moves something out of the watched place, or into it.
fn across(fs: &FakeFs, dice: &mut Dice, some: &[u8], new: &[u8]) -> (&'static str, std::io::Result<()>) {
    let mut out = OUTSIDE.to_vec();
    out.extend_from_slice(format!("/{}", dice.below(4)).as_bytes());
    if dice.percent(50) && some != ROOT {
        ("move out", fs.rename(some, &out))
    } else {
        ("move in", fs.rename(&out, new))
    }
}

fn absolute(below: &[u8]) -> Vec<u8> {
    if below.is_empty() { ROOT.to_vec() } else { [ROOT, b"/", below].concat() }
}

/// Whether this is one of several names of an object, below a directory that cannot be listed and therefore not be
/// watched: inotify says nothing of what is changed through it, and the other names still show what was.
fn is_changed_unseen(model: &Model, path: &[u8]) -> bool {
    let below = path.strip_prefix(ROOT).and_then(|path| path.strip_prefix(b"/")).unwrap_or_default();
    let Some(node) = model.get(below).filter(|_| is_below_closed(model, below)) else { return false };
    model.values().filter(|other| other.ino == node.ino).count() > 1
}

fn path(dice: &mut Dice, paths: &[Vec<u8>]) -> Vec<u8> {
    dice.pick(paths).cloned().unwrap_or_else(|| ROOT.to_vec())
}

/// A name that may be new, below something that may be a directory. Few names, so that they meet again.
fn fresh(dice: &mut Dice, paths: &[Vec<u8>]) -> Vec<u8> {
    const NAMES: [&[u8]; 8] = [b"a", b"b", b"c", b"new", b".tmp~", b"\xff\xfe", b"with space", b"e\xcc\x81"];
    let name = NAMES[dice.below(NAMES.len())];
    [&path(dice, paths)[..], b"/", name].concat()
}

/// Mostly small; now and then large enough for a list of chunks.
fn bytes(dice: &mut Dice) -> Vec<u8> {
    let len = match dice.below(40) {
        0 => 0,
        1 => 300_000 + dice.below(700_000),
        2..=5 => dice.below(60_000),
        _ => dice.below(400),
    };
    let mut filler = Dice::new(dice.below(1000) as u64);
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        out.extend_from_slice(&filler.roll().to_le_bytes());
    }
    out.truncate(len);
    out
}
