//! Which hosts are meant: node sets, and groups with a name. (ClusterShell's `clush(1)`, `groups.conf(5)`)
//!
//! `web[01-12],@db,ada@gate` · `@db` is a group of the default source, `@racks:r3` one of another. Groups come from an
//! inventory of ours (TOML: `[groups]`, `db = "db[1-3]"`), else from ClusterShell's `groups.conf`, whose own commands
//! are asked.

use crate::command::Command;
use crate::outcome::Ending;
use crate::ssh::session::quoted;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vigie_model::nodeset::NodeSet;

/// Groups in groups; deeper ones are a mistake, and take time to find.
const DEPTH_MAX: usize = 32;

/// For a command of `groups.conf`.
const UPCALL_PATIENCE: Duration = Duration::from_secs(20);

/// Why hosts cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// A file cannot be read.
    #[error("cannot read the inventory {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file makes no sense.
    #[error("the inventory {} makes no sense: {why}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Hosts that are no node set.
    #[error("`{text}` names no hosts: {source}")]
    NodeSet {
        /// As it was written.
        text: String,
        /// What is wrong.
        source: vigie_model::nodeset::NodeSetError,
    },
    /// A group that nobody knows.
    #[error("there is no group @{group} in {place}")]
    NoGroup {
        /// Its name.
        group: String,
        /// Where it was looked for.
        place: String,
    },
    /// A group that contains itself.
    #[error("the group @{0} contains itself")]
    Cycle(String),
    /// A command of `groups.conf` failed.
    #[error("cannot ask for the group @{group}: {why}")]
    Upcall {
        /// The group.
        group: String,
        /// What it said.
        why: String,
    },
}

/// Where groups come from.
#[derive(Debug, Default)]
pub struct Inventory {
    place: String,
    groups: HashMap<String, String>,
    /// ClusterShell's sources: for each, the command that tells the nodes of `$GROUP`.
    sources: HashMap<String, String>,
    default_source: String,
    directory: PathBuf,
}

impl Inventory {
    /// Reads this file; or the first that is there of the user's, the machine's, and ClusterShell's. Without any there
    /// are no groups.
    ///
    /// # Errors
    /// A file that is there cannot be read, or makes no sense.
    pub fn load(file: Option<&Path>) -> Result<Inventory, InventoryError> {
        let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
        let config = std::env::var_os("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
        let ours = [config.join("vigie/inventory.toml"), PathBuf::from("/etc/vigie/inventory.toml")];
        let theirs =
            [config.join("clustershell/groups.conf"), PathBuf::from("/etc/clustershell/groups.conf")];
        let places = match file {
            Some(file) => vec![file.to_owned()],
            None => ours.into_iter().chain(theirs).collect(),
        };
        for path in places {
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && file.is_none() => continue,
                Err(source) => return Err(InventoryError::Read { path, source }),
            };
            let is_theirs = path.extension().is_some_and(|extension| extension == "conf");
            return if is_theirs {
                Ok(Inventory::cluster_shell(&path, &text))
            } else {
                Inventory::toml(&path, &text)
            };
        }
        Ok(Inventory { place: "any inventory".to_owned(), ..Inventory::default() })
    }

    fn toml(path: &Path, text: &str) -> Result<Inventory, InventoryError> {
        let form = |why: String| InventoryError::Form { path: path.to_owned(), why };
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| form(e.to_string()))?;
        let groups = match table.get("groups") {
            Some(toml::Value::Table(groups)) => groups,
            _ => return Err(form("it has no [groups]".to_owned())),
        };
        let group = |(name, hosts): (&String, &toml::Value)| match hosts {
            toml::Value::String(hosts) => Ok((name.clone(), hosts.clone())),
            _ => Err(form(format!("the group {name} is no text such as \"web[01-12]\""))),
        };
        let groups = groups.iter().map(group).collect::<Result<_, _>>()?;
        Ok(Inventory { place: path.display().to_string(), groups, ..Inventory::default() })
    }

    /// `[Main]`, `default: source`; `[source]`, `map: command with $GROUP`.
    fn cluster_shell(path: &Path, text: &str) -> Inventory {
        let mut inventory = Inventory {
            place: path.display().to_string(),
            directory: path.parent().unwrap_or(Path::new("/")).to_owned(),
            ..Inventory::default()
        };
        let mut section = String::new();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.trim().to_owned();
            } else if let Some((key, value)) = line.split_once([':', '=']) {
                match (section.as_str(), key.trim()) {
                    ("Main", "default") => inventory.default_source = value.trim().to_owned(),
                    (_, "map") => {
                        inventory.sources.insert(section.clone(), value.trim().to_owned());
                    }
                    _ => {}
                }
            }
        }
        inventory
    }

    /// The hosts that a text means, each once, in the order of the text.
    ///
    /// # Errors
    /// It makes no sense, or names a group that is not there.
    pub async fn hosts(&self, text: &str) -> Result<Vec<String>, InventoryError> {
        let mut hosts = Vec::new();
        let mut path = Vec::new();
        self.collect(text, &mut hosts, &mut path).await?;
        let mut seen = HashSet::new();
        hosts.retain(|host| seen.insert(host.clone()));
        Ok(hosts)
    }

    async fn collect(
        &self,
        text: &str,
        hosts: &mut Vec<String>,
        path: &mut Vec<String>,
    ) -> Result<(), InventoryError> {
        for term in terms(text) {
            let Some(group) = term.strip_prefix('@') else {
                let bad = |source| InventoryError::NodeSet { text: term.to_owned(), source };
                let set: NodeSet = term.parse().map_err(bad)?;
                hosts.extend(set.names());
                continue;
            };
            if path.iter().any(|above| above == group) || path.len() >= DEPTH_MAX {
                return Err(InventoryError::Cycle(group.to_owned()));
            }
            let below = self.group(group).await?;
            path.push(group.to_owned());
            Box::pin(self.collect(&below, hosts, path)).await?;
            path.pop();
        }
        Ok(())
    }

    async fn group(&self, group: &str) -> Result<String, InventoryError> {
        let missing = || InventoryError::NoGroup { group: group.to_owned(), place: self.place.clone() };
        if let Some(hosts) = self.groups.get(group) {
            return Ok(hosts.clone());
        }
        let (source, name) = group.split_once(':').unwrap_or((self.default_source.as_str(), group));
        let map = self.sources.get(source).ok_or_else(missing)?;
        let directory = self.directory.to_string_lossy();
        // Names of groups are words; anything else would be for the shell to read.
        if !name.chars().all(|c| c.is_alphanumeric() || "-_.+".contains(c)) {
            return Err(missing());
        }
        let line =
            map.replace("$CFGDIR", &quoted(&directory)).replace("$GROUP", name).replace("$SOURCE", source);
        let why = |why: String| InventoryError::Upcall { group: group.to_owned(), why };
        let asked = Command::shell(&line).dir(&self.directory).time_limit(UPCALL_PATIENCE).run().await;
        let outcome = asked.map_err(|e| why(e.to_string()))?;
        if outcome.ending != Ending::Exited(0) {
            return Err(why(format!("{}, {}", outcome.ending, outcome.stderr.to_text().trim())));
        }
        let text = outcome.stdout.to_text();
        let hosts = text.split_whitespace().collect::<Vec<_>>().join(",");
        if hosts.is_empty() { Err(missing()) } else { Ok(hosts) }
    }
}

/// What stands between commas outside of brackets.
fn terms(text: &str) -> Vec<&str> {
    let (mut terms, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms.into_iter().map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toml(text: &str) -> Inventory {
        Inventory::toml(Path::new("inventory.toml"), text).unwrap()
    }

    #[tokio::test]
    async fn groups_in_groups_each_host_once() {
        let inventory = toml(
            "[groups]\nweb = \"web[08-10]\"\ndb = \"db1,@old\"\nold = \"db0\"\nall = \"@web,@db,web09\"\n",
        );
        let hosts = inventory.hosts("ada@gate,@all").await.unwrap();
        assert_eq!(hosts, ["ada@gate", "web08", "web09", "web10", "db1", "db0"]);
    }

    #[tokio::test]
    async fn circles_and_unknown_groups_are_said() {
        let inventory = toml("[groups]\na = \"@b\"\nb = \"x,@a\"\n");
        assert!(matches!(inventory.hosts("@a").await, Err(InventoryError::Cycle(group)) if group == "a"));
        let error = inventory.hosts("x,@c").await.unwrap_err().to_string();
        assert!(error.contains("@c") && error.contains("inventory.toml"), "{error}");
        assert!(matches!(inventory.hosts("web[1-").await, Err(InventoryError::NodeSet { .. })));
        assert!(Inventory::toml(Path::new("x"), "[groups]\na = 3\n").is_err());
    }

    #[tokio::test]
    async fn the_sources_of_cluster_shell_are_asked() {
        let directory = tempfile::tempdir().unwrap();
        let conf = directory.path().join("groups.conf");
        std::fs::write(directory.path().join("local.cfg"), "web: web[1-2] db1\nall: @web,x\n").unwrap();
        let text = "[Main]\ndefault: local\n[local]\nmap: sed -n 's/^$GROUP:\\(.*\\)/\\1/p' $CFGDIR/local.cfg\nlist: x\n\
                    [echo]\nmap: echo $GROUP-of-$SOURCE\n";
        std::fs::write(&conf, text).unwrap();
        let inventory = Inventory::load(Some(&conf)).unwrap();
        assert_eq!(inventory.hosts("@web,@echo:r3").await.unwrap(), ["web1", "web2", "db1", "r3-of-echo"]);
        assert_eq!(inventory.hosts("@all").await.unwrap(), ["web1", "web2", "db1", "x"]);
        assert!(matches!(inventory.hosts("@nothing").await, Err(InventoryError::NoGroup { .. })));
        assert!(matches!(inventory.hosts("@web;touch x").await, Err(InventoryError::NoGroup { .. })));
    }
}
