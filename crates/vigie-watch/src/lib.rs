//! vigie-watch
