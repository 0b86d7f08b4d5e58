//! Node sets as anybody may write them, and back from their names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use vigie_model::NodeSet;
use vigie_model::nodeset::fold;

fuzz_target!(|text: &str| {
    let Ok(set) = text.parse::<NodeSet>() else { return };
    assert_eq!(set.to_string().parse::<NodeSet>().as_ref(), Ok(&set));
    let names: BTreeSet<String> = set.names().take(1000).collect();
    assert!(names.len() as u64 <= set.count());
    // A name may hold blanks, which are a separator where names are folded.
    let Ok(folded) = fold(names.iter().map(String::as_str)) else { return };
    if let Ok(again) = folded.parse::<NodeSet>() {
        assert_eq!(again.names().collect::<BTreeSet<_>>(), names);
    }
});
