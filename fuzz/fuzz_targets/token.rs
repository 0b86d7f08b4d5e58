//! A token as a person pastes it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_wire::Token;

fuzz_target!(|text: &str| {
    if let Ok(token) = Token::parse(text) {
        assert_eq!(token.to_text(), text.trim(), "one token has one text");
    }
});
