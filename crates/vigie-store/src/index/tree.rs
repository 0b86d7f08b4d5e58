//! The tree at an instant: one seek for a name, one walk for a directory, whatever was renamed above them.

use super::apply::from_cbor;
use super::keys::{self, CONTENT, EdgeRow, Key, META, NAME, NameRow, UNSEEN, split_node, split_seq};
use super::{Index, Ordinal};
use crate::error::KvError;
use crate::kv::{Order, Table};
use crate::limits::DEPTH_MAX;
use crate::types::NodeVersion;
use std::collections::HashSet;
use std::ops::ControlFlow;
use vigie_model::{BytePath, Content, EdgeName, MachineId, Metadata, NodeId, NodeState, Seq};

/// Rows of one name that are walked before the next name is sought: a seek costs about as much.
const WALK_ROWS: usize = 16;

/// A record's number and its row.
type NodeRow = (Seq, Vec<u8>);

/// Finds, among the rows of one name from the newest to the oldest, where it leads.
#[derive(Debug, Default)]
struct Leads {
    left: Vec<NodeId>,
    /// Where it leads; `Some(None)` when it is known to lead nowhere.
    found: Option<Option<NodeId>>,
}

impl Leads {
    fn row(&mut self, row: EdgeRow) {
        match row {
            _ if self.found.is_some() => {}
            EdgeRow::Left(node) => self.left.push(node),
            EdgeRow::Leads(node) => self.found = Some((!self.left.contains(&node)).then_some(node)),
        }
    }
}

impl Index {
    /// Where a name of a directory leads.
    pub(super) fn edge(
        &self,
        ordinal: Ordinal,
        parent: NodeId,
        name: &[u8],
        at: Seq,
    ) -> Result<Option<NodeId>, KvError> {
        let key = Key::edge(ordinal, parent, name);
        let mut leads = Leads::default();
        let mut bad = None;
        let from = key.clone().seq_down(at).done();
        self.kv()?.range(Table::Edges, &from, &key.high(), Order::Ascending, &mut |_, row| {
            match EdgeRow::decode(row) {
                Ok(row) => leads.row(row),
                Err(e) => bad = Some(e),
            }
            if leads.found.is_some() || bad.is_some() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        bad.map_or(Ok(leads.found.flatten()), Err)
    }

    /// Entries of a directory, sorted by the bytes of their names, after the name `after`.
    pub(crate) fn children(
        &self,
        machine: MachineId,
        dir: NodeId,
        at: Seq,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(EdgeName, NodeId)>, KvError> {
        let Some(ordinal) = self.ordinal(machine)? else { return Ok(Vec::new()) };
        let prefix = Key::machine(ordinal).bytes(&dir.0);
        let high = prefix.high();
        let mut walk = Walk { prefix: prefix.low().len(), at, limit, ..Walk::default() };
        let mut from = match after {
            Some(name) => Key::edge(ordinal, dir, name).high(),
            None => prefix.low(),
        };
        while walk.out.len() < limit {
            walk.seek = false;
            self.kv()?
                .range(Table::Edges, &from, &high, Order::Ascending, &mut |key, row| walk.row(key, row))?;
            if !walk.seek {
                walk.end_name();
                break;
            }
            let edge = Key::edge(ordinal, dir, &walk.name);
            if walk.leads.found.is_some() {
                from = edge.high();
                walk.end_name();
            } else {
                from = edge.seq_down(at).done();
                walk.rows = 0;
            }
        }
        if walk.bad {
            return Err(keys::BAD_EDGE);
        }
        let entry = |(name, node): (Vec<u8>, NodeId)| Ok((edge_name(&name)?, node));
        walk.out.into_iter().map(entry).collect()
    }

    /// The roots of a machine.
    pub(crate) fn roots(&self, machine: MachineId, at: Seq) -> Result<Vec<(BytePath, NodeId)>, KvError> {
        let edges = self.children(machine, NodeId::ROOTS, at, None, usize::MAX)?;
        let root = |(name, node)| match name {
            EdgeName::Root(path) => Some((path, node)),
            EdgeName::Entry(_) => None,
        };
        Ok(edges.into_iter().filter_map(root).collect())
    }

    /// What a path leads to: the longest root that holds it, and from there name by name.
    pub(crate) fn lookup(
        &self,
        machine: MachineId,
        path: &BytePath,
        at: Seq,
    ) -> Result<Option<NodeId>, KvError> {
        let Some(ordinal) = self.ordinal(machine)? else { return Ok(None) };
        let mut roots = self.roots(machine, at)?;
        roots.sort_by_key(|(root, _)| std::cmp::Reverse(root.as_bytes().len()));
        for (root, node) in roots {
            let Some(rest) = path.below(&root) else { continue };
            let mut node = Some(node);
            for name in rest.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
                let Some(dir) = node else { break };
                node = self.edge(ordinal, dir, name, at)?;
            }
            return Ok(node);
        }
        Ok(None)
    }

    /// The nodes on the way to a path: the outermost root that holds it, and from there name by name, as far as
    /// they lead.
    pub(crate) fn way(
        &self,
        machine: MachineId,
        path: &BytePath,
        at: Seq,
    ) -> Result<Option<(BytePath, Vec<NodeId>)>, KvError> {
        let Some(ordinal) = self.ordinal(machine)? else { return Ok(None) };
        let holding = self.roots(machine, at)?.into_iter().filter(|(root, _)| path.below(root).is_some());
        let Some((root, node)) = holding.min_by_key(|(root, _)| root.as_bytes().len()) else {
            return Ok(None);
        };
        let mut nodes = vec![node];
        let rest = path.below(&root).unwrap_or_default();
        let mut dir = node;
        for name in rest.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
            let Some(node) = self.edge(ordinal, dir, name, at)? else { break };
            nodes.push(node);
            dir = node;
        }
        Ok(Some((root, nodes)))
    }

    /// The state of a node: its newest metadata, its newest content, and which of the two came last.
    pub(crate) fn node(
        &self,
        machine: MachineId,
        node: NodeId,
        at: Seq,
    ) -> Result<Option<NodeVersion>, KvError> {
        let Some(ordinal) = self.ordinal(machine)? else { return Ok(None) };
        self.newest_rows(ordinal, node, at)?.version()
    }

    /// The states of many nodes, sorted by their ids: a walk over their rows costs a fraction of as many seeks.
    pub(crate) fn nodes(
        &self,
        machine: MachineId,
        nodes: &[NodeId],
        at: Seq,
    ) -> Result<Vec<Option<NodeVersion>>, KvError> {
        debug_assert!(nodes.is_sorted(), "rows are walked in the order of the ids");
        let Some(ordinal) = self.ordinal(machine)? else { return Ok(vec![None; nodes.len()]) };
        let high = Key::machine(ordinal).high();
        let mut walk = NodesWalk::new(nodes, at);
        while let Some(next) = walk.next() {
            let from = Key::node(ordinal, next, META).low();
            self.kv()?
                .range(Table::Nodes, &from, &high, Order::Ascending, &mut |key, row| walk.row(key, row))?;
            if let Some(failed) = walk.failed.take() {
                return Err(failed);
            }
            match walk.next() {
                // Many versions, or many rows of nodes that nobody asks for: the next seek goes past them.
                Some(node) if walk.walked > WALK_ROWS => walk.out.push(self.node(machine, node, at)?),
                Some(_) if !walk.stopped => {
                    walk.end_node()?;
                    walk.out.resize(nodes.len(), None);
                }
                _ => {}
            }
            walk.begin();
        }
        Ok(walk.out)
    }

    /// The newest rows of a node. They lie close together: one walk finds all, but for nodes of many versions.
    fn newest_rows(&self, ordinal: Ordinal, node: NodeId, at: Seq) -> Result<Newest, KvError> {
        let from = Key::node(ordinal, node, META).seq_down(at).done();
        let to = Key::node(ordinal, node, UNSEEN).high();
        let (mut newest, mut walked, mut bad) = (Newest::default(), 0, None);
        self.kv()?.range(Table::Nodes, &from, &to, Order::Ascending, &mut |key, row| {
            walked += 1;
            bad = newest.take(key, row, at).err();
            if walked > WALK_ROWS || bad.is_some() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        match bad {
            Some(bad) => Err(bad),
            None if walked > WALK_ROWS => self.sought_rows(ordinal, node, at),
            None => Ok(newest),
        }
    }

    /// The same, with a seek for each kind of row.
    fn sought_rows(&self, ordinal: Ordinal, node: NodeId, at: Seq) -> Result<Newest, KvError> {
        let (mut newest, mut bad) = (Newest::default(), None);
        for what in [META, CONTENT, NAME, UNSEEN] {
            let key = Key::node(ordinal, node, what);
            let from = key.clone().seq_down(at).done();
            self.kv()?.range(Table::Nodes, &from, &key.high(), Order::Ascending, &mut |key, row| {
                bad = newest.take(key, row, at).err();
                // Names without metadata are walked over: a rename writes one.
                let found = what != NAME || newest.named.is_some();
                if found || bad.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
        bad.map_or(Ok(newest), Err)
    }

    /// Names that lead to a node, the newest first.
    pub(crate) fn names(
        &self,
        machine: MachineId,
        node: NodeId,
        at: Seq,
    ) -> Result<Vec<(NodeId, EdgeName)>, KvError> {
        let Some(ordinal) = self.ordinal(machine)? else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for (parent, name) in self.all_names(ordinal, node, at)? {
            if self.edge(ordinal, parent, &name, at)? == Some(node) {
                names.push((parent, edge_name(&name)?));
            }
        }
        Ok(names)
    }

    /// The records that gave a node a name, the newest first.
    pub(crate) fn named_at(&self, machine: MachineId, node: NodeId) -> Result<Vec<Seq>, KvError> {
        let Some(ordinal) = self.ordinal(machine)? else { return Ok(Vec::new()) };
        let key = Key::node(ordinal, node, NAME);
        let mut seqs = Vec::new();
        self.kv()?.range(Table::Nodes, &key.low(), &key.high(), Order::Ascending, &mut |key, _| {
            seqs.extend(split_seq(key).map(|(_, seq)| seq));
            ControlFlow::Continue(())
        })?;
        Ok(seqs)
    }

    /// Every name that a node ever got, the newest first, each once.
    pub(super) fn all_names(
        &self,
        ordinal: Ordinal,
        node: NodeId,
        at: Seq,
    ) -> Result<Vec<(NodeId, Vec<u8>)>, KvError> {
        let key = Key::node(ordinal, node, NAME);
        let (mut names, mut seen, mut bad) = (Vec::new(), HashSet::new(), None);
        let from = key.clone().seq_down(at).done();
        self.kv()?.range(Table::Nodes, &from, &key.high(), Order::Ascending, &mut |_, row| {
            match NameRow::decode(row) {
                Ok(NameRow { parent, name, .. }) if seen.insert((parent, name.to_vec())) => {
                    names.push((parent, name.to_vec()));
                }
                Ok(_) => {}
                Err(why) => bad = Some(why),
            }
            ControlFlow::Continue(())
        })?;
        bad.map_or(Ok(names), Err)
    }

    /// A path that leads to a node, by its newest names. `None` when no chain of names reaches a root.
    pub(crate) fn path_of(
        &self,
        machine: MachineId,
        node: NodeId,
        at: Seq,
    ) -> Result<Option<Vec<u8>>, KvError> {
        // (directory, the part of the path below it), the newest name last.
        let mut open = vec![(node, Vec::new())];
        for _ in 0..DEPTH_MAX {
            let Some((node, below)) = open.pop() else { break };
            for (parent, name) in self.names(machine, node, at)?.into_iter().rev() {
                let path = join(name.as_bytes(), &below);
                if parent == NodeId::ROOTS {
                    return Ok(Some(path));
                }
                open.push((parent, path));
            }
        }
        Ok(None)
    }
}

/// The newest rows of one node, which tell its state.
#[derive(Debug, Default)]
struct Newest {
    meta: Option<NodeRow>,
    content: Option<NodeRow>,
    /// Metadata that was told with a name.
    named: Option<NodeRow>,
    /// Whether it is unseen.
    unseen: Option<NodeRow>,
}

impl Newest {
    /// Takes the next row; those of a kind come from the newest to the oldest.
    fn take(&mut self, key: &[u8], row: &[u8], at: Seq) -> Result<(), KvError> {
        let (_, what, seq) = split_node(key).ok_or(keys::BAD_NODE)?;
        let (place, row) = match what {
            _ if seq > at => return Ok(()),
            META => (&mut self.meta, row),
            CONTENT => (&mut self.content, row),
            NAME => (&mut self.named, NameRow::decode(row)?.meta),
            UNSEEN => (&mut self.unseen, row),
            _ => return Err(keys::BAD_NODE),
        };
        if place.is_none() && !row.is_empty() {
            *place = Some((seq, row.to_vec()));
        }
        Ok(())
    }

    /// Whether a directory is unseen: one that is created anew begins seen.
    fn is_unseen(&self) -> bool {
        let created = self.named.as_ref().map_or(Seq(0), |(seq, _)| *seq);
        self.unseen.as_ref().is_some_and(|(seq, row)| *seq > created && *row == [1])
    }

    fn version(self) -> Result<Option<NodeVersion>, KvError> {
        let unseen = self.is_unseen();
        let Some((meta_seq, row)) = self.meta.max(self.named) else { return Ok(None) };
        let (mut meta, mut pending): (Metadata, bool) = from_cbor(&row)?;
        pending |= unseen;
        let Some((content_seq, row)) = self.content else {
            let state = NodeState { meta, content: None, pending };
            return Ok(Some(NodeVersion { state, seq: meta_seq, content_seq: None }));
        };
        let content: Content = from_cbor(&row)?;
        if content_seq > meta_seq {
            pending = content.pending;
            if content.ctime >= meta.ctime {
                (meta.mtime, meta.ctime) = (content.mtime, content.ctime);
                (meta.mode, meta.size) = (content.mode, content.size);
            }
        }
        let state = NodeState { meta, content: Some(content), pending };
        let seq = meta_seq.max(content_seq);
        Ok(Some(NodeVersion { state, seq, content_seq: Some(content_seq) }))
    }
}

fn join(name: &[u8], below: &[u8]) -> Vec<u8> {
    match (name, below) {
        (_, []) => name.to_vec(),
        (b"/", _) => [b"/", below].concat(),
        _ => [name, b"/", below].concat(),
    }
}

fn edge_name(name: &[u8]) -> Result<EdgeName, KvError> {
    EdgeName::from_bytes(name).map_err(|_| keys::BAD_EDGE)
}

/// A walk over the rows of many nodes.
struct NodesWalk<'a> {
    wanted: &'a [NodeId],
    at: Seq,
    /// States of the first of the wanted nodes.
    out: Vec<Option<NodeVersion>>,
    newest: Newest,
    /// Rows since the last state was known.
    walked: usize,
    /// It did not come to the end of the rows.
    stopped: bool,
    failed: Option<KvError>,
}

impl<'a> NodesWalk<'a> {
    fn new(wanted: &'a [NodeId], at: Seq) -> Self {
        let out = Vec::with_capacity(wanted.len());
        NodesWalk { wanted, at, out, newest: Newest::default(), walked: 0, stopped: false, failed: None }
    }

    fn begin(&mut self) {
        (self.newest, self.walked, self.stopped) = (Newest::default(), 0, false);
    }

    /// The node whose rows are due.
    fn next(&self) -> Option<NodeId> {
        self.wanted.get(self.out.len()).copied()
    }

    fn end_node(&mut self) -> Result<(), KvError> {
        self.walked = 0;
        self.out.push(std::mem::take(&mut self.newest).version()?);
        Ok(())
    }

    fn row(&mut self, key: &[u8], row: &[u8]) -> ControlFlow<()> {
        let flow = self.try_row(key, row).unwrap_or_else(|failed| {
            self.failed = Some(failed);
            ControlFlow::Break(())
        });
        self.stopped = flow.is_break();
        flow
    }

    fn try_row(&mut self, key: &[u8], row: &[u8]) -> Result<ControlFlow<()>, KvError> {
        let (node, ..) = split_node(key).ok_or(keys::BAD_NODE)?;
        while self.next().is_some_and(|next| next < node) {
            self.end_node()?;
        }
        let Some(next) = self.next() else { return Ok(ControlFlow::Break(())) };
        self.walked += 1;
        if self.walked > WALK_ROWS {
            return Ok(ControlFlow::Break(()));
        }
        if node == next {
            self.newest.take(key, row, self.at)?;
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// A walk over the rows of a directory.
#[derive(Debug, Default)]
struct Walk {
    prefix: usize,
    at: Seq,
    limit: usize,
    /// The name whose rows are being seen.
    name: Vec<u8>,
    leads: Leads,
    rows: usize,
    /// It stopped within a name, to go on at the next.
    seek: bool,
    bad: bool,
    out: Vec<(Vec<u8>, NodeId)>,
}

impl Walk {
    fn row(&mut self, key: &[u8], row: &[u8]) -> ControlFlow<()> {
        let parts =
            split_seq(key).and_then(|(rest, seq)| Some((rest.get(self.prefix..)?.strip_suffix(&[0])?, seq)));
        let (Some((name, seq)), Ok(row)) = (parts, EdgeRow::decode(row)) else {
            self.bad = true;
            return ControlFlow::Break(());
        };
        if name != self.name {
            self.end_name();
            if self.out.len() >= self.limit {
                return ControlFlow::Break(());
            }
            self.name = name.to_vec();
        }
        let is_past = seq <= self.at;
        if is_past {
            self.leads.row(row);
        }
        self.rows += 1;
        if self.rows > WALK_ROWS && (self.leads.found.is_some() || !is_past) {
            self.seek = true;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn end_name(&mut self) {
        self.rows = 0;
        if let Some(node) = std::mem::take(&mut self.leads).found.flatten() {
            self.out.push((std::mem::take(&mut self.name), node));
        }
        self.name.clear();
    }
}
