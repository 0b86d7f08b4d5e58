//! Checks as people write them, and the file of a drain; whatever it says, the agent's line stays one line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_health::answers::{OnSecondaire, Seen, agent_line};
use vigie_health::{CheckSpec, State, drain};

fuzz_target!(|bytes: &[u8]| {
    let drained = drain::decode(bytes).ok();
    let text = String::from_utf8_lossy(bytes).into_owned();
    let _ = text.parse::<CheckSpec>();
    let _ = text.parse::<OnSecondaire>();
    let seen = Seen { state: State::Down, why: Some(text), drained, ..Seen::default() };
    let line = agent_line(&seen, OnSecondaire::Down);
    assert!(line.is_ascii() && line.len() < 256, "{line:?}");
    assert_eq!(line.matches(|c: char| c.is_control()).count(), 1, "{line:?}");
});
