//! What every command is given.

use crate::cli::GlobalArgs;
use crate::failure::Failure;
use crate::location::{self, Location};
use crate::output::{Output, escaped, short_time};
use crate::places;
use std::path::{Path, PathBuf};
use vigie_model::status::AgentStatus;
use vigie_web::client::{Client, ClientError, Place};
use vigie_web::messages::{Answer, Away, ErrorKind, LogQuery, TreeQuery};

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    /// Where to print.
    pub(crate) out: Output,
    hub_api: Option<Place>,
    agent_api: Option<PathBuf>,
}

impl Context {
    pub(crate) fn new(global: GlobalArgs) -> Self {
        Context { out: Output::new(global.json), hub_api: global.hub_api, agent_api: global.agent_api }
    }

    /// Whether the user named the hub and no agent, so that no other place may be asked instead.
    pub(crate) fn hub_is_named(&self) -> bool {
        self.hub_api.is_some() && self.agent_api.is_none()
    }

    /// A client of the hub: the one that was named, else the one at the default socket.
    pub(crate) fn hub(&self) -> Result<Client, Failure> {
        let place = match &self.hub_api {
            Some(place) => place.clone(),
            None => Place::Socket(
                places::hub_data()
                    .map_err(|e| e.hint("name the hub's socket with --hub-api or VIGIE_API"))?
                    .join(places::HUB_SOCKET),
            ),
        };
        Ok(Client::new(place))
    }

    /// A client of the hub on this data directory, when one is given and none was named otherwise.
    pub(crate) fn hub_at(&self, data: Option<&Path>) -> Result<Client, Failure> {
        match data {
            Some(data) => Ok(Client::new(Place::Socket(data.join(places::HUB_SOCKET)))),
            None => self.hub(),
        }
    }

    /// Where an agent's socket may be, best first.
    fn agent_sockets(&self) -> Vec<PathBuf> {
        if let Some(path) = &self.agent_api {
            return vec![path.clone()];
        }
        // A hub that was named by its socket may be that of `vigie up`, with an agent inside.
        let beside = match &self.hub_api {
            Some(Place::Socket(socket)) => socket.parent().map(places::agent_state_of_up),
            _ => None,
        };
        let beside = beside.map(|dir| dir.join(places::AGENT_SOCKET));
        let own = places::agent_state().map(|dir| dir.join(places::AGENT_SOCKET));
        let inside_up =
            places::hub_data().map(|dir| places::agent_state_of_up(&dir).join(places::AGENT_SOCKET));
        beside.into_iter().chain(own).chain(inside_up).collect()
    }

    /// Whether the user named an agent and no hub, so that nothing of the hub's is wanted.
    pub(crate) fn agent_is_meant(&self) -> bool {
        self.agent_api.is_some() && self.hub_api.is_none()
    }

    /// The agent's socket, if the user named it.
    pub(crate) fn agent_is_named(&self) -> Option<&Path> {
        self.agent_api.as_deref()
    }

    /// The local agent and how it does.
    pub(crate) async fn agent(&self) -> Result<(Client, serde_json::Value), Failure> {
        let mut nobody = None;
        for path in self.agent_sockets() {
            let client = Client::new(Place::Socket(path));
            match client.status().await {
                Ok(status) => return Ok((client, status)),
                Err(error) => nobody = Some(error),
            }
        }
        Err(nobody.map_or_else(|| Failure::failed("no agent runs here"), Failure::from))
    }

    /// Name of this machine: what its agent says, else what the kernel says.
    pub(crate) async fn this_machine(&self) -> Result<String, Failure> {
        if let Ok((_, status)) = self.agent().await
            && let Ok(status) = serde_json::from_value::<AgentStatus>(status)
        {
            return Ok(status.machine);
        }
        places::host_name()
    }

    /// The question for an object on a machine at an instant.
    pub(crate) async fn tree_query(
        &self,
        location: &Location,
        at: Option<vigie_model::Instant>,
    ) -> Result<TreeQuery, Failure> {
        let machine = match &location.machine {
            Some(machine) => machine.clone(),
            None => {
                let hint = || format!("name the machine: MACHINE:{}", escaped(location.path.as_bytes()));
                self.this_machine().await.map_err(|failure| failure.hint(hint()))?
            }
        };
        let query = TreeQuery { machine, path: location.path.clone(), at: at.unwrap_or_default() };
        self.behind_links(location, query).await
    }

    /// The same question behind the symbolic links of this machine, when nothing is recorded at the path as it was
    /// given: roots are recorded by their real paths.
    async fn behind_links(&self, location: &Location, query: TreeQuery) -> Result<TreeQuery, Failure> {
        let places = location::behind_links(&query.path);
        if places.is_empty() {
            return Ok(query);
        }
        if location.machine.is_some() && self.this_machine().await.ok() != location.machine {
            return Ok(query);
        }
        let hub = self.hub()?;
        let given = query.path.clone();
        for path in [given.clone()].into_iter().chain(places) {
            let asked = TreeQuery { path, ..query.clone() };
            match hub.ls(&asked, false).await {
                Err(ClientError::Refused(refused)) if refused.kind == ErrorKind::NotFound => {}
                _ => {
                    if asked.path != given {
                        self.out.remark(&format!("{given} leads to {}", asked.path));
                    }
                    return Ok(asked);
                }
            }
        }
        Ok(query)
    }

    /// An answer about a place, or why there is none. Where nothing is there, and the place was typed as one `word`
    /// that is also a machine's name, that is likely what was meant.
    pub(crate) async fn of_place<T>(
        &self,
        word: Option<&str>,
        answer: Result<T, ClientError>,
    ) -> Result<T, Failure> {
        let error = match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let is_not_found =
            matches!(&error, ClientError::Refused(refused) if refused.kind == ErrorKind::NotFound);
        let failure = hub_failure(error);
        Err(match word {
            Some(word) if is_not_found && self.is_machine(word).await => {
                failure.hint(format!("{word} is also the name of a machine: {word}:/"))
            }
            _ => failure,
        })
    }

    /// Whether the hub knows a machine of this name.
    async fn is_machine(&self, name: &str) -> bool {
        let Ok(hub) = self.hub() else { return false };
        let query = LogQuery { machine: Some(name.to_owned()), newest: Some(0), ..LogQuery::default() };
        hub.log(&query).await.is_ok()
    }

    /// Says why an answer may not be the whole truth: its instant lies in a gap, or after the machine was heard
    /// of, or what was asked for was not seen whole. True when there is a reason.
    pub(crate) fn warn_of_doubts(&self, answer: &Answer) -> bool {
        for gap in &answer.gaps {
            let root = vigie_web::text::exact(&gap.root, gap.root_b64.as_deref());
            let since = short_time(gap.since.as_ref().unwrap_or(&gap.opened));
            let until = gap.closed.as_deref().map_or_else(|| "now".to_owned(), short_time);
            self.out.warn(&format!(
                "changes of {} may be missing between {since} and {until} ({}, record #{})",
                escaped(&root),
                gap.cause,
                gap.opened_seq
            ));
        }
        if let Some(Away { machine, since, last_seq }) = &answer.away {
            let since = short_time(since);
            self.out.warn(&format!(
                "what happened on {machine} after {since} is not known: it is away, or has only just come back; this \
                 is what it told last (--at '#{last_seq}')"
            ));
        }
        for place in &answer.unseen {
            let path = vigie_web::text::exact(&place.path, place.path_b64.as_deref());
            self.out.warn(&format!(
                "not all of {} could be seen: this is what was known of it last",
                escaped(&path)
            ));
        }
        !answer.gaps.is_empty() || answer.away.is_some() || !answer.unseen.is_empty()
    }
}

/// A failure to ask the hub, with the advice that fits.
pub(crate) fn hub_failure(error: ClientError) -> Failure {
    let unreachable = error.is_unreachable();
    let failure = Failure::from(error);
    if unreachable {
        failure.hint(
            "is a hub running here (`vigie hub`, or `vigie up DIR`)? Name its socket with --hub-api or VIGIE_API",
        )
    } else {
        failure
    }
}
