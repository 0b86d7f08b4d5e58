//! The edges of one directory, sorted by name: a list of short sorted lists, so that an insertion into a
//! directory of a million names moves a few hundred numbers. No names are kept here: who calls compares.

use std::cmp::Ordering;

/// Longest short list. Four bytes each: two kilobytes are moved at the most.
const SHORT: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Children {
    lists: Vec<Vec<u32>>,
}

impl Children {
    /// Where an edge is, or where it belongs. `order` compares an edge's name with the name looked for.
    fn search(&self, order: &impl Fn(u32) -> Ordering) -> (usize, Result<usize, usize>) {
        let list = self.lists.partition_point(|l| l.last().is_some_and(|e| order(*e) == Ordering::Less));
        match self.lists.get(list) {
            Some(edges) => (list, edges.binary_search_by(|e| order(*e))),
            None => (list, Err(0)),
        }
    }

    pub(super) fn find(&self, order: impl Fn(u32) -> Ordering) -> Option<u32> {
        let (list, at) = self.search(&order);
        let at = at.ok()?;
        Some(self.lists[list][at])
    }

    /// Adds an edge whose name is not there yet.
    pub(super) fn insert(&mut self, edge: u32, order: impl Fn(u32) -> Ordering) {
        let (list, at) = self.search(&order);
        let (Ok(at) | Err(at)) = at;
        if list == self.lists.len() {
            match self.lists.last_mut() {
                Some(last) if last.len() < SHORT => last.push(edge),
                _ => self.lists.push(vec![edge]),
            }
            return;
        }
        let edges = &mut self.lists[list];
        edges.insert(at, edge);
        if edges.len() > SHORT {
            let upper = edges.split_off(SHORT / 2);
            self.lists.insert(list + 1, upper);
        }
    }

    pub(super) fn remove(&mut self, order: impl Fn(u32) -> Ordering) {
        let (list, at) = self.search(&order);
        if let Ok(at) = at {
            self.lists[list].remove(at);
            if self.lists[list].is_empty() {
                self.lists.remove(list);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        self.lists.iter().flatten().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_in_whatever_order_they_come() {
        let mut children = Children::default();
        let mut numbers: Vec<u32> =
            (0..5_000).map(|i: u32| i.wrapping_mul(2_654_435_761) % 100_003).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers.iter().rev().step_by(2).chain(numbers.iter().rev().skip(1).step_by(2)) {
            children.insert(*number, |e| e.cmp(number));
        }
        assert_eq!(children.iter().collect::<Vec<_>>(), numbers);
        for number in &numbers {
            assert_eq!(children.find(|e| e.cmp(number)), Some(*number));
            children.remove(|e| e.cmp(number));
            assert_eq!(children.find(|e| e.cmp(number)), None);
        }
        assert!(children.is_empty());
    }
}
