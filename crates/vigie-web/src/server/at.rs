//! Finding what a question is about: a machine, an instant, a path at that instant.

use super::away::beyond;
use super::reply::Refused;
use super::sides::HubSide;
use crate::limits::GAPS_NAMED_MAX;
use crate::messages::{
    ApiError, Away, ErrorKind, GapSpan, HEADER_AWAY, HEADER_GAPS, HEADER_SEQ, HEADER_UNSEEN, UnseenPlace,
};
use crate::text::{BadInstant, Shown, from_base64, parse_instant, place, rfc3339};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use std::error::Error;
use vigie_model::{BytePath, MachineId, NodeId, NodeState, NodeType, Seq};
use vigie_store::{Gap, InstantError, KvError, NodeVersion, Store, StoreError};

/// The question for an object of a machine at an instant, as it stands after the `?`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ObjectQuery {
    machine: String,
    path: Option<String>,
    path_b64: Option<String>,
    at: Option<String>,
    /// Only `ls` takes it.
    #[serde(default)]
    pub(super) recursive: bool,
    /// Only `cat` takes it: bytes to leave out at the front.
    #[serde(default)]
    pub(super) offset: u64,
}

/// A question that makes sense: of a machine that is known, and an instant that has come.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) machine: MachineId,
    /// The machine as it was asked for.
    name: String,
    pub(super) path: BytePath,
    pub(super) seq: Seq,
    /// Gaps that the instant lies in and that concern the path.
    gaps: Vec<Gap>,
    /// The machine was not heard of any more.
    away: Option<Away>,
    /// Directories on the way to the path that were not seen whole.
    unseen: Vec<BytePath>,
}

/// Where a question leads.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) asked: Asked,
    pub(super) target: Target,
}

/// What is at a path.
#[derive(Debug)]
pub(super) enum Target {
    /// A node.
    Node(NodeId, Box<NodeVersion>),
    /// A directory above roots: not recorded itself, but it must have been there.
    AboveRoots(Vec<BytePath>),
}

impl Asked {
    /// The object, as a command takes it.
    pub(super) fn place(&self) -> String {
        place(&self.name, self.path.as_bytes())
    }
}

impl Found {
    /// The node, where a directory above roots will not do.
    pub(super) fn node(&self) -> Result<(NodeId, &NodeVersion), ApiError> {
        match &self.target {
            Target::Node(node, version) => Ok((*node, version)),
            Target::AboveRoots(roots) => Err(not_watched(&self.asked.path, roots)),
        }
    }

    /// Writes what the answer has to say of itself into its headers.
    pub(super) fn describe(&self, headers: &mut HeaderMap) {
        let Asked { seq, gaps, away, unseen, .. } = &self.asked;
        headers.insert(HeaderName::from_static(HEADER_SEQ), HeaderValue::from(seq.0));
        if !gaps.is_empty() {
            let spans: Vec<GapSpan> = gaps.iter().take(GAPS_NAMED_MAX).map(span).collect();
            insert_json(headers, HEADER_GAPS, &spans);
        }
        if let Some(away) = away {
            insert_json(headers, HEADER_AWAY, away);
        }
        if !unseen.is_empty() {
            let places: Vec<UnseenPlace> = unseen.iter().map(unseen_place).collect();
            insert_json(headers, HEADER_UNSEEN, &places);
        }
    }
}

/// Says something in a header, in JSON. A header holds ASCII; JSON can say the rest in escapes.
fn insert_json(headers: &mut HeaderMap, name: &'static str, value: &impl Serialize) {
    let Ok(json) = serde_json::to_string(value) else { return };
    let ascii: String = json.chars().map(ascii).collect();
    if let Ok(value) = HeaderValue::from_str(&ascii) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// Finds what a question is about. Blocks.
pub(super) fn find(hub: &dyn HubSide, query: &ObjectQuery) -> Result<Found, ApiError> {
    let store = hub.store();
    let machine = machine(store, &query.machine)?;
    let path = path(query.path.as_deref(), query.path_b64.as_deref())?
        .ok_or_else(|| ApiError::new(ErrorKind::Usage, "`path` or `path_b64` is missing"))?;
    let at = parse_instant(query.at.as_deref().unwrap_or_default()).map_err(bad_instant)?;
    // Asked first: of a machine that comes back this moment, the answer may not have what it missed.
    let since = hub.away_since(machine).map_err(internal)?;
    let away = since.map(|since| beyond(hub, machine, &query.machine, at, since)).transpose()?.flatten();
    let at = store.resolve(machine, at).map_err(|error| unknown_instant(&query.machine, error))?;
    let concerns = |gap: &Gap| gap.root.below(&path).is_some() || path.below(&gap.root).is_some();
    let gaps: Vec<Gap> = at.inside.into_iter().filter(concerns).collect();
    let asked =
        Asked { machine, name: query.machine.clone(), path, seq: at.seq, gaps, away, unseen: Vec::new() };
    let asked = Asked { unseen: unseen_on_the_way(store, &asked)?, ..asked };
    let target = target(store, &asked)?;
    Ok(Found { asked, target })
}

/// The first directory on the way to a path that was not seen whole. What lies below it is not known either, so one
/// says all.
fn unseen_on_the_way(store: &Store, asked: &Asked) -> Result<Vec<BytePath>, ApiError> {
    let Asked { machine, path, seq, .. } = asked;
    let Some((root, nodes)) = store.way(*machine, path, *seq).map_err(internal)? else {
        return Ok(Vec::new());
    };
    for (depth, node) in nodes.into_iter().enumerate() {
        let version = store.node(*machine, node, *seq).map_err(internal)?;
        let is_unseen = |state: &NodeState| state.pending && state.meta.node_type == NodeType::Directory;
        if version.is_some_and(|version| is_unseen(&version.state)) {
            let below = path.below(&root).unwrap_or_default().split(|b| *b == b'/');
            let names: Vec<&[u8]> = below.filter(|name| !name.is_empty()).take(depth).collect();
            let unseen = [root.as_bytes(), b"/", &names.join(&b'/')[..]].concat();
            return Ok(BytePath::normalise(&unseen).into_iter().collect());
        }
    }
    Ok(Vec::new())
}

fn unseen_place(path: &BytePath) -> UnseenPlace {
    let shown = Shown::new(path.as_bytes());
    UnseenPlace { path: shown.text, path_b64: shown.b64 }
}

fn target(store: &Store, asked: &Asked) -> Result<Target, ApiError> {
    let Asked { machine, path, seq, .. } = asked;
    if let Some(node) = store.lookup(*machine, path, *seq).map_err(internal)?
        && let Some(version) = store.node(*machine, node, *seq).map_err(internal)?
    {
        return Ok(Target::Node(node, Box::new(version)));
    }
    let roots = store.roots(*machine, *seq).map_err(internal)?;
    let roots: Vec<BytePath> = roots.into_iter().map(|(root, _)| root).collect();
    let below: Vec<BytePath> = roots.iter().filter(|root| root.below(path).is_some()).cloned().collect();
    if !below.is_empty() {
        return Ok(Target::AboveRoots(below));
    }
    Err(nothing_there(store, asked, &roots))
}

/// Why nothing can be given: there is nothing, or it cannot be known whether there is.
fn nothing_there(store: &Store, asked: &Asked, roots: &[BytePath]) -> ApiError {
    let Asked { machine, path, gaps, away, unseen, .. } = asked;
    if !gaps.is_empty() {
        let text =
            format!("nothing is recorded at {path} then, but changes may be missing around that instant");
        return ApiError::new(ErrorKind::Inconclusive, text).hint("ask for an instant outside of the gap");
    }
    if !roots.iter().any(|root| path.below(root).is_some()) {
        let watched = listed(roots);
        return not_watched(path, roots).hint(format!(
            "watched there: {watched}; --at asks for an instant at which it was watched, if it ever was"
        ));
    }
    if let Some(Away { machine, since, last_seq }) = away {
        let text = format!(
            "nothing is recorded at {path}, but what happened on {machine} after {since} is not known"
        );
        return ApiError::new(ErrorKind::Inconclusive, text).hint(format!(
            "it is away, or has only just come back; --at '#{last_seq}' asks for what it told last"
        ));
    }
    if let Some(above) = unseen.first() {
        let text = format!("nothing is recorded at {path}, but not all of {above} could be seen then");
        return ApiError::new(ErrorKind::Inconclusive, text)
            .hint(format!("`vigie log {}` tells why", place(&asked.name, above.as_bytes())));
    }
    let error = ApiError::new(ErrorKind::NotFound, format!("there is no {path} at that instant"));
    match store.history(*machine, path) {
        Ok(history) if history.is_empty() => error.hint("nor is anything recorded of one at any other"),
        _ => error.hint(format!("`vigie log {}` tells when it was there", asked.place())),
    }
}

/// A path that nobody watches, so that nothing can be known about it.
pub(super) fn not_watched(path: &BytePath, roots: &[BytePath]) -> ApiError {
    ApiError::new(ErrorKind::NotFound, format!("{path} is not below a watched directory"))
        .hint(format!("watched there: {}", listed(roots)))
}

fn listed(roots: &[BytePath]) -> String {
    if roots.is_empty() {
        return "nothing".to_owned();
    }
    roots.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The machine with this name, or else with this id.
pub(super) fn machine(store: &Store, name: &str) -> Result<MachineId, ApiError> {
    if let Some(machine) = store.machine_named(name).map_err(internal)? {
        return Ok(machine);
    }
    let known = store.machines().map_err(internal)?;
    match MachineId::from_hex(name) {
        Some(id) if known.iter().any(|(machine, _)| *machine == id) => Ok(id),
        _ => {
            let names: Vec<_> = known.into_iter().map(|(_, name)| name).collect();
            let names = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
            let error = ApiError::new(ErrorKind::NotFound, format!("no machine is called `{name}`"));
            Err(error.hint(format!("known machines: {names}")))
        }
    }
}

/// The path of a question, given as text or exactly.
pub(super) fn path(text: Option<&str>, b64: Option<&str>) -> Result<Option<BytePath>, ApiError> {
    let wrong = |why: String| ApiError::new(ErrorKind::Usage, format!("the path is wrong: {why}"));
    let bytes = match (text, b64) {
        (_, Some(b64)) => from_base64(b64).ok_or_else(|| wrong("path_b64 is not base64".to_owned()))?,
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, None) => return Ok(None),
    };
    BytePath::normalise(&bytes).map(Some).map_err(|error| wrong(error.to_string()))
}

fn span(gap: &Gap) -> GapSpan {
    let root = Shown::new(gap.root.as_bytes());
    GapSpan {
        root: root.text,
        root_b64: root.b64,
        cause: gap.cause.as_str().to_owned(),
        since: gap.since.map(rfc3339),
        opened_seq: gap.opened.0.0,
        opened: rfc3339(gap.opened.1),
        closed_seq: gap.closed.map(|closed| closed.0.0),
        closed: gap.closed.map(|closed| rfc3339(closed.1)),
    }
}

/// A character of JSON text that a header can hold: ASCII as it is, the rest as `\uXXXX`.
fn ascii(c: char) -> String {
    if c.is_ascii() {
        return c.to_string();
    }
    let mut units = [0; 2];
    c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

pub(super) fn bad_instant(error: BadInstant) -> ApiError {
    ApiError::new(ErrorKind::Usage, error.to_string())
}

fn unknown_instant(name: &str, error: InstantError) -> ApiError {
    match error {
        InstantError::NoRecords(_) => {
            ApiError::new(ErrorKind::Inconclusive, format!("nothing is recorded of {name} yet"))
        }
        InstantError::BeforeFirst { first: (seq, time) } => ApiError::new(
            ErrorKind::Inconclusive,
            format!("what was on {name} before its first record is unknown"),
        )
        .hint(format!("its first record is #{seq}, of {}", rfc3339(time))),
        InstantError::Future { last } => ApiError::new(
            ErrorKind::Inconclusive,
            format!("that instant has not come yet: the last record is #{last}"),
        ),
        InstantError::Store(error) => internal(error),
    }
}

/// The index is derived from the journal, and mends itself: nothing is lost, and nothing may be concluded.
fn index_fault(why: &KvError) -> ApiError {
    tracing::error!(error = why as &dyn Error, "the index could not answer");
    let text = match why {
        KvError::Away => "the index of the store is being built anew",
        _ => "the index of the store is damaged, and is built anew from the journal",
    };
    ApiError::new(ErrorKind::Unavailable, text).hint(
        "nothing that is stored is lost by that; ask again in a moment: `vigie status` says how it stands",
    )
}

/// A fault of the store, with all that lies behind it: the answer must help whoever runs the hub.
pub(super) fn internal(error: StoreError) -> ApiError {
    match error {
        StoreError::Index(why) => return index_fault(&why),
        StoreError::Damaged { .. } => {
            return ApiError::new(ErrorKind::Damaged, error.to_string())
                .hint("`vigie verify` names all that is damaged, and what is lost by it");
        }
        _ => {}
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    ApiError::new(ErrorKind::Internal, text)
}

/// Runs what blocks where it may.
pub(super) async fn blocking<T, F>(work: F) -> Result<T, Refused>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, ApiError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Refused),
        Err(_) => Err(ApiError::new(ErrorKind::Internal, "the answer could not be made").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_hold_any_path() {
        let text: String = "é😀/\"".chars().map(ascii).collect();
        assert_eq!(text, "\\u00e9\\ud83d\\ude00/\"");
    }

    #[test]
    fn paths_are_read_from_either_field() {
        let at = |text, b64| path(text, b64).map(|p| p.map(|p| p.as_bytes().to_vec()));
        assert_eq!(at(Some("/a//b/"), None), Ok(Some(b"/a/b".to_vec())));
        assert_eq!(at(Some("/x"), Some("L2H_")), Ok(Some(b"/a\xff".to_vec())));
        assert_eq!(at(None, None), Ok(None));
        for (text, b64) in [(Some("a"), None), (Some("/a/../b"), None), (None, Some("*"))] {
            assert_eq!(at(text, b64).unwrap_err().kind, ErrorKind::Usage);
        }
    }
}
