//! vigie-wire
