//! What follows from several answers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Two operators or more say this, and more than say anything else.
    Agreed(IpAddr),
    /// One operator says this, and nobody contradicts.
    Unconfirmed(IpAddr),
    /// They say different things.
    Disagree,
    /// Nobody says anything.
    Nothing,
}

impl Verdict {
    /// What follows from what each operator says. One that says two things stands behind both.
    pub fn of<'a>(said: impl IntoIterator<Item = (&'a str, IpAddr)>) -> Verdict {
        let mut behind: BTreeMap<IpAddr, BTreeSet<&str>> = BTreeMap::new();
        for (operator, address) in said {
            behind.entry(address).or_default().insert(operator);
        }
        let mut ranks: Vec<(usize, IpAddr)> = behind.iter().map(|(ip, who)| (who.len(), *ip)).collect();
        ranks.sort_by(|a, b| b.cmp(a));
        match ranks.as_slice() {
            [] => Verdict::Nothing,
            [(1, address)] => Verdict::Unconfirmed(*address),
            [(_, address)] => Verdict::Agreed(*address),
            [(first, address), (second, _), ..] if first > second && *first >= 2 => Verdict::Agreed(*address),
            _ => Verdict::Disagree,
        }
    }

    /// For scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Agreed(_) => "agreed",
            Verdict::Unconfirmed(_) => "unconfirmed",
            Verdict::Disagree => "disagree",
            Verdict::Nothing => "nothing",
        }
    }

    /// The address, if there is one.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Verdict::Agreed(address) | Verdict::Unconfirmed(address) => Some(address),
            Verdict::Disagree | Verdict::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_operators_have_to_agree() {
        let a: IpAddr = "9.9.9.9".parse().unwrap();
        let b: IpAddr = "8.8.8.8".parse().unwrap();
        assert_eq!(Verdict::of([]), Verdict::Nothing);
        assert_eq!(Verdict::of([("x", a)]), Verdict::Unconfirmed(a));
        assert_eq!(Verdict::of([("x", a), ("x", a)]), Verdict::Unconfirmed(a), "one operator, asked twice");
        assert_eq!(Verdict::of([("x", a), ("y", a)]), Verdict::Agreed(a));
        assert_eq!(Verdict::of([("x", a), ("y", b)]), Verdict::Disagree);
        assert_eq!(Verdict::of([("x", b), ("y", a), ("z", a)]), Verdict::Agreed(a));
        assert_eq!(Verdict::of([("x", b), ("w", b), ("y", a), ("z", a)]), Verdict::Disagree);
        assert_eq!(Verdict::of([("x", a), ("x", b)]), Verdict::Disagree);
    }
}
