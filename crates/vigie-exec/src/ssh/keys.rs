//! Whom we are: keys of the agent, keys in files, certificates. (`ssh(1)`, AUTHENTICATION)

use super::class::{Class, Failed};
use super::config::Settings;
use super::connect::{Handler, plain_words};
use crate::limits::AGENT_PATIENCE;
use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::{AgentClient, AgentStream};
use russh::keys::{Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Connections to the agent at once: it answers one after the other, and some break under hundreds.
const AGENTS: usize = 16;

type Agent = AgentClient<Box<dyn AgentStream + Send + Unpin>>;

/// What a file gave.
#[derive(Clone, Debug)]
enum Loaded {
    Key(Arc<PrivateKey>),
    /// It is there, and of no use, for this reason.
    Useless(String),
    Missing,
}

/// Keys of this process: each file is read once, whatever the number of hosts.
#[derive(Debug)]
pub struct Keys {
    files: Mutex<HashMap<PathBuf, Loaded>>,
    agents: Semaphore,
    /// Given at a prompt, for keys and for hosts that want it.
    password: Option<Zeroizing<String>>,
}

impl Keys {
    /// Keys, with a password that was asked for, if one was.
    #[must_use]
    pub fn new(password: Option<String>) -> Self {
        let password = password.map(Zeroizing::new);
        Keys { files: Mutex::default(), agents: Semaphore::new(AGENTS), password }
    }

    fn load(&self, path: &Path) -> Loaded {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files
            .entry(path.to_owned())
            .or_insert_with(|| read(path, self.password.as_deref().map(String::as_str)))
            .clone()
    }

    /// Says who we are until the server is content.
    ///
    /// # Errors
    /// It is not; with what was tried, and what was of no use.
    pub async fn authenticate(
        &self,
        handle: &mut Handle<Handler>,
        settings: &Settings,
    ) -> Result<(), Failed> {
        let mut tried = Tried::default();
        let user = settings.user.as_str();
        if settings.pubkey && self.try_keys(handle, settings, &mut tried).await? {
            return Ok(());
        }
        if let Some(password) = self.password.as_deref().filter(|_| settings.password) {
            tried.names.push("the password".to_owned());
            let answer = handle.authenticate_password(user, password.as_str()).await.map_err(|e| lost(&e))?;
            if matches!(answer, AuthResult::Success) {
                return Ok(());
            }
        }
        Err(tried.failed(settings))
    }

    async fn try_keys(
        &self,
        handle: &mut Handle<Handler>,
        settings: &Settings,
        tried: &mut Tried,
    ) -> Result<bool, Failed> {
        let _one = match settings.identity_agent {
            Some(_) => self.agents.acquire().await.ok(),
            None => None,
        };
        let (mut agent, held) = match agent(settings).await {
            Ok(Some((agent, held))) => (Some(agent), held),
            Ok(None) => (None, Vec::new()),
            Err(why) => {
                tried.useless.push(why);
                (None, Vec::new())
            }
        };
        let mut used: Vec<PublicKey> = Vec::new();
        // As `ssh` does: first what the agent holds of the configured files, then its others, then files alone.
        let configured: Vec<(PathBuf, Option<PublicKey>)> =
            settings.identity_files.iter().map(|file| (file.clone(), public_of(file))).collect();
        let is_configured = |key: &PublicKey| {
            configured
                .iter()
                .any(|(_, public)| public.as_ref().is_some_and(|p| p.key_data() == key.key_data()))
        };
        let (first, others): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|identity| is_configured(&key_of(identity)));
        let others = if settings.identities_only { Vec::new() } else { others };
        for identity in first.into_iter().chain(others) {
            let Some(agent) = agent.as_mut() else { break };
            let key = key_of(&identity);
            tried.names.push(format!("{} of the agent", key.fingerprint(HashAlg::Sha256)));
            let hash = rsa_hash(handle, &key).await?;
            let answer = match identity {
                AgentIdentity::Certificate { certificate, .. } => {
                    handle.authenticate_certificate_with(&settings.user, certificate, hash, agent).await
                }
                AgentIdentity::PublicKey { key, .. } => {
                    handle.authenticate_publickey_with(&settings.user, key, hash, agent).await
                }
            };
            match answer {
                Ok(AuthResult::Success) => return Ok(true),
                Ok(AuthResult::Failure { .. }) => {}
                // It holds the key and does not sign: locked, or it wants a confirmation.
                Err(error) if handle.is_closed() => {
                    return Err(Failed::new(
                        Class::Auth,
                        format!("the server hung up after {} keys: {error}", tried.names.len()),
                    ));
                }
                Err(error) => tried.useless.push(format!("the agent does not sign: {error}")),
            }
            used.push(key);
        }
        for (file, _) in &configured {
            let key = match self.load(file) {
                Loaded::Missing => continue,
                Loaded::Useless(why) => {
                    tried.useless.push(why);
                    continue;
                }
                Loaded::Key(key) => key,
            };
            if used.iter().any(|u| u.key_data() == key.public_key().key_data()) {
                continue;
            }
            for certificate in certificates(file, settings, &key) {
                tried.names.push(format!("a certificate for {}", file.display()));
                let answer =
                    handle.authenticate_openssh_cert(&settings.user, Arc::clone(&key), certificate).await;
                if matches!(answer.map_err(|e| lost(&e))?, AuthResult::Success) {
                    return Ok(true);
                }
            }
            tried.names.push(file.display().to_string());
            let hash = rsa_hash(handle, key.public_key()).await?;
            let key = PrivateKeyWithHashAlg::new(key, hash);
            let answer = handle.authenticate_publickey(&settings.user, key).await.map_err(|e| lost(&e))?;
            if matches!(answer, AuthResult::Success) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What was tried in vain.
#[derive(Default)]
struct Tried {
    names: Vec<String>,
    useless: Vec<String>,
}

impl Tried {
    fn failed(self, settings: &Settings) -> Failed {
        let (user, host) = (&settings.user, &settings.written);
        let tried = match self.names.len() {
            0 => "there was no key to try".to_owned(),
            _ => format!("tried {}", self.names.join(", ")),
        };
        let useless =
            if self.useless.is_empty() { String::new() } else { format!("; {}", self.useless.join("; ")) };
        Failed::new(Class::Auth, format!("{host} does not let {user} in: {tried}{useless}")).hint(
            "a key is added with `ssh-copy-id`, and unlocked with `ssh-add`; --ask-password asks for a password",
        )
    }
}

fn lost(error: &russh::Error) -> Failed {
    Failed::new(Class::Auth, format!("the server hung up while we said who we are: {}", plain_words(error)))
}

fn read(path: &Path, password: Option<&str>) -> Loaded {
    let useless = |why: &str| Loaded::Useless(format!("{} is of no use: {why}", path.display()));
    match russh::keys::load_secret_key(path, None) {
        Ok(key) => Loaded::Key(Arc::new(key)),
        Err(russh::keys::Error::KeyIsEncrypted) => {
            match password.map(|p| russh::keys::load_secret_key(path, Some(p))) {
                Some(Ok(key)) => Loaded::Key(Arc::new(key)),
                _ => useless("it is locked with a passphrase; `ssh-add` unlocks it"),
            }
        }
        Err(russh::keys::Error::IO(error)) if error.kind() == std::io::ErrorKind::NotFound => Loaded::Missing,
        Err(error) => useless(&error.to_string()),
    }
}

/// The public half, without unlocking the private one.
fn public_of(path: &Path) -> Option<PublicKey> {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    russh::keys::load_public_key(PathBuf::from(name)).ok()
}

/// Certificates for a key: the one beside it, and those that the configuration names.
fn certificates(file: &Path, settings: &Settings, key: &PrivateKey) -> Vec<Certificate> {
    let mut beside = file.as_os_str().to_owned();
    beside.push("-cert.pub");
    let files = std::iter::once(PathBuf::from(beside)).chain(settings.certificate_files.iter().cloned());
    files
        .filter_map(|path| russh::keys::load_openssh_certificate(path).ok())
        .filter(|certificate| certificate.public_key() == key.public_key().key_data())
        .collect()
}

fn key_of(identity: &AgentIdentity) -> PublicKey {
    match identity {
        AgentIdentity::PublicKey { key, .. } => key.clone(),
        AgentIdentity::Certificate { certificate, .. } => PublicKey::from(certificate.public_key().clone()),
    }
}

/// RSA keys sign with the best hash that the server knows; other keys have one only.
async fn rsa_hash(handle: &Handle<Handler>, key: &PublicKey) -> Result<Option<HashAlg>, Failed> {
    if !key.algorithm().is_rsa() {
        return Ok(None);
    }
    let best = handle.best_supported_rsa_hash().await.map_err(|e| lost(&e))?;
    // A server that says nothing has known SHA-2 for ten years now.
    Ok(best.unwrap_or(Some(HashAlg::Sha512)))
}

/// The agent and what it holds; none when there is none. One that does not answer is worth a word, and no more.
async fn agent(settings: &Settings) -> Result<Option<(Agent, Vec<AgentIdentity>)>, String> {
    let Some(socket) = &settings.identity_agent else { return Ok(None) };
    let failed =
        |error: russh::keys::Error| format!("the agent at {} does not answer: {error}", socket.display());
    let asked = async {
        let mut agent = AgentClient::connect_uds(socket).await?.dynamic();
        let held = agent.request_identities().await?;
        Ok(Some((agent, held)))
    };
    match timeout(AGENT_PATIENCE, asked).await {
        Ok(told) => told.map_err(failed),
        Err(_) => Err(format!("the agent at {} does not answer for {AGENT_PATIENCE:?}", socket.display())),
    }
}
