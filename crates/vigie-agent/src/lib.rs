//! vigie-agent
