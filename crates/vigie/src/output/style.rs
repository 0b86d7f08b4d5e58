//! Colours, sparingly.

/// What a text means; the colour follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Something came.
    Good,
    /// Something went, or is wrong.
    Bad,
    /// Something wants a look.
    Attention,
    /// Something moved, or is a directory.
    Moved,
    /// What matters less.
    Dim,
}

/// The text in its colour (ECMA-48 SGR), or as it is.
pub(super) fn apply(on: bool, paint: Paint, text: &str) -> String {
    let code = match paint {
        Paint::Good => 32,
        Paint::Bad => 31,
        Paint::Attention => 33,
        Paint::Moved => 36,
        Paint::Dim => 2,
    };
    if on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
