//! A machine on a cable of its own: a network namespace, joined to this one or to another by a pair of veth.

use super::bed::quietly;
use anyhow::{Context, Result, bail};
use std::process::{Command, Stdio};

/// Of all namespaces of this bench; what an earlier run left has them, too.
const PREFIX: &str = "vigie-bench-";

/// Lets nothing in or out, and answers nobody: what a dropped link is to both ends.
const CUT: &str = "add table inet cut\n\
    add chain inet cut in { type filter hook input priority 0; policy drop; }\n\
    add chain inet cut out { type filter hook output priority 0; policy drop; }\n";

/// It is removed when this is dropped, with its end of the cable.
pub(crate) struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    /// A new one, with loopback up.
    pub(crate) fn new(name: &str) -> Result<Namespace> {
        let namespace = Namespace { name: format!("{PREFIX}{name}") };
        // Of a run that was killed.
        namespace.remove();
        quietly("ip", ["netns", "add", &namespace.name]).context("network namespaces need root")?;
        quietly("ip", ["-n", &namespace.name, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Lays a cable from here to the outside, or to another namespace. Its ends have the addresses of a /30.
    pub(crate) fn cable(
        &self,
        end: (&str, &str),
        other: Option<&Namespace>,
        far: (&str, &str),
    ) -> Result<()> {
        let ((device, address), (far_device, far_address)) = (end, far);
        // Of a run that was killed.
        let _none = quietly("ip", ["link", "del", far_device]);
        let mut add =
            vec!["link", "add", device, "netns", &self.name, "type", "veth", "peer", "name", far_device];
        if let Some(other) = other {
            add.extend(["netns", &other.name]);
        }
        quietly("ip", add)?;
        for (inside, device, address) in [(Some(self), device, address), (other, far_device, far_address)] {
            let inside = inside.map_or_else(Vec::new, |namespace| vec!["-n", namespace.name.as_str()]);
            let ip = |args: &[&str]| quietly("ip", [inside.as_slice(), args].concat());
            ip(&["addr", "add", &format!("{address}/30"), "dev", device])?;
            ip(&["link", "set", device, "up"])?;
        }
        Ok(())
    }

    /// Drops the link: both directions, without a word to either end.
    pub(crate) fn cut(&self) -> Result<()> {
        self.nft(CUT)
    }

    /// Mends it.
    pub(crate) fn mend(&self) -> Result<()> {
        self.nft("delete table inet cut\n")
    }

    /// Adds these rules.
    pub(crate) fn nft(&self, rules: &str) -> Result<()> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, "nft", "-f", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut nft = command.spawn().context("cannot start nft")?;
        let mut input = nft.stdin.take().context("nft has no input")?;
        std::io::Write::write_all(&mut input, rules.as_bytes()).context("cannot give rules to nft")?;
        drop(input);
        let out = nft.wait_with_output().context("cannot wait for nft")?;
        if !out.status.success() {
            bail!("nft: {}", String::from_utf8_lossy(&out.stderr).trim_end());
        }
        Ok(())
    }

    fn remove(&self) {
        let _none = quietly("ip", ["netns", "del", &self.name]);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.remove();
    }
}
