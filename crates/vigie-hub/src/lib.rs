//! vigie-hub
