//! What to look at, as users write it: names, addresses, CIDR blocks, octet ranges, node sets, lists of them.
//!
//! Nothing is expanded in memory: a /8 is two numbers, and [`TargetList::iter`] makes one address at a time. Names
//! are the exception: they are resolved before the first probe, so that nobody scans half of what was meant.
//!
//! In reading order: [`block`] addresses in a few bytes · [`spec`] one word of the user · [`list`] files of words ·
//! `zone` interfaces · [`resolve`] names to addresses · [`size`] what is too much to be meant.

pub mod block;
pub mod list;
pub mod resolve;
pub mod size;
pub mod spec;
mod zone;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::plan::{Scoped, Target, is_link_local};
use block::Block;
use resolve::{Resolved, Unresolved};
use spec::{Spec, TargetError};

/// What the user asked for, before names are resolved.
#[derive(Debug, Clone, Default)]
pub struct Request {
    specs: Vec<Spec>,
    excludes: Vec<Spec>,
    /// How many names both have.
    names: u64,
}

/// What is scanned, in the user's order; each address once.
#[derive(Debug, Default)]
pub struct TargetList {
    items: Vec<Item>,
    excludes: Excludes,
    /// Single addresses, with the first item that has them.
    singles: HashMap<Scoped, usize>,
    /// Items that are more than one address.
    wide: Vec<usize>,
    /// Other names of an address that is in the list already.
    aliases: HashMap<Scoped, Vec<Target>>,
}

#[derive(Debug)]
enum Item {
    Block(Block),
    Named(Target),
}

/// Addresses that must not be touched.
#[derive(Debug, Default)]
struct Excludes {
    singles: HashSet<Scoped>,
    blocks: Vec<Block>,
}

// === impl Request ===

impl Request {
    /// Adds what one word stands for.
    ///
    /// # Errors
    ///
    /// If it is neither an address nor a name in any notation.
    pub fn add(&mut self, word: &str) -> Result<(), TargetError> {
        let specs = self.parse(word)?;
        self.specs.extend(specs);
        Ok(())
    }

    /// Adds what must not be touched.
    ///
    /// # Errors
    ///
    /// As [`Request::add`].
    pub fn exclude(&mut self, word: &str) -> Result<(), TargetError> {
        let specs = self.parse(word)?;
        self.excludes.extend(specs);
        Ok(())
    }

    fn parse(&mut self, word: &str) -> Result<Vec<Spec>, TargetError> {
        let specs = spec::parse(word)?;
        self.names = specs.iter().fold(self.names, |sum, spec| sum.saturating_add(spec.names_count()));
        spec::check_names(self.names)?;
        Ok(specs)
    }

    /// Whether nothing was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.specs.is_empty()
    }

    /// How many addresses are asked for, a name counting as one.
    #[must_use]
    pub fn size(&self) -> u128 {
        self.specs.iter().fold(0, |sum: u128, spec| {
            sum.saturating_add(match spec {
                Spec::Block(block) => block.count(),
                Spec::Names(names) => names.count().into(),
            })
        })
    }

    /// The names to be resolved, those to scan and those to exclude, each once.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        let names = self.specs.iter().chain(&self.excludes).flat_map(Spec::names);
        names.filter(|name| seen.insert(name.clone())).collect()
    }

    /// The list, and the names that did not resolve.
    ///
    /// # Errors
    ///
    /// With the name, if one that is to be excluded did not resolve: it might be any of the others.
    pub fn resolved(self, names: &Resolved) -> Result<(TargetList, Vec<Unresolved>), Unresolved> {
        let mut list = TargetList::default();
        for spec in &self.excludes {
            if let Spec::Block(block) = spec {
                list.excludes.add(block.clone());
            }
            for name in spec.names() {
                list.excludes.singles.extend(names.of(&name)?);
            }
        }
        let mut failed = Vec::new();
        for spec in self.specs {
            for name in spec.names() {
                match names.of(&name) {
                    Ok(addresses) => list.push_name(name, addresses),
                    Err(unresolved) => failed.push(unresolved),
                }
            }
            if let Spec::Block(block) = spec {
                list.push_block(block);
            }
        }
        failed.sort_by(|a, b| a.name.cmp(&b.name));
        failed.dedup_by(|a, b| a.name == b.name);
        Ok((list, failed))
    }
}

// === impl TargetList ===

impl TargetList {
    fn push_block(&mut self, block: Block) {
        let index = self.items.len();
        if block.count() > 1 {
            self.wide.push(index);
            return self.items.push(Item::Block(block));
        }
        let target = target_of(&block, 0, &zone_of(&block));
        let first = *self.singles.entry(target.scoped()).or_insert(index);
        if first == index {
            self.items.push(Item::Block(block));
        } else if matches!(self.items[first], Item::Named(_)) {
            // Asked for by itself too, and so told under both.
            self.aliases.entry(target.scoped()).or_default().push(target);
        }
    }

    fn push_name(&mut self, name: String, addresses: &[Scoped]) {
        let Some(((address, scope), others)) = addresses.split_first() else { return };
        let other_addresses = others.iter().map(|(address, _)| *address).collect();
        let target = Target { written: name, address: *address, scope: *scope, other_addresses };
        let index = self.items.len();
        if self.is_taken(target.scoped(), index) {
            // It may be left out: then its other names are, too.
            self.aliases.entry(target.scoped()).or_default().push(target);
        } else {
            self.singles.insert(target.scoped(), index);
            self.items.push(Item::Named(target));
        }
    }

    /// Whether an item before this one has the address.
    fn is_taken(&self, place: Scoped, index: usize) -> bool {
        let in_block = |item: &usize| match &self.items[*item] {
            Item::Block(block) => block.contains(place.0) && scope_in(block, place.0) == place.1,
            Item::Named(_) => false,
        };
        self.singles.get(&place).is_some_and(|first| *first < index)
            || self.wide.iter().take_while(|item| **item < index).any(in_block)
    }

    /// Every target, one at a time.
    pub fn iter(&self) -> impl Iterator<Item = Target> + '_ {
        let each = self.items.iter().enumerate().flat_map(|(index, item)| {
            let count = match item {
                Item::Block(block) => block.count(),
                Item::Named(_) => 1,
            };
            let zone = if let Item::Block(block) = item { zone_of(block) } else { String::new() };
            (0..count).map(move |n| match item {
                Item::Block(block) => (index, target_of(block, n, &zone)),
                Item::Named(target) => (index, target.clone()),
            })
        });
        each.filter(|(index, target)| {
            !self.excludes.contains(target.scoped()) && !self.is_taken(target.scoped(), *index)
        })
        .map(|(_, target)| target)
    }

    /// Other names that were asked for and have this address, which is probed once.
    #[must_use]
    pub fn aliases(&self, place: Scoped) -> &[Target] {
        self.aliases.get(&place).map(Vec::as_slice).unwrap_or_default()
    }

    /// How many targets there are: exact up to `exact_max`, beyond it at most so many.
    #[must_use]
    pub fn count(&self, exact_max: u128) -> u128 {
        let all = self.items.iter().fold(0u128, |sum, item| {
            sum.saturating_add(if let Item::Block(block) = item { block.count() } else { 1 })
        });
        if all <= exact_max { self.iter().count() as u128 } else { all }
    }
}

impl Excludes {
    fn add(&mut self, block: Block) {
        if block.count() == 1 {
            self.singles.insert((block.nth(0), scope_in(&block, block.nth(0))));
        } else {
            self.blocks.push(block);
        }
    }

    fn contains(&self, place: Scoped) -> bool {
        // A network that was written without an interface is left out on all of them.
        let is_there = |block: &Block| block.scope() == 0 || block.scope() == place.1;
        self.singles.contains(&place)
            || self.blocks.iter().any(|block| block.contains(place.0) && is_there(block))
    }
}

/// The interface that an address of a block is on, 0 for one that is not link-local.
fn scope_in(block: &Block, address: IpAddr) -> u32 {
    if is_link_local(address) { block.scope() } else { 0 }
}

/// `%eth0`, or nothing for a block without an interface.
fn zone_of(block: &Block) -> String {
    if block.scope() == 0 { String::new() } else { format!("%{}", zone::name(block.scope())) }
}

/// An address of a block, whose interface is written as `zone`.
fn target_of(block: &Block, index: u128, zone: &str) -> Target {
    let address = block.nth(index);
    match scope_in(block, address) {
        0 => Target::of(address),
        scope => Target { written: format!("{address}{zone}"), scope, ..Target::of(address) },
    }
}

#[cfg(test)]
mod tests;
