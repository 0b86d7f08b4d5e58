//! Records as lines of the log.
