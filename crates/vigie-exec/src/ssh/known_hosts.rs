//! OpenSSH's `known_hosts`, with all that it means: hashed names, wildcards, negation, ports, authorities, revoked
//! keys, several files. (`sshd(8)`, SSH_KNOWN_HOSTS FILE FORMAT; decisions as `check_host_key` of OpenSSH 9.2 takes
//! them, which the tests ask `ssh` itself about.)
//!
//! In reading order: [`Verdict`] · [`KnownHosts`] · [`HostName`] what a host is called in these files · `Patterns`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use russh::keys::{Algorithm, Certificate, PublicKey};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// What known hosts say of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The key is known for this host, or an authority that is answers for it.
    Known,
    /// Nothing is known of this host.
    New,
    /// Other keys are known for it, and not this one. A key of another type is another key too: the types of known
    /// ones were asked for first.
    Changed(Place),
    /// The key is revoked.
    Revoked(Place),
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: usize,
}

/// What a host is called in these files: in small letters; with another port than 22 as `[name]:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    bare: String,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    None,
    Authority,
    Revoked,
}

#[derive(Clone, Debug)]
struct Line {
    place: Place,
    marker: Marker,
    hosts: Patterns,
    key: PublicKey,
}

/// The lines of all files, in their order.
#[derive(Clone, Debug, Default)]
pub struct KnownHosts {
    lines: Vec<Line>,
    /// Files that are there and could not be read, with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
}

// === impl KnownHosts ===

impl KnownHosts {
    /// Reads files, one after the other. One that is not there is empty; one that cannot be read is named.
    pub fn load<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> Self {
        let mut known = KnownHosts::default();
        for file in files {
            let file = file.as_ref();
            match std::fs::read(file) {
                Ok(bytes) => known.add(file, &String::from_utf8_lossy(&bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => known.unreadable.push((file.to_owned(), error.to_string())),
            }
        }
        known
    }

    /// Adds the lines of a file. Like OpenSSH it passes over lines that make no sense.
    pub fn add(&mut self, file: &Path, text: &str) {
        let file: Arc<Path> = file.into();
        for (index, line) in text.lines().enumerate() {
            let place = Place { file: Arc::clone(&file), line: index + 1 };
            self.lines.extend(Line::read(place, line));
        }
    }

    /// What is known of a plain key.
    #[must_use]
    pub fn judge(&self, host: &HostName, key: &PublicKey) -> Verdict {
        match self.judge_as(&host.spelled(), key) {
            // With a port of its own, the host may be known by its name alone; but then only by this very key.
            Verdict::New if host.port != 22 && self.judge_as(&host.bare, key) == Verdict::Known => {
                Verdict::Known
            }
            verdict => verdict,
        }
    }

    fn judge_as(&self, name: &str, key: &PublicKey) -> Verdict {
        if let Some(place) = self.revoked(name, key) {
            return Verdict::Revoked(place);
        }
        let mut verdict = Verdict::New;
        for line in self.of(name, Marker::None) {
            if line.key.key_data() == key.key_data() {
                return Verdict::Known;
            }
            if verdict == Verdict::New {
                verdict = Verdict::Changed(line.place.clone());
            }
        }
        verdict
    }

    /// What is known of a certificate: whether a known authority made it, for this host, for now. None when no such
    /// authority is known: then its plain key is to be judged, as OpenSSH does.
    ///
    /// # Errors
    /// Why a certificate of a known authority is not good.
    pub fn judge_certificate(
        &self,
        host: &HostName,
        certificate: &Certificate,
    ) -> Result<Option<Verdict>, String> {
        let name = host.spelled();
        let key = PublicKey::from(certificate.public_key().clone());
        let authority = PublicKey::from(certificate.signature_key().clone());
        if let Some(place) = self.revoked(&name, &key).or_else(|| self.revoked(&name, &authority)) {
            return Ok(Some(Verdict::Revoked(place)));
        }
        let known = |line: &Line| line.key.key_data() == authority.key_data();
        if !self.of(&name, Marker::Authority).any(known) {
            return Ok(None);
        }
        let names = certificate.valid_principals();
        let named = names
            .iter()
            .any(|pattern| matches_pattern(host.bare.as_bytes(), pattern.to_lowercase().as_bytes()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map(|now| now.as_secs()).unwrap_or_default();
        if !certificate.cert_type().is_host() {
            Err("the server's certificate is one of a user".to_owned())
        // Without names it is for any host.
        } else if !names.is_empty() && !named {
            Err(format!("the server's certificate is for {}, not for {}", names.join(", "), host.bare))
        } else if now < certificate.valid_after() || now >= certificate.valid_before() {
            Err("the server's certificate is not valid at this time".to_owned())
        } else if let Some(option) = certificate.critical_options().keys().next() {
            Err(format!("the server's certificate has a critical option that nobody knows here: {option}"))
        } else if let Err(error) = certificate.verify_signature() {
            Err(format!("the signature on the server's certificate is wrong: {error}"))
        } else {
            Ok(Some(Verdict::Known))
        }
    }

    /// Types of keys that are known for a host: to be asked for first, so that a known key is not passed over.
    #[must_use]
    pub fn algorithms(&self, host: &HostName) -> Vec<Algorithm> {
        let mut algorithms = Vec::new();
        let bare = (host.port != 22).then(|| host.bare.clone());
        for name in std::iter::once(host.spelled()).chain(bare) {
            for line in self.of(&name, Marker::None) {
                if !algorithms.contains(&line.key.algorithm()) {
                    algorithms.push(line.key.algorithm());
                }
            }
        }
        algorithms
    }

    /// Whether some authority is known for a host: only then certificates are asked for.
    #[must_use]
    pub fn has_authority(&self, host: &HostName) -> bool {
        self.of(&host.spelled(), Marker::Authority).next().is_some()
    }

    fn revoked(&self, name: &str, key: &PublicKey) -> Option<Place> {
        let mut lines = self.of(name, Marker::Revoked);
        lines.find(|line| line.key.key_data() == key.key_data()).map(|line| line.place.clone())
    }

    fn of<'a>(&'a self, name: &'a str, marker: Marker) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(move |line| line.marker == marker && line.hosts.match_name(name))
    }
}

// === impl HostName ===

impl HostName {
    /// The name by which a host is looked up: its `HostKeyAlias`, else the name or address that is connected to.
    #[must_use]
    pub fn new(name: &str, port: u16) -> Self {
        HostName { bare: name.to_lowercase(), port }
    }

    /// As it is written in a file.
    #[must_use]
    pub fn spelled(&self) -> String {
        if self.port == 22 { self.bare.clone() } else { format!("[{}]:{}", self.bare, self.port) }
    }
}

/// A line that makes a host known, without its end; `hashed` hides the name, as `HashKnownHosts yes` does.
///
/// # Errors
/// The key cannot be written (which no key that came over a connection is).
pub fn new_line(host: &HostName, key: &PublicKey, hashed: bool) -> Result<String, String> {
    let mut name = host.spelled();
    if hashed {
        let mut salt = [0; 20];
        getrandom::fill(&mut salt).map_err(|e| e.to_string())?;
        let tag = hash(&salt, &name);
        name = format!("|1|{}|{}", BASE64_STANDARD.encode(salt), BASE64_STANDARD.encode(tag.as_ref()));
    }
    let mut key = key.clone();
    key.set_comment("");
    Ok(format!("{name} {}", key.to_openssh().map_err(|e| e.to_string())?.trim_end()))
}

// === impl Line ===

impl Line {
    fn read(place: Place, line: &str) -> Option<Line> {
        let mut words = line.split_whitespace().peekable();
        let marker = match *words.peek()? {
            comment if comment.starts_with('#') => return None,
            "@cert-authority" => Marker::Authority,
            "@revoked" => Marker::Revoked,
            unknown if unknown.starts_with('@') => return None,
            _ => Marker::None,
        };
        if marker != Marker::None {
            words.next();
        }
        let hosts = Patterns::read(words.next()?)?;
        let kind = words.next()?;
        let key = russh::keys::parse_public_key_base64(words.next()?).ok()?;
        (key.algorithm().as_str() == kind).then_some(Line { place, marker, hosts, key })
    }
}

/// For which hosts a line is.
#[derive(Clone, Debug)]
enum Patterns {
    /// `a,*.b,!c.b`, in small letters.
    Plain(Vec<String>),
    /// `|1|salt|HMAC-SHA1(salt, name)`.
    Hashed { salt: Vec<u8>, tag: Vec<u8> },
}

impl Patterns {
    fn read(text: &str) -> Option<Patterns> {
        let Some(hashed) = text.strip_prefix('|') else {
            return Some(Patterns::Plain(text.split(',').map(str::to_lowercase).collect()));
        };
        let (salt, tag) = hashed.strip_prefix("1|")?.split_once('|')?;
        Some(Patterns::Hashed {
            salt: BASE64_STANDARD.decode(salt).ok()?,
            tag: BASE64_STANDARD.decode(tag).ok()?,
        })
    }

    fn match_name(&self, name: &str) -> bool {
        match self {
            Patterns::Hashed { salt, tag } => hash(salt, name).as_ref() == tag.as_slice(),
            Patterns::Plain(patterns) => {
                let fits = |pattern: &str| matches_pattern(name.as_bytes(), pattern.as_bytes());
                let excluded = patterns.iter().filter_map(|p| p.strip_prefix('!')).any(fits);
                !excluded && patterns.iter().filter(|p| !p.starts_with('!')).any(|p| fits(p))
            }
        }
    }
}

fn hash(salt: &[u8], name: &str) -> hmac::Tag {
    // The format demands SHA-1, to hide names from whoever reads the file; no trust rests on it.
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt), name.as_bytes())
}

/// `*` is any number of characters, `?` is one. Linear: after a mismatch only the last `*` takes one more.
fn matches_pattern(text: &[u8], pattern: &[u8]) -> bool {
    let (mut t, mut p) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";
    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHwf2HMM5TRXvo2SQJjsNkiDD5KqiiNjrGVv3UUh+mMT5RHxiRtOnlqvjhQtBq0VpmpCV/PwUdhOig4vkbqAcEc=";

    fn key(text: &str) -> PublicKey {
        russh::keys::parse_public_key_base64(text.split(' ').nth(1).unwrap()).unwrap()
    }

    fn judge(file: &str, host: &str, port: u16) -> Verdict {
        let mut known = KnownHosts::default();
        known.add(Path::new("known_hosts"), file);
        known.judge(&HostName::new(host, port), &key(KEY))
    }

    fn at(line: usize) -> Place {
        Place { file: Path::new("known_hosts").into(), line }
    }

    #[test]
    fn names_wildcards_negation_and_ports() {
        for (hosts, host, port, known) in [
            ("web01", "WEB01", 22, true),
            ("web01", "web01", 2222, true),
            ("[web01]:2222", "web01", 2222, true),
            ("[web01]:2222", "web01", 22, false),
            ("a,web*,b", "web01", 22, true),
            ("web*,!web01", "web01", 22, false),
            ("!web01,web*", "web01", 22, false),
            ("web0?", "web01", 22, true),
            ("*.example.org", "example.org", 22, false),
            ("[*.example.org]:2222", "a.example.org", 2222, true),
            ("10.0.0.*", "10.0.0.7", 22, true),
        ] {
            let verdict = judge(&format!("# hosts\n\n{hosts} {KEY} comment\n"), host, port);
            let wanted = if known { Verdict::Known } else { Verdict::New };
            assert_eq!(verdict, wanted, "{hosts} for {host} at {port}");
        }
    }

    #[test]
    fn a_later_line_that_knows_the_key_wins_and_another_type_is_a_change() {
        assert_eq!(judge(&format!("h {OTHER}\nh {KEY}\n"), "h", 22), Verdict::Known);
        assert_eq!(judge(&format!("h {ECDSA}\nh {OTHER}\n"), "h", 22), Verdict::Changed(at(1)));
        assert_eq!(judge(&format!("h {ECDSA}\n"), "h", 22), Verdict::Changed(at(1)));
        assert_eq!(judge(&format!("h {OTHER}\n"), "h", 2222), Verdict::New);
    }

    #[test]
    fn a_revoked_key_is_revoked_wherever_that_stands() {
        assert_eq!(judge(&format!("h {KEY}\n@revoked * {KEY}\n"), "h", 22), Verdict::Revoked(at(2)));
        assert_eq!(judge(&format!("@cert-authority h {KEY}\n"), "h", 22), Verdict::New);
        assert_eq!(judge(&format!("@unheard-of h {KEY}\n"), "h", 22), Verdict::New);
    }

    #[test]
    fn a_new_line_is_read_back_hashed_or_not() {
        for hashed in [false, true] {
            let line = new_line(&HostName::new("Web01", 2222), &key(KEY), hashed).unwrap();
            assert_eq!(line.starts_with("|1|"), hashed, "{line}");
            assert_eq!(judge(&line, "web01", 2222), Verdict::Known, "{line}");
            assert_ne!(judge(&line, "web02", 2222), Verdict::Known);
        }
    }

    #[test]
    fn lines_that_make_no_sense_are_passed_over() {
        for line in [
            "h",
            "h ssh-ed25519",
            "h ssh-ed25519 !!!!",
            "|1|x|y ssh-ed25519 AAAA",
            "|2|a|b c d",
            "h ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ",
            "@revoked",
        ] {
            assert_eq!(judge(&format!("{line}\nh {KEY}"), "h", 22), Verdict::Known, "{line}");
        }
    }
}
