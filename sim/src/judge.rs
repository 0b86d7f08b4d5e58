//! "Restore equals the model": what the store gives back for an instant is what the file system held then.

use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, HashMap};
use vigie_model::{BytePath, EdgeName, MachineId, NodeId, NodeType, Seq};
use vigie_store::Store;
use vigie_watch::fakes::SnapshotNode;

/// A file system as it was.
pub(crate) type Model = BTreeMap<Vec<u8>, SnapshotNode>;

/// Compares the tree below a root, right after a record, with the model.
pub(crate) fn compare(
    store: &Store,
    machine: MachineId,
    root: &BytePath,
    at: Seq,
    model: &Model,
) -> Result<()> {
    let Some(top) = store.lookup(machine, root, at)? else { bail!("root {root} is unknown at #{at}") };
    let mut found = BTreeMap::new();
    walk(store, machine, top, Vec::new(), at, &mut found)?;
    for path in found.keys().filter(|path| !is_below_closed(model, path)) {
        ensure!(model.contains_key(path), "`{}` came back and was not there", path.escape_ascii());
    }
    let mut nodes: HashMap<u64, NodeId> = HashMap::new();
    let mut inodes: HashMap<NodeId, u64> = HashMap::new();
    for (path, was) in model.iter().filter(|(path, _)| !is_below_closed(model, path)) {
        let Some(node) = found.get(path) else { bail!("`{}` did not come back", path.escape_ascii()) };
        compare_node(store, machine, *node, at, was).with_context(|| format!("`{}`", path.escape_ascii()))?;
        let same_node = *nodes.entry(was.ino).or_insert(*node) == *node;
        let same_inode = *inodes.entry(*node).or_insert(was.ino) == was.ino;
        ensure!(same_node && same_inode, "`{}` is linked otherwise than it was", path.escape_ascii());
    }
    Ok(())
}

/// Whether it is a directory that cannot be listed.
fn is_closed(was: &SnapshotNode) -> bool {
    was.meta.node_type == NodeType::Directory && is_unreadable(was)
}

fn is_unreadable(was: &SnapshotNode) -> bool {
    was.meta.mode & 0o400 == 0
}

/// Whether something lies below a directory that cannot be listed: of that, only what was known last comes back.
pub(crate) fn is_below_closed(model: &Model, path: &[u8]) -> bool {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    slashes.into_iter().any(|at| model.get(&path[..at]).is_some_and(is_closed))
}

fn walk(
    store: &Store,
    machine: MachineId,
    dir: NodeId,
    path: Vec<u8>,
    at: Seq,
    found: &mut BTreeMap<Vec<u8>, NodeId>,
) -> Result<()> {
    found.insert(path.clone(), dir);
    for (name, child) in store.children(machine, dir, at, None, usize::MAX)? {
        let EdgeName::Entry(name) = name else { bail!("a root among the entries of a directory") };
        let mut below = path.clone();
        if !below.is_empty() {
            below.push(b'/');
        }
        below.extend_from_slice(name.as_bytes());
        ensure!(below.len() < 10_000, "a directory leads to itself");
        walk(store, machine, child, below, at, found)?;
    }
    Ok(())
}

fn compare_node(store: &Store, machine: MachineId, node: NodeId, at: Seq, was: &SnapshotNode) -> Result<()> {
    let Some(version) = store.node(machine, node, at)? else { bail!("its node has no state") };
    let state = version.state;
    if is_closed(was) {
        ensure!(state.pending, "it cannot be listed, and looks as if it were seen whole");
        ensure!(state.meta.mode == was.meta.mode, "its mode is {:o}", state.meta.mode);
        return Ok(());
    }
    if state.pending && was.content.is_some() && is_unreadable(was) {
        return Ok(());
    }
    ensure!(!state.pending, "its content is still pending, or it is unseen");
    // The size of anything but a file or a symlink says nothing, and a `ctime` cannot be given back: a change
    // of it alone, as renaming makes, is not recorded.
    let (mut is, mut should) = (state.meta.clone(), was.meta.clone());
    should.ctime = is.ctime;
    if was.content.is_none() {
        (is.size, should.size) = (0, 0);
    }
    ensure!(is == should, "it is {is:?}, and was {should:?}");
    let Some(bytes) = &was.content else { return Ok(()) };
    let Some(content) = &state.content else { bail!("it has no content") };
    ensure!(!content.torn, "its content is torn, though nobody wrote while it was read");
    let mut back = Vec::new();
    for piece in store.content(content) {
        back.extend_from_slice(&piece?);
    }
    ensure!(
        back == **bytes,
        "its content is {} bytes, and was {} bytes, or differs",
        back.len(),
        bytes.len()
    );
    Ok(())
}
