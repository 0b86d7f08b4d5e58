//! Outputs that no reader was made for.
