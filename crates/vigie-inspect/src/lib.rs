//! What a Python script would do, found out without running it.
//!
//! What it is not: a proof. A script can build any name at run time; where it does so, that is said (`dynamic`).
//!
//! In reading order:
//! [`limits`] every bound, with its reason ·
//! [`report`] what is said of a script.
//! Within: `tree` the syntax tree, names and constants · `modules` imports and what to install · `rules` what is looked for ·
//! `verdict` what follows.
//!
//! ```
//! let report = vigie_inspect::inspect(b"import serial\nserial.Serial('/dev/ttyS0')\n").unwrap();
//! assert_eq!(report.imports[0].distribution, Some("pyserial"));
//! assert_eq!(report.needs, ["group dialout, for /dev/ttyS0"]);
//! ```

pub mod limits;
mod modules;
pub mod report;
mod rules;
mod tree;
mod verdict;

pub use report::{Finding, Import, Origin, Report, Topic, Verdict, Weight, When};

use tree::Script;

/// Why nothing can be said of a file.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// It is larger than any script.
    #[error(
        "it has {bytes} bytes, more than any script that a person wrote (limit: {})",
        limits::SCRIPT_BYTES
    )]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// It is no text.
    #[error("it is no text: byte {at} is {byte:#04x}")]
    Binary {
        /// Where, from 0.
        at: usize,
        /// What.
        byte: u8,
    },
    /// The parser gave up.
    #[error("it cannot be parsed")]
    Unparsable,
}

/// Looks at a script. Nothing of it is run or imported, and nothing is asked of any other machine.
///
/// # Errors
/// See [`InspectError`]. Syntax errors are none: what is around them is looked at, and they are told.
pub fn inspect(bytes: &[u8]) -> Result<Report, InspectError> {
    if bytes.len() as u64 > limits::SCRIPT_BYTES {
        return Err(InspectError::TooLarge { bytes: bytes.len() as u64 });
    }
    if let Some(at) =
        bytes.iter().position(|byte| *byte < 0x20 && !b"\t\n\r\x0c\x1b\x08\x07\x0b".contains(byte))
    {
        return Err(InspectError::Binary { at, byte: bytes[at] });
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    // Latin-1 and its like keep what is ASCII; of the rest only comments and texts suffer.
    let text = String::from_utf8_lossy(bytes);
    let script = Script::parse(&text).ok_or(InspectError::Unparsable)?;
    Ok(verdict::report(&script))
}
