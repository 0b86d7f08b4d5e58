//! One sshd of Debian in a namespace of its own, which answers on all of 127.0.0.0/8: as many machines as one likes. Its
//! settings are the defaults, `MaxStartups` included; only the keys are its own. `SHLVL` keeps bash from reading root's
//! `.bashrc`: what that does is the same for all contenders, may take longer than they do, and may wait for a lock.

use super::super::roles::bed::quietly;
use super::super::roles::namespace::Namespace;
use super::super::running::Running;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long sshd may take to listen.
const READY: Duration = Duration::from_secs(10);

/// The namespace, with an sshd in it.
pub(super) struct Bed {
    // Ends before its namespace.
    _sshd: Running,
    space: Namespace,
    /// What all clients are given with `-F`.
    pub(super) config: PathBuf,
}

impl Bed {
    pub(super) fn new(dir: &Path) -> Result<Bed> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        fs::create_dir_all("/run/sshd").context("cannot make /run/sshd")?;
        let at = |name: &str| dir.join(name).to_string_lossy().into_owned();
        for name in ["id", "host"] {
            quietly("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", &at(name)])?;
        }
        let public = fs::read_to_string(at("host.pub")).context("ssh-keygen wrote no key")?;
        fs::write(at("known_hosts"), format!("127.* {public}")).context("cannot write known hosts")?;
        let server = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nPidFile none\nUsePAM no\nSetEnv SHLVL=9\n",
            at("host"),
            at("id.pub")
        );
        fs::write(at("sshd_config"), server).context("cannot write sshd's configuration")?;
        let client = format!(
            "Host *\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  \
             StrictHostKeyChecking yes\n  ConnectTimeout {}\n",
            at("id"),
            at("known_hosts"),
            CONNECT_TIMEOUT.as_secs()
        );
        fs::write(at("config"), client).context("cannot write ssh's configuration")?;
        let space = Namespace::new("ssh-fleet")?;
        let mut sshd = Command::new("ip");
        sshd.args(["netns", "exec", &space.name, "/usr/sbin/sshd", "-D", "-f", &at("sshd_config")]);
        let sshd = Running::start(&mut sshd, &dir.join("sshd.log"))?;
        let bed = Bed { _sshd: sshd, space, config: dir.join("config") };
        let start = Instant::now();
        while !bed.listens()? {
            if start.elapsed() > READY {
                bail!("sshd does not listen: see {}", at("sshd.log"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(bed)
    }

    fn listens(&self) -> Result<bool> {
        let out =
            self.command("ss").args(["-ltnH", "sport", "=", ":22"]).output().context("cannot start ss")?;
        Ok(!out.stdout.is_empty())
    }

    /// A command beside that sshd.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space.name]).arg(program);
        command
    }

    /// Whatever is sent to these addresses is lost.
    pub(super) fn kill(&self, addresses: &str) -> Result<()> {
        self.space.nft(&format!(
            "table inet dead {{ chain i {{ type filter hook input priority 0\n ip daddr {addresses} drop\n}}\n}}\n"
        ))
    }
}

/// What `ConnectTimeout` says.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
