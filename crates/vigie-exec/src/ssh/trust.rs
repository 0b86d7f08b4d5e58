//! What is done about the key that a server shows.

use super::class::{Class, Failed};
use super::config::{Policy, Settings};
use super::known_hosts::{HostName, KnownHosts, Verdict, new_line};
use russh::keys::PublicKeyOrCertificate;
use russh::keys::{HashAlg, PublicKey};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A host that nobody knows yet, for the user to decide upon.
#[derive(Clone, Debug)]
pub struct Stranger {
    /// As the user wrote it.
    pub host: String,
    /// As known hosts would call it.
    pub name: HostName,
    /// The key it showed.
    pub key: PublicKey,
    /// The file that would take it.
    pub file: PathBuf,
    /// Whether its name would be hidden there.
    pub hashed: bool,
}

impl Stranger {
    /// The key's fingerprint, as `ssh` and `ssh-keygen -l` show it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }
}

/// Known hosts of all files, read once each.
#[derive(Debug, Default)]
pub struct Trust {
    files: Mutex<HashMap<Vec<PathBuf>, Arc<KnownHosts>>>,
}

impl Trust {
    /// What is known in the files of a host.
    #[must_use]
    pub fn known(&self, settings: &Settings) -> Arc<KnownHosts> {
        let files: Vec<PathBuf> =
            settings.user_known_hosts.iter().chain(&settings.global_known_hosts).cloned().collect();
        let mut read = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(read.entry(files).or_insert_with_key(|files| Arc::new(KnownHosts::load(files))))
    }

    /// Decides about a key. With [`Policy::AcceptNew`] a new one is written down first.
    ///
    /// # Errors
    /// It is not to be trusted; with [`Policy::Ask`] the stranger comes too.
    pub fn decide(
        &self,
        settings: &Settings,
        shown: &PublicKeyOrCertificate,
    ) -> Result<(), (Failed, Option<Box<Stranger>>)> {
        let name = settings.known_as();
        let known = self.known(settings);
        let plain = |failed| Err((failed, None));
        let (key, verdict) = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => (key.clone(), known.judge(&name, key)),
            PublicKeyOrCertificate::Certificate(certificate) => {
                let key = PublicKey::from(certificate.public_key().clone());
                match known.judge_certificate(&name, certificate) {
                    Ok(Some(verdict)) => (key, verdict),
                    // Nobody here knows who signed it: then it is a key like any other.
                    Ok(None) => {
                        let verdict = known.judge(&name, &key);
                        (key, verdict)
                    }
                    Err(why) => return plain(Failed::new(Class::HostKeyUnknown, why)),
                }
            }
        };
        let host = &settings.written;
        match (verdict, settings.policy) {
            (Verdict::Known, _) => Ok(()),
            (Verdict::Revoked(place), _) => plain(Failed::new(
                Class::HostKeyRevoked,
                format!("the key of {host} is revoked, {} line {}", place.file.display(), place.line),
            )),
            (Verdict::Changed(_) | Verdict::New, Policy::Off) => Ok(()),
            (Verdict::Changed(place), _) => {
                let (file, line) = (place.file.display(), place.line);
                let shown = key.fingerprint(HashAlg::Sha256);
                let failed = Failed::new(
                    Class::HostKeyChanged,
                    format!(
                        "the key of {host} is not the one known from {file} line {line}; it shows {shown}"
                    ),
                );
                let forget = format!("ssh-keygen -f '{file}' -R '{}'", name.spelled());
                plain(failed.hint(format!(
                    "either it was set up anew, or somebody is in between; ask who runs it, then forget the old key: {forget}"
                )))
            }
            (Verdict::New, policy) => {
                let stranger = Stranger {
                    host: host.clone(),
                    name,
                    key,
                    file: settings.user_known_hosts.first().cloned().unwrap_or_default(),
                    hashed: settings.hash_known_hosts,
                };
                match policy {
                    Policy::AcceptNew => remember(std::slice::from_ref(&stranger)).map_err(|error| {
                        let file = stranger.file.display();
                        let text = format!("cannot remember the key of {host} in {file}: {error}");
                        (Failed::new(Class::HostKeyUnknown, text), None)
                    }),
                    _ => {
                        let text =
                            format!("the key of {host} is not known; it shows {}", stranger.fingerprint());
                        let failed = Failed::new(Class::HostKeyUnknown, text).hint(
                            "compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` says there, then \
                             connect once with --host-keys accept-new",
                        );
                        let stranger = (policy == Policy::Ask).then(|| Box::new(stranger));
                        Err((failed, stranger))
                    }
                }
            }
        }
    }

    /// Forgets what was read, so that what was written since is seen.
    pub fn refresh(&self) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Settings {
    /// What this host is called among known hosts.
    #[must_use]
    pub fn known_as(&self) -> HostName {
        match &self.host_key_alias {
            // An alias stands for name and port together.
            Some(alias) => HostName::new(alias, 22),
            None => HostName::new(&self.hostname, self.port),
        }
    }
}

/// Writes strangers down, each in its file: at its end, under its lock, in one piece; the directory is made if it is
/// not there. Those that another process wrote down meanwhile are not written again.
///
/// # Errors
/// A file cannot be written.
pub fn remember(strangers: &[Stranger]) -> io::Result<()> {
    let mut files: HashMap<&Path, Vec<&Stranger>> = HashMap::new();
    for stranger in strangers {
        files.entry(&stranger.file).or_default().push(stranger);
    }
    files.into_iter().try_for_each(|(file, strangers)| append(file, &strangers))
}

fn append(path: &Path, strangers: &[&Stranger]) -> io::Result<()> {
    if path.as_os_str().is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no file is configured for known hosts"));
    }
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o700)
            .create(directory)?;
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    flock(&file, FlockOperation::LockExclusive)?;
    let mut text = String::new();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut known = KnownHosts::default();
    known.add(path, &String::from_utf8_lossy(&bytes));
    if bytes.last().is_some_and(|last| *last != b'\n') {
        text.push('\n');
    }
    for stranger in strangers {
        if known.judge(&stranger.name, &stranger.key) != Verdict::Known {
            text.push_str(
                &new_line(&stranger.name, &stranger.key, stranger.hashed).map_err(io::Error::other)?,
            );
            text.push('\n');
        }
    }
    file.write_all(text.as_bytes())?;
    file.sync_data()
}
