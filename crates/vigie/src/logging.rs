//! What the program says of its own life, on standard error.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Begins to log. A service tells of its life; other commands only warn. `-v` says more, and `VIGIE_LOG`
/// takes directives such as `vigie_wire=trace`.
pub(crate) fn start(verbose: u8, is_service: bool) {
    let level = match (verbose, is_service) {
        (0, false) => LevelFilter::WARN,
        (0, true) | (1, false) => LevelFilter::INFO,
        (1, true) | (2, false) => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let mut filter =
        EnvFilter::builder().with_default_directive(level.into()).with_env_var("VIGIE_LOG").from_env_lossy();
    if level <= LevelFilter::INFO {
        // What the index's own library tells of its files is of use only to who looks for a fault there; so is what the
        // library of SSH complains of, since everything that matters of it is told where it is used.
        let quiet = ["fjall=warn", "lsm_tree=warn", "russh=off"]
            .into_iter()
            .filter_map(|directive| directive.parse().ok());
        filter = quiet.fold(filter, EnvFilter::add_directive);
    }
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour);
    // Set once, at the start of the process; a second start would only keep the first.
    let _ = log.with_target(false).try_init();
}
