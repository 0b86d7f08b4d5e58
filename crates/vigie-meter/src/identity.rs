//! Numbers of meters and delivery points lead to a person, so they are shown only when asked for. What stands in their place
//! is the same every day on one machine, and tells nothing to another.

use crate::tic::{Frame, Value};

/// How identifiers are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// As they are.
    Plain,
    /// Keyed digests. Twelve digits can all be tried, so without the key the digest would hide nothing.
    Hashed([u8; 32]),
}

impl Identity {
    /// Hides behind a secret, such as `/etc/machine-id`, which machines keep to themselves (`machine-id(5)`).
    #[must_use]
    pub fn hashed(secret: &[u8]) -> Self {
        Identity::Hashed(blake3::derive_key("vigie meter 2026 identifiers", secret))
    }

    /// An identifier as it may be shown.
    #[must_use]
    pub fn show(&self, identifier: &str) -> String {
        match self {
            Identity::Plain => identifier.to_owned(),
            Identity::Hashed(key) => blake3::keyed_hash(key, identifier.as_bytes()).to_hex()[..12].to_owned(),
        }
    }

    /// The name of a frame's meter, and the frame with its identifiers as they may be shown.
    #[must_use]
    pub fn apply(&self, mut frame: Frame) -> (Option<String>, Frame) {
        for reading in &mut frame.readings {
            if let Value::Identifier(id) = &mut reading.value {
                *id = self.show(id);
            }
        }
        (frame.meter().map(str::to_owned), frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_number_and_secret() {
        let here = Identity::hashed(b"here");
        let shown = here.show("012345678901");
        assert_eq!(shown.len(), 12);
        assert_eq!(shown, here.show("012345678901"));
        assert_ne!(shown, here.show("012345678902"));
        assert_ne!(shown, Identity::hashed(b"there").show("012345678901"));
        assert_eq!(Identity::Plain.show("012345678901"), "012345678901");
    }
}
