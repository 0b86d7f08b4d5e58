//! vigie-archive
