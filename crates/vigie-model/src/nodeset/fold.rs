//! Names to the shortest text.

use super::NodeSetError;
use super::parse::{DIGITS_MAX, number};
use std::collections::{BTreeMap, BTreeSet};

/// Folds names into the text of a [`NodeSet`](super::NodeSet): names that differ in numbers only become one pattern,
/// in as many dimensions as they have. Order and repetition of the names do not matter; nothing gives `""`. Constant
/// numbers stay outside of brackets, and steps are not looked for, as in ClusterShell.
///
/// # Errors
///
/// If a name has a character of the notation in it, and so could not be read back.
pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<String, NodeSetError> {
    let mut groups: BTreeMap<Vec<&str>, Vec<Block>> = BTreeMap::new();
    for name in names.into_iter().collect::<BTreeSet<_>>() {
        if name.is_empty() || name.contains(['[', ']', ',']) || name.contains(char::is_whitespace) {
            return Err(NodeSetError::NotAName(name.to_owned()));
        }
        let (texts, numbers) = split(name);
        groups.entry(texts).or_default().push(numbers.into_iter().map(|n| BTreeSet::from([n])).collect());
    }
    let mut folded = Vec::new();
    for (texts, blocks) in groups {
        folded.extend(merge(blocks).iter().map(|block| text_of(&texts, block)));
    }
    Ok(folded.join(","))
}

/// A number with its digits, ordered by their count first: so unpadded ones are in natural order, and padded ones
/// stay together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Numeral {
    digits: usize,
    value: u64,
}

/// Numbers for each bracket; it stands for every combination.
type Block = Vec<BTreeSet<Numeral>>;

/// A name as texts with numbers between them: one text more than numbers.
fn split(name: &str) -> (Vec<&str>, Vec<Numeral>) {
    let (mut texts, mut numbers) = (Vec::new(), Vec::new());
    let (mut text_from, mut at) = (0, 0);
    while at < name.len() {
        let tail = &name[at..];
        let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
        let value = if digits <= DIGITS_MAX { number(&tail[..digits]) } else { None };
        if let Some(value) = value {
            texts.push(&name[text_from..at]);
            numbers.push(Numeral { digits, value });
            text_from = at + digits;
        }
        at += digits.max(tail.chars().next().map_or(1, char::len_utf8));
    }
    texts.push(&name[text_from..]);
    (texts, numbers)
}

/// Merges blocks that differ in one bracket only, as long as there are any. Both directions are tried, since the
/// first one chosen may hide a better one; the best cover would be costly to find. Numbers that are the same in all
/// blocks are put aside, as names of many numbers mostly have such.
fn merge(blocks: Vec<Block>) -> Vec<Block> {
    let Some(first) = blocks.first().cloned() else { return blocks };
    let is_constant = |dimension: &usize| blocks.iter().all(|block| block[*dimension] == first[*dimension]);
    let varying: Vec<usize> = (0..first.len()).filter(|dimension| !is_constant(dimension)).collect();
    let reduced: Vec<Block> = blocks
        .into_iter()
        .map(|mut block| varying.iter().map(|at| std::mem::take(&mut block[*at])).collect())
        .collect();
    let forward = merge_in_order(reduced.clone(), 0..varying.len());
    let backward = merge_in_order(reduced, (0..varying.len()).rev());
    let shorter = if forward.len() < backward.len() { forward } else { backward };
    let whole = |block: Block| {
        let mut whole = first.clone();
        for (at, numbers) in varying.iter().zip(block) {
            whole[*at] = numbers;
        }
        whole
    };
    shorter.into_iter().map(whole).collect()
}

fn merge_in_order(mut blocks: Vec<Block>, order: impl Iterator<Item = usize> + Clone) -> Vec<Block> {
    loop {
        let before = blocks.len();
        for dimension in order.clone() {
            let mut by_others: BTreeMap<Block, BTreeSet<Numeral>> = BTreeMap::new();
            for mut block in blocks {
                let numbers = std::mem::take(&mut block[dimension]);
                by_others.entry(block).or_default().extend(numbers);
            }
            let whole = |(mut block, numbers): (Block, _)| {
                block[dimension] = numbers;
                block
            };
            blocks = by_others.into_iter().map(whole).collect();
        }
        if blocks.len() == before {
            blocks.sort();
            return blocks;
        }
    }
}

fn text_of(texts: &[&str], block: &Block) -> String {
    let mut out = String::new();
    for (i, text) in texts.iter().enumerate() {
        out.push_str(text);
        if let Some(numbers) = block.get(i) {
            let ranges = ranges(numbers);
            let is_one = numbers.len() == 1;
            out.push_str(&if is_one { ranges } else { format!("[{ranges}]") });
        }
    }
    out
}

/// `1-3,7,09-10`.
fn ranges(numbers: &BTreeSet<Numeral>) -> String {
    let mut runs: Vec<(Numeral, Numeral)> = Vec::new();
    for numeral in numbers {
        match runs.last_mut() {
            Some((first, last)) if follows(*first, *last, *numeral) => *last = *numeral,
            _ => runs.push((*numeral, *numeral)),
        }
    }
    let show = |Numeral { digits, value }: Numeral| format!("{value:0digits$}");
    let text = |(first, last): (Numeral, Numeral)| {
        if first == last { show(first) } else { format!("{}-{}", show(first), show(last)) }
    };
    runs.into_iter().map(text).collect::<Vec<_>>().join(",")
}

/// Whether `next` prolongs a run; a padded run keeps its number of digits.
fn follows(first: Numeral, last: Numeral, next: Numeral) -> bool {
    let is_padded = first.digits > 1 && first.value.to_string().len() < first.digits;
    let natural = next.value.to_string().len();
    let digits = if is_padded { first.digits } else { natural };
    last.value.checked_add(1) == Some(next.value) && next.digits == digits
}
