//! The same on the real kernel.
