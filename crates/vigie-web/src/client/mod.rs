//! The asking end: one method for each address of the API.
//!
//! Every request has a connection of its own, on the hub's Unix socket or on loopback TCP. Answers that can
//! be long are streams; a stream that ends early is an error, never a short answer.

mod body;
mod connect;
mod error;
mod place;

pub use body::{Bytes, Lines, Pieces};
pub use error::ClientError;
pub use place::{BadPlace, Place};

use crate::limits::ANSWER_BYTES_MAX;
use crate::messages::query_pairs;
use crate::messages::{
    Answer, DrainReport, DrainRequest, Entry, FlushReport, FlushRequest, GroupStatus, HEADER_AWAY,
    HEADER_CURSOR, HEADER_GAPS, HEADER_SEQ, HEADER_STATE, HEADER_UNSEEN, InviteRequest, Invited, LogLine,
    LogQuery, PREFIX, SetGroupRequest, StepDownRequest, TreeQuery, VerifyLine,
};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::http::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A client of one hub's, or one agent's, API. Cheap to clone; holds no connection.
#[derive(Clone, Debug)]
pub struct Client {
    place: Place,
}

impl Client {
    /// A client of the API at this place. Nothing is connected yet.
    pub fn new(place: Place) -> Self {
        Client { place }
    }

    /// Where this client asks.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// How the hub or the agent does, as JSON: `part` tells which of them answered.
    pub async fn status(&self) -> Result<serde_json::Value, ClientError> {
        self.whole(self.ask(Method::GET, "status", "", None).await?).await
    }

    /// Lines of the log, and the cursor behind which lies what was journaled after the question came. With `follow`
    /// the stream ends only with the hub or the connection.
    pub async fn log(&self, query: &LogQuery) -> Result<(Option<String>, Lines<LogLine>), ClientError> {
        let response = self.ask(Method::GET, "log", &query.to_query(), None).await?;
        let cursor = header(response.headers(), HEADER_CURSOR).map(str::to_owned);
        Ok((cursor, Lines::new(self.pieces(response))))
    }

    /// The object, or the entries of the directory; with `recursive` everything below.
    pub async fn ls(
        &self,
        query: &TreeQuery,
        recursive: bool,
    ) -> Result<(Answer, Lines<Entry>), ClientError> {
        let response = self.ask(Method::GET, "ls", &query.to_query(recursive, 0), None).await?;
        Ok((answer(response.headers()), Lines::new(self.pieces(response))))
    }

    /// The bytes of one file, without the first `offset` of them.
    pub async fn cat(&self, query: &TreeQuery, offset: u64) -> Result<(Answer, Pieces), ClientError> {
        let response = self.ask(Method::GET, "cat", &query.to_query(false, offset), None).await?;
        Ok((answer(response.headers()), self.pieces(response)))
    }

    /// An object with everything below it, as a PAX tar stream.
    pub async fn tree(&self, query: &TreeQuery) -> Result<(Answer, Pieces), ClientError> {
        let response = self.ask(Method::GET, "tree", &query.to_query(false, 0), None).await?;
        Ok((answer(response.headers()), self.pieces(response)))
    }

    /// Waits until everything before now is durable on the hub.
    pub async fn flush(&self, request: &FlushRequest) -> Result<FlushReport, ClientError> {
        let body = self.json("flush", request)?;
        self.whole(self.ask(Method::POST, "flush", "", Some(body)).await?).await
    }

    /// Has every block re-read.
    pub async fn verify(&self) -> Result<Lines<VerifyLine>, ClientError> {
        let response = self.ask(Method::POST, "verify", "", Some(Bytes::new())).await?;
        Ok(Lines::new(self.pieces(response)))
    }

    /// Makes a token with which a machine enrols.
    pub async fn invite(&self, request: &InviteRequest) -> Result<Invited, ClientError> {
        let body = self.json("invite", request)?;
        self.whole(self.ask(Method::POST, "invite", "", Some(body)).await?).await
    }

    /// Takes the machine out of service.
    pub async fn drain(&self, request: &DrainRequest) -> Result<DrainReport, ClientError> {
        let body = self.json("drain", request)?;
        self.whole(self.ask(Method::POST, "drain", "", Some(body)).await?).await
    }

    /// Takes the machine back into service.
    pub async fn undrain(&self) -> Result<DrainReport, ClientError> {
        self.whole(self.ask(Method::POST, "undrain", "", Some(Bytes::new())).await?).await
    }

    /// One group of principal and secondaires, or all.
    pub async fn roles(&self, group: Option<&str>) -> Result<Vec<GroupStatus>, ClientError> {
        let query = query_pairs([("group", group.map(str::to_owned))]);
        self.whole(self.ask(Method::GET, "roles", &query, None).await?).await
    }

    /// Asks the principal of a group to give the role back. Gives the group as it is then.
    pub async fn step_down(&self, request: &StepDownRequest) -> Result<Vec<GroupStatus>, ClientError> {
        let body = self.json("step-down", request)?;
        self.whole(self.ask(Method::POST, "step-down", "", Some(body)).await?).await
    }

    /// Sets something for a group. Gives the group as it is then.
    pub async fn set_group(&self, request: &SetGroupRequest) -> Result<Vec<GroupStatus>, ClientError> {
        let body = self.json("set-group", request)?;
        self.whole(self.ask(Method::POST, "set-group", "", Some(body)).await?).await
    }

    fn json<T: Serialize>(&self, act: &'static str, body: &T) -> Result<Bytes, ClientError> {
        serde_json::to_vec(body).map(Bytes::from).map_err(|source| ClientError::Write { act, source })
    }

    fn pieces(&self, response: Response<Incoming>) -> Pieces {
        Pieces::new(response.into_body(), self.place.clone())
    }

    async fn whole<T: DeserializeOwned>(&self, response: Response<Incoming>) -> Result<T, ClientError> {
        let body = self.pieces(response).whole(ANSWER_BYTES_MAX).await?;
        serde_json::from_slice(&body).map_err(|source| ClientError::Decode {
            place: self.place.clone(),
            what: "the answer",
            source,
        })
    }

    /// Sends one request and gives back the answer's head with its body still to be read; a refusal is
    /// read whole and returned as the error that it is.
    async fn ask(
        &self,
        method: Method,
        act: &'static str,
        query: &str,
        body: Option<Bytes>,
    ) -> Result<Response<Incoming>, ClientError> {
        let sep = if query.is_empty() { "" } else { "?" };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{PREFIX}/{act}{sep}{query}", self.place.base_path()))
            .header(HOST, self.place.host());
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|source| ClientError::Request { act, source })?;
        let response = connect::send(&self.place, request).await?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let text = self.pieces(response).whole(ANSWER_BYTES_MAX).await?;
        Err(ClientError::from_refusal(&self.place, status, &text))
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What the headers of an answer about a tree say.
fn answer(headers: &HeaderMap) -> Answer {
    let text = |name| header(headers, name);
    Answer {
        seq: text(HEADER_SEQ).and_then(|t| t.parse().ok()).unwrap_or_default(),
        gaps: text(HEADER_GAPS).and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default(),
        away: text(HEADER_AWAY).and_then(|t| serde_json::from_str(t).ok()),
        unseen: text(HEADER_UNSEEN).and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default(),
        state: text(HEADER_STATE).and_then(crate::messages::ContentState::from_word),
    }
}
