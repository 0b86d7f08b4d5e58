use super::{NodeSet, NodeSetError, fold};
use std::collections::BTreeSet;

fn expand(text: &str) -> Vec<String> {
    text.parse::<NodeSet>().unwrap_or_else(|e| panic!("{text}: {e}")).names().collect()
}

fn fold_all(names: &[String]) -> String {
    fold(names.iter().map(String::as_str)).unwrap()
}

#[test]
fn a_set_stands_for_its_names() {
    for (text, names) in [
        ("web1", &["web1"][..]),
        ("web[01-03]", &["web01", "web02", "web03"]),
        ("web[8-11]", &["web8", "web9", "web10", "web11"]),
        ("web[008-010]", &["web008", "web009", "web010"]),
        ("n[0-10/5]", &["n0", "n5", "n10"]),
        ("n[1,3,5-6]x", &["n1x", "n3x", "n5x", "n6x"]),
        ("r[1-2]n[08-09]", &["r1n08", "r1n09", "r2n08", "r2n09"]),
        ("10.0.[1-2].4", &["10.0.1.4", "10.0.2.4"]),
        ("a,b[1-2], c", &["a", "b1", "b2", "c"]),
        // Numbers of unlike length are unlike, and each name comes once.
        ("w[9,09,009]", &["w9", "w09", "w009"]),
        ("w[9-11,09-11]", &["w9", "w10", "w11", "w09"]),
        ("w[1-2],w2,w[2-3]", &["w1", "w2", "w3"]),
        ("[1-2][1-2]", &["11", "12", "21", "22"]),
        ("[1,11][1,11]", &["11", "111", "1111"]),
        ("w[00-02]", &["w00", "w01", "w02"]),
        ("é[1-2]", &["é1", "é2"]),
    ] {
        assert_eq!(expand(text), names, "{text}");
    }
}

#[test]
fn what_is_no_set_is_refused_with_its_reason() {
    let parse = |text: &str| text.parse::<NodeSet>().unwrap_err();
    for text in ["", " ", ",", "a,", ",a", "a,,b"] {
        assert!(matches!(parse(text), NodeSetError::Empty(_)), "{text:?}");
    }
    for text in ["w[1", "w1]", "w[[1]]", "w]1[", "w[1-2", "["] {
        assert!(matches!(parse(text), NodeSetError::Bracket(_)), "{text:?}");
    }
    for text in
        ["w[]", "w[a-b]", "w[1-]", "w[-3]", "w[1,]", "w[1-2/0]", "w[1-2/x]", "w[1--2]", "w[+1]", "w[²]"]
    {
        assert!(matches!(parse(text), NodeSetError::NotARange(_)), "{text:?}");
    }
    assert!(matches!(parse("w[9999999999999999999]"), NodeSetError::NotARange(_)));
    assert_eq!(parse("w[3-1]"), NodeSetError::Reversed("3-1".into()));
    for text in ["w[01-100]", "w[1-010]", "w[001-12]"] {
        assert!(matches!(parse(text), NodeSetError::Padding(_)), "{text:?}");
    }
    assert!(matches!(parse("w[1-2000000]"), NodeSetError::TooMany { names: 2_000_000, .. }));
    let huge = "[0-999999999999999999][0-999999999999999999]";
    assert!(matches!(parse(huge), NodeSetError::TooMany { names: u64::MAX, .. }));
    assert!(matches!(parse(&"a".repeat(2_000_000)), NodeSetError::TooLong(2_000_000)));
}

#[test]
fn names_fold_as_people_would_write_them() {
    for (names, text) in [
        (&[][..], ""),
        (&["b", "a"], "a,b"),
        (&["web2", "web1", "web2"], "web[1-2]"),
        (&["w08", "w09", "w10", "w11"], "w[08-11]"),
        (&["w08", "w09", "w10", "w99", "w100", "w101"], "w[08-10,99-101]"),
        (&["w9", "w10", "w09", "w11"], "w[9,09-11]"),
        (&["w98", "w99", "w100"], "w[98-100]"),
        (&["w098", "w099", "w100"], "w[098-100]"),
        (&["w1n1", "w1n2", "w2n1", "w2n2", "w3n1"], "w[1-2]n[1-2],w3n1"),
        (&["10.0.1.4", "10.0.2.4"], "10.0.[1-2].4"),
        (&["a1b", "a2b", "a3c"], "a[1-2]b,a3c"),
        (&["1", "2", "3"], "[1-3]"),
        (&["x12345678901234567890", "x12345678901234567891"], "x12345678901234567890,x12345678901234567891"),
    ] {
        assert_eq!(fold(names.iter().copied()).unwrap(), text, "{names:?}");
    }
    for name in ["", "a[1", "a,b", "a b", "a\n"] {
        assert_eq!(fold([name]), Err(NodeSetError::NotAName(name.to_owned())));
    }
}

/// Numbers without order but with a seed (xorshift64, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    /// A name of a small family, so that many of them fold.
    fn name(&mut self) -> String {
        let mut name = String::new();
        for _ in 0..=self.below(3) {
            name.push_str(["w", "db-", ".", "é"][self.below(4) as usize]);
            let width = self.below(4) as usize;
            name.push_str(&format!("{:0width$}", self.below(12)));
        }
        name
    }
}

#[test]
fn numbers_that_never_differ_cost_nothing_and_stay_outside() {
    let constant = "k1x22w333".repeat(30);
    let text = format!("{constant}a[0-16]b[0-16]c[0-3]{constant}");
    assert_eq!(fold_all(&expand(&text)), text);
}

#[test]
fn folding_and_expanding_give_the_same_names_and_the_same_text() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..2000 {
        let names: Vec<String> = (0..=dice.below(40)).map(|_| dice.name()).collect();
        let folded = fold_all(&names);
        let expanded = expand(&folded);
        assert_eq!(
            expanded.iter().collect::<BTreeSet<_>>(),
            names.iter().collect::<BTreeSet<_>>(),
            "{folded} is not {names:?}"
        );
        assert_eq!(fold_all(&expanded), folded, "{names:?}");
        assert_eq!(
            expanded.len() as u64,
            folded.parse::<NodeSet>().unwrap().count(),
            "{folded} repeats itself"
        );
        assert_eq!(folded.parse::<NodeSet>().unwrap().to_string(), folded);
    }
}

#[test]
fn a_large_set_is_small_until_it_is_expanded() {
    let set: NodeSet = "rack[1-64]node[0001-9999]".parse().unwrap();
    assert_eq!(set.count(), 639_936);
    assert_eq!(set.names().nth(9999).unwrap(), "rack2node0001");
    let names: Vec<String> = (1..=5000).map(|n| format!("n{n:05}.rack{}", n % 7)).collect();
    assert_eq!(expand(&fold_all(&names)).len(), 5000);
}
