//! What happened to a path: every node that bore it, in order, and the whole life of the node that bears it
//! now. Editors and `sed -i` make a new node at each save, written under another name first, and `mv` carries a node
//! to another name; all of it belongs to what people call the history of a file.

use super::keys::{self, CONTENT, EdgeRow, Key, META, NAME, split_seq};
use super::{Index, Ordinal};
use crate::error::KvError;
use crate::kv::{Order, Table};
use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};
use vigie_model::{BytePath, MachineId, NodeId, Seq};

/// A node that bore a path, from one record until before another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bearer {
    node: NodeId,
    span: Range<u64>,
}

impl Index {
    /// Numbers of the records that concern a path, ascending.
    pub(crate) fn history(
        &self,
        machine: MachineId,
        path: &BytePath,
        tail: Seq,
    ) -> Result<Vec<Seq>, KvError> {
        let Some(ordinal) = self.ordinal(machine)? else { return Ok(Vec::new()) };
        let mut seqs = BTreeSet::new();
        for root in self.roots_ever(ordinal)? {
            let Some(rest) = path.below(&root) else { continue };
            let always = 0..tail.0.saturating_add(1);
            let mut bearers = self.bearers(ordinal, NodeId::ROOTS, root.as_bytes(), &always, &mut seqs)?;
            for name in rest.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
                seqs.clear();
                let mut below = Vec::new();
                for Bearer { node, span } in &bearers {
                    below.extend(self.bearers(ordinal, *node, name, span, &mut seqs)?);
                }
                bearers = below;
            }
            for Bearer { node, span } in &bearers {
                self.node_rows(ordinal, *node, span, &[META, CONTENT], &mut seqs)?;
                seqs.extend(self.content_before(ordinal, *node, span.start)?);
            }
            // A root that lies in another is told by that root's records as well; one of them is enough.
            if !bearers.is_empty() {
                break;
            }
            seqs.clear();
        }
        if let Some(node) = self.lookup(machine, path, tail)? {
            self.node_rows(ordinal, node, &(0..tail.0.saturating_add(1)), &[META, CONTENT, NAME], &mut seqs)?;
        }
        Ok(seqs.into_iter().collect())
    }

    /// Every root there ever was, the longest first.
    fn roots_ever(&self, ordinal: Ordinal) -> Result<Vec<BytePath>, KvError> {
        let prefix = Key::machine(ordinal).bytes(&NodeId::ROOTS.0);
        let skip = prefix.low().len();
        let mut roots = BTreeSet::new();
        self.kv()?.range(Table::Edges, &prefix.low(), &prefix.high(), Order::Ascending, &mut |key, _| {
            let name = split_seq(key).and_then(|(rest, _)| rest.get(skip..)?.strip_suffix(&[0]));
            roots.extend(name.and_then(|name| BytePath::new(name).ok()));
            ControlFlow::Continue(())
        })?;
        let mut roots: Vec<_> = roots.into_iter().collect();
        roots.sort_by_key(|root| std::cmp::Reverse(root.as_bytes().len()));
        Ok(roots)
    }

    /// The nodes that bore a name within a span, and the records that gave or took it.
    fn bearers(
        &self,
        ordinal: Ordinal,
        parent: NodeId,
        name: &[u8],
        span: &Range<u64>,
        seqs: &mut BTreeSet<Seq>,
    ) -> Result<Vec<Bearer>, KvError> {
        let key = Key::edge(ordinal, parent, name);
        let mut rows = Vec::new();
        // Descending keys: the oldest record first.
        self.kv()?.range(Table::Edges, &key.low(), &key.high(), Order::Descending, &mut |key, row| {
            rows.push((split_seq(key).map(|(_, seq)| seq), EdgeRow::decode(row)));
            ControlFlow::Continue(())
        })?;
        let mut out: Vec<Bearer> = Vec::new();
        let mut now: Option<Bearer> = None;
        for (seq, row) in rows {
            let (seq, row) = (seq.ok_or(keys::BAD_EDGE)?, row?);
            let ends = match row {
                EdgeRow::Leads(_) => true,
                EdgeRow::Left(node) => now.as_ref().is_some_and(|bearer| bearer.node == node),
            };
            if !ends {
                continue;
            }
            if span.contains(&seq.0) {
                seqs.insert(seq);
            }
            out.extend(now.take().map(|bearer| Bearer { span: bearer.span.start..seq.0, ..bearer }));
            if let EdgeRow::Leads(node) = row {
                now = Some(Bearer { node, span: seq.0..span.end });
            }
        }
        out.extend(now);
        for bearer in &mut out {
            bearer.span = bearer.span.start.max(span.start)..bearer.span.end.min(span.end);
        }
        out.retain(|bearer| !bearer.span.is_empty());
        Ok(out)
    }

    /// The newest content of a node that is older than a record: what the node brings along when it gets a name.
    fn content_before(&self, ordinal: Ordinal, node: NodeId, seq: u64) -> Result<Option<Seq>, KvError> {
        let key = Key::node(ordinal, node, CONTENT);
        let Some(newest) = seq.checked_sub(1) else { return Ok(None) };
        let from = key.clone().seq_down(Seq(newest)).done();
        let row = self.kv()?.first(Table::Nodes, &from, &key.high(), Order::Ascending)?;
        Ok(row.and_then(|(key, _)| split_seq(&key).map(|(_, seq)| seq)))
    }

    fn node_rows(
        &self,
        ordinal: Ordinal,
        node: NodeId,
        span: &Range<u64>,
        whats: &[u8],
        seqs: &mut BTreeSet<Seq>,
    ) -> Result<(), KvError> {
        for what in whats {
            let key = Key::node(ordinal, node, *what);
            self.kv()?.range(Table::Nodes, &key.low(), &key.high(), Order::Ascending, &mut |key, _| {
                seqs.extend(split_seq(key).map(|(_, seq)| seq).filter(|seq| span.contains(&seq.0)));
                ControlFlow::Continue(())
            })?;
        }
        Ok(())
    }
}
