//! Every bound of an inspection, in one place, each with its reason.

/// Largest script, in bytes: beyond any that a person wrote, and parsed within seconds.
pub const SCRIPT_BYTES: u64 = 16 * 1024 * 1024;

/// Findings of one script; more are only counted.
pub const FINDINGS: usize = 500;

/// Lines with syntax errors that are told one by one.
pub const SYNTAX_ERRORS: usize = 20;

/// Longest text of a script that is quoted in a finding, in characters.
pub(crate) const QUOTE_CHARS: usize = 120;

/// A text literal of this length without a blank is data in disguise, or a key.
pub(crate) const BLOB_CHARS: usize = 400;

/// A line of this length hides what is at its end from every reader.
pub(crate) const LINE_CHARS: usize = 1000;

/// How many names deep a constant is followed.
pub(crate) const FOLD_DEPTH: u8 = 8;

/// Names in one dotted path, calls between them among them: longer ones are built to confuse.
pub(crate) const PATH_PARTS: usize = 64;
