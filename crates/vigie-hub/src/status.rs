//! What a hub says of itself and of its machines.

use crate::hub::Hub;
use bytes::Bytes;
use serde::Serialize;
use std::time::Duration;
use vigie_model::status::AgentStatus;
use vigie_model::{MachineId, UnixNanos};
use vigie_store::{Damage, Gap, Health};
use vigie_wire::STATUS;

/// How long a machine has to tell how it does.
const STATUS_WITHIN: Duration = Duration::from_secs(2);
/// Longest status that is taken from an agent.
const STATUS_BYTES_MAX: usize = 1024 * 1024;

/// How a hub does.
#[derive(Clone, Debug, Serialize)]
pub struct HubStatus {
    /// Version of the program.
    pub version: &'static str,
    /// The hub, as a machine.
    pub hub: String,
    /// Where agents reach it, when it listens for them.
    pub listen: Option<String>,
    /// `ok`, or what is wrong with the store, in words.
    pub store: String,
    /// How much is stored.
    pub sizes: SizesStatus,
    /// Every machine that ever enrolled, by name.
    pub machines: Vec<MachineStatus>,
}

/// How much is stored.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SizesStatus {
    /// Records in the journal.
    pub records: u64,
    /// Records of known kinds that could not be read: they are in the journal, and in no answer.
    pub unread: u64,
    /// Distinct blocks.
    pub blocks: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Bytes of the packs.
    pub pack_bytes: u64,
    /// Bytes of the index.
    pub index_bytes: u64,
}

/// How a machine does.
#[derive(Clone, Debug, Serialize)]
pub struct MachineStatus {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Whether an agent is connected.
    pub connected: bool,
    /// From where.
    pub address: Option<String>,
    /// Since when, in nanoseconds since 1970.
    pub connected_since_unix_ns: Option<i64>,
    /// Since when nothing is heard of it, in nanoseconds since 1970 ([`Hub::away_since`]).
    pub away_since_unix_ns: Option<i64>,
    /// Name and version of its agent.
    pub software: Option<String>,
    /// When its last durable record was observed, in nanoseconds since 1970.
    pub last_observed_unix_ns: Option<i64>,
    /// Place of its last durable record in the journal.
    pub last_seq: Option<u64>,
    /// Gaps that are open.
    pub gaps: Vec<GapStatus>,
    /// What its agent says, when it is connected and answers.
    pub agent: Option<AgentStatus>,
}

/// A gap that is open.
#[derive(Clone, Debug, Serialize)]
pub struct GapStatus {
    /// Path of the root.
    pub root: String,
    /// Why.
    pub cause: &'static str,
    /// Changes may be missing since then, in nanoseconds since 1970.
    pub since_unix_ns: Option<i64>,
    /// Place in the journal of the record that opened it.
    pub opened_seq: u64,
}

/// What is known to be damaged, in words.
fn told_damage(damage: Damage) -> Option<String> {
    let told = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {many}")),
    };
    let packs = told(damage.packs, "pack is missing or cut short", "packs are missing or cut short");
    let blocks = told(damage.blocks, "block was found damaged", "blocks were found damaged");
    let all: Vec<String> = packs.into_iter().chain(blocks).collect();
    (!all.is_empty())
        .then(|| format!("damage found since the start: {}; `vigie verify` names the files", all.join(", ")))
}

impl Hub {
    /// Asks the store, and every connected agent, how they do.
    pub async fn status(&self) -> HubStatus {
        let sizes = self.store().sizes();
        let machines = self.store().machines().unwrap_or_default();
        let machines = machines.into_iter().map(|(id, name)| self.machine_status(id, name));
        let mut machines = futures_util::future::join_all(machines).await;
        machines.sort_by(|a, b| a.name.cmp(&b.name));
        HubStatus {
            version: env!("CARGO_PKG_VERSION"),
            hub: self.machine().to_string(),
            listen: self.listening().map(|address| address.to_string()),
            store: match self.store().health() {
                Health::Ok => told_damage(self.store().found_damaged()).unwrap_or_else(|| "ok".into()),
                Health::DiskFull => "the disk is full: agents wait".into(),
                Health::Poisoned(why) => format!("stopped: {why}"),
                Health::IndexStalled(why) => format!("the index lags behind: {why}"),
            },
            sizes: SizesStatus {
                records: sizes.records,
                unread: sizes.unread,
                blocks: sizes.blocks,
                journal_bytes: sizes.journal_bytes,
                pack_bytes: sizes.pack_bytes,
                index_bytes: sizes.index_bytes,
            },
            machines,
        }
    }

    async fn machine_status(&self, id: MachineId, name: String) -> MachineStatus {
        let open = self.sessions().of(id);
        let agent = match &open {
            None => None,
            Some(open) => {
                let caller = &open.handle.caller;
                let answer = caller.call(STATUS, Bytes::new(), STATUS_WITHIN, STATUS_BYTES_MAX).await;
                answer.ok().and_then(|body| serde_json::from_slice(&body).ok())
            }
        };
        let last = self.store().last_of(id).ok().flatten();
        let away_since = self.away_since(id).ok().flatten();
        let gaps = self.store().gaps(id).unwrap_or_default();
        MachineStatus {
            name,
            id: id.to_string(),
            connected: open.is_some(),
            address: open.as_ref().and_then(|o| o.address).map(|address| address.to_string()),
            connected_since_unix_ns: open.as_ref().map(|o| o.since.0),
            away_since_unix_ns: away_since.map(|UnixNanos(ns)| ns),
            software: open.map(|o| o.software),
            last_observed_unix_ns: last.map(|l| l.observed.0),
            last_seq: last.map(|l| l.seq.0),
            gaps: gaps.iter().filter(|gap| gap.closed.is_none()).map(gap_status).collect(),
            agent,
        }
    }
}

fn gap_status(gap: &Gap) -> GapStatus {
    GapStatus {
        root: gap.root.to_string(),
        cause: gap.cause.as_str(),
        since_unix_ns: gap.since.map(|UnixNanos(ns)| ns),
        opened_seq: gap.opened.0.0,
    }
}
