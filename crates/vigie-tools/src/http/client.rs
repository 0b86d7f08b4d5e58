//! How to connect.

use super::names::{Family, Names, Override};
use super::tls::{self, TrustError};
use crate::limits::CONNECT_TIMEOUT;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Proxy, Url};
use std::path::PathBuf;
use std::time::Duration;

/// How to connect.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses of this family only.
    pub family: Option<Family>,
    /// Names that the user has given addresses.
    pub overrides: Vec<Override>,
    /// Through which proxy.
    pub via: Via,
    /// Authorities that are trusted beside those of the system.
    pub authorities: Option<PathBuf>,
    /// How often to follow a redirection.
    pub redirects_max: usize,
    /// For everything together.
    pub timeout: Duration,
}

/// Through which proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// As `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` say.
    #[default]
    Environment,
    /// This one.
    Proxy(Url),
    /// None.
    Direct,
}

/// Why nothing can be asked.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Nobody can be trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The settings do not go together.
    #[error("cannot set up the connection: {0}")]
    Client(reqwest::Error),
}

impl Settings {
    /// A client for this address.
    pub(crate) fn client(&self, url: &Url) -> Result<Client, SetupError> {
        let names = Names {
            family: self.family,
            overrides: self.overrides.clone().into(),
            port: url.port_or_known_default().unwrap_or(0),
        };
        let redirect =
            if self.redirects_max == 0 { Policy::none() } else { Policy::limited(self.redirects_max) };
        let builder = Client::builder()
            .tls_backend_preconfigured(tls::config(self.authorities.as_deref())?)
            .dns_resolver(names)
            .redirect(redirect)
            .connect_timeout(CONNECT_TIMEOUT.min(self.timeout))
            .timeout(self.timeout)
            // Every request is the only one: a connection that is kept is one too many.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("vigie/", env!("CARGO_PKG_VERSION")));
        let builder = match self.family {
            Some(family) => builder.local_address(family.unspecified()),
            None => builder,
        };
        self.through(builder)?.build().map_err(SetupError::Client)
    }

    fn through(&self, builder: ClientBuilder) -> Result<ClientBuilder, SetupError> {
        Ok(match &self.via {
            Via::Environment => builder,
            Via::Proxy(url) => builder.proxy(Proxy::all(url.clone()).map_err(SetupError::Client)?),
            Via::Direct => builder.no_proxy(),
        })
    }

    /// The proxy that a request to this address goes through, without its password.
    pub fn proxy_for(&self, url: &Url) -> Option<String> {
        let bare = |proxy: &str| {
            let mut proxy = Url::parse(proxy).ok()?;
            // Without a host there is nothing to hide.
            let _ = proxy.set_username("").and_then(|()| proxy.set_password(None));
            Some(proxy.to_string().trim_end_matches('/').to_owned())
        };
        match &self.via {
            Via::Direct => None,
            Via::Proxy(proxy) => bare(proxy.as_str()),
            Via::Environment => {
                let uri = url.as_str().parse().ok()?;
                bare(&Matcher::from_env().intercept(&uri)?.uri().to_string())
            }
        }
    }
}
