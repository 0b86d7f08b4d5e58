//! What the target itself says, asked over SSH: who listens where (`ss`), and which host key it has.

use crate::output::{Output, escaped};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use vigie_exec::Keep;
use vigie_exec::ssh::class::{Class, Failed};
use vigie_exec::ssh::connect::Connector;
use vigie_exec::ssh::session::{Job, Transport, run};

/// How long `ss` may take: it reads a table of the kernel.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is kept of its output.
const KEPT_BYTES: usize = 1024 * 1024;

/// What it says.
#[derive(Debug, Default)]
pub(super) struct Inside {
    address: Option<IpAddr>,
    /// `None`: it could not be asked.
    listeners: Option<Vec<Listener>>,
    host_key: Option<String>,
    /// Its key is another than the known one, in words.
    pub(super) key_changed: Option<String>,
}

/// Somebody listens. Without an address, on all of them.
#[derive(Debug, PartialEq, Eq)]
struct Listener {
    address: Option<IpAddr>,
    port: u16,
}

/// Asks a target by the name of its host.
pub(super) async fn ask(
    connector: &Arc<Connector>,
    host: &str,
    address: IpAddr,
    stop: watch::Receiver<bool>,
    out: &Output,
) -> Inside {
    let mut inside = Inside { address: Some(address), ..Inside::default() };
    if let Err(failed) = ask_into(&mut inside, connector, host, stop).await {
        let text = format!("{host} cannot be asked itself: {}: {failed}", failed.class.as_str());
        out.warn(&text.lines().map(|line| escaped(line.as_bytes())).collect::<Vec<_>>().join("\n"));
        inside.key_changed = (failed.class == Class::HostKeyChanged).then_some(failed.message);
    }
    inside
}

async fn ask_into(
    inside: &mut Inside,
    connector: &Arc<Connector>,
    host: &str,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Failed> {
    let settings = connector.settings(host).await?;
    let connected = tokio::select! {
        connected = connector.connect(&settings) => connected,
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
    };
    let connection = connected.map_err(|refusal| refusal.failed)?;
    inside.host_key = connection.key().map(str::to_owned);
    let job = Job {
        command: "LC_ALL=C PATH=$PATH:/usr/sbin:/sbin ss -Hltn".to_owned(),
        marked: true,
        transport: Transport::Own,
        sudo: None,
        time_limit: Some(PATIENCE),
        keep: Keep::both_ends(KEPT_BYTES),
        input: bytes::Bytes::new(),
        live: None,
    };
    let ended = run(&connection, &job, stop).await;
    connection.close().await;
    if ended.class == Class::Ok {
        let text = ended.stdout.to_text();
        inside.listeners = Some(text.lines().filter_map(listener).collect());
        return Ok(());
    }
    let said = ended.stderr.to_text().trim().to_owned();
    Err(Failed {
        class: ended.class,
        message: format!("ss fails there: {}", ended.message.unwrap_or(said)),
        hint: None,
    })
}

/// A line of `ss -Hltn`: state, two queues, local address, peer.
fn listener(line: &str) -> Option<Listener> {
    let local = line.split_ascii_whitespace().nth(3)?;
    let (address, port) = local.rsplit_once(':')?;
    let address = address.trim_matches(['[', ']']);
    // 127.0.0.53%lo
    let address = address.split('%').next().unwrap_or_default().trim_matches(['[', ']']);
    let address = match address {
        "*" => None,
        address => Some(address.parse::<IpAddr>().ok()?.to_canonical()).filter(|ip| !ip.is_unspecified()),
    };
    Some(Listener { address, port: port.parse().ok()? })
}

impl Inside {
    /// The fingerprint of its host key.
    pub(super) fn host_key(&self) -> Option<&str> {
        self.host_key.as_deref()
    }

    /// Why a port may be seen differently; `None` when it could not be asked.
    pub(super) fn explain(&self, port: u16, is_open: bool) -> Option<String> {
        let listeners = self.listeners.as_ref()?;
        let here: Vec<&Listener> = listeners.iter().filter(|listener| listener.port == port).collect();
        let reaches = |listener: &&Listener| listener.address.is_none_or(|at| Some(at) == self.address);
        let text = if here.is_empty() {
            match is_open {
                true => "nobody listens there; something in between answers (a proxy, address translation)",
                false => "nobody listens there; firewalls answer differently",
            }
            .to_owned()
        } else if here.iter().any(reaches) {
            "somebody listens there for everybody; a firewall, on it or in between, tells them apart"
                .to_owned()
        } else {
            let at: Vec<String> =
                here.iter().filter_map(|listener| listener.address).map(|at| at.to_string()).collect();
            let only = at.join(" and ");
            match here.iter().all(|listener| listener.address.is_some_and(|at| at.is_loopback())) {
                true => format!("it listens on {only} only, which other machines cannot reach"),
                false => format!("it listens on {only} only, which is not the address that was probed"),
            }
        };
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SS: &str = "\
LISTEN 0      128          0.0.0.0:22         0.0.0.0:*
LISTEN 0      4096   127.0.0.53%lo:53         0.0.0.0:*
LISTEN 0      511                *:80               *:*
LISTEN 0      128             [::]:22            [::]:*
LISTEN 0      244        [::1%lo]:5432           [::]:*
LISTEN 0      244  [::ffff:10.0.0.5]:8080           *:*
";

    #[test]
    fn who_listens_where_explains_what_differs() {
        let inside = Inside {
            address: "192.0.2.1".parse().ok(),
            listeners: Some(SS.lines().filter_map(listener).collect()),
            ..Inside::default()
        };
        assert_eq!(inside.listeners.as_ref().map(Vec::len), Some(6));
        let explain = |port, is_open| inside.explain(port, is_open).unwrap();
        assert!(explain(22, true).contains("a firewall"));
        assert!(explain(80, true).contains("a firewall"));
        assert!(explain(53, true).contains("127.0.0.53 only"));
        assert!(explain(5432, true).contains("cannot reach"));
        assert!(explain(8080, true).contains("10.0.0.5 only, which is not the address"));
        assert!(explain(443, true).contains("something in between answers"));
        assert!(explain(443, false).contains("nobody listens there"));
        assert_eq!(Inside::default().explain(22, true), None);
    }
}
