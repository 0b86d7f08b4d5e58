//! How to reach an HTTP service: what all commands take that ask one.

use crate::failure::Failure;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;
use vigie_tools::http::Url;
use vigie_tools::http::client::{Settings, SetupError, Via};
use vigie_tools::http::names::Override;

/// How to reach an HTTP service.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConnectArgs {
    /// Take this address for a name, as if it stood in /etc/hosts; `*` for any port
    #[arg(long, value_name = "HOST:PORT:ADDR", value_parser = clap::value_parser!(Override), help_heading = "Connection")]
    resolve: Vec<Override>,

    /// Go through this proxy [default: as http_proxy, https_proxy, all_proxy and no_proxy say]
    #[arg(long, value_name = "URL", value_parser = url, conflicts_with = "no_proxy", help_heading = "Connection")]
    proxy: Option<Url>,

    /// Go through no proxy, whatever the variables say
    #[arg(long, help_heading = "Connection")]
    no_proxy: bool,

    /// Trust the authorities in this file, too (PEM)
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    cacert: Option<PathBuf>,
}

impl ConnectArgs {
    /// The settings of the connection.
    pub(crate) fn settings(self, timeout: Duration, redirects_max: usize) -> Settings {
        let via = match (self.proxy, self.no_proxy) {
            (Some(url), _) => Via::Proxy(url),
            (None, true) => Via::Direct,
            (None, false) => Via::Environment,
        };
        Settings {
            family: None,
            overrides: self.resolve,
            via,
            authorities: self.cacert,
            redirects_max,
            timeout,
        }
    }
}

/// An address of a service; without a scheme it is http, as browsers once had it, and curl still has.
pub(crate) fn url(text: &str) -> Result<Url, String> {
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&full).map_err(|e| format!("`{text}` is no URL: {e}"))?;
    if matches!(url.scheme(), "http" | "https") {
        Ok(url)
    } else {
        Err(format!("`{text}` is neither http nor https"))
    }
}

/// A failure before anybody was asked: files and settings of the user.
pub(crate) fn setup_failure(error: &SetupError) -> Failure {
    Failure::of(error).into_usage()
}
