//! `status`, `flush` and `invite`.

use super::at::blocking;
use super::reply::Refused;
use super::room::Room;
use super::sides::InviteRefused;
use super::{AgentState, HubState};
use crate::limits::{FLUSH_TIMEOUT_MAX, INVITE_VALID_MAX};
use crate::messages::{ApiError, ErrorKind, FlushReport, FlushRequest, InviteRequest, Invited};
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::{Extension, Json};
use std::time::Duration;

/// How long a flush waits when the question does not say.
const FLUSH_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

pub(super) type Body<T> = Result<Json<T>, JsonRejection>;

pub(super) async fn hub_status(State(state): State<HubState>) -> Json<serde_json::Value> {
    Json(part("hub", state.hub.status().await))
}

pub(super) async fn agent_status(State(state): State<AgentState>) -> Json<serde_json::Value> {
    let mut status = part("agent", state.agent.status().await);
    if let (Some(health), Some(fields)) = (&state.health, status.as_object_mut()) {
        fields.insert("health".into(), health.status());
    }
    Json(status)
}

/// Says which part of Vigie speaks, in the first field.
pub(super) fn part(name: &str, status: serde_json::Value) -> serde_json::Value {
    let mut all = serde_json::Map::new();
    all.insert("part".into(), name.into());
    match status {
        serde_json::Value::Object(fields) => all.extend(fields),
        other => {
            all.insert("status".into(), other);
        }
    }
    all.into()
}

pub(super) async fn hub_flush(
    State(state): State<HubState>,
    Extension(room): Extension<Room>,
    body: Body<FlushRequest>,
) -> Result<Json<FlushReport>, Refused> {
    let request = read(body)?;
    let _slot = room.flush()?;
    let machine = match &request.machine {
        Some(name) => Some(
            blocking({
                let (store, name) = (state.hub.store().clone(), name.clone());
                move || super::at::machine(&store, &name)
            })
            .await?,
        ),
        None => None,
    };
    Ok(Json(state.hub.flush(machine, timeout(&request)?).await))
}

pub(super) async fn agent_flush(
    State(state): State<AgentState>,
    Extension(room): Extension<Room>,
    body: Body<FlushRequest>,
) -> Result<Json<FlushReport>, Refused> {
    let request = read(body)?;
    let _slot = room.flush()?;
    if request.machine.is_some() {
        let error = ApiError::new(ErrorKind::Unsupported, "an agent can only flush itself");
        return Err(error.hint("ask the hub for another machine").into());
    }
    Ok(Json(state.agent.flush(timeout(&request)?).await))
}

pub(super) async fn invite(
    State(state): State<HubState>,
    body: Body<InviteRequest>,
) -> Result<Json<Invited>, Refused> {
    let request = read(body)?;
    let valid = Duration::from_secs(request.valid_secs);
    if valid.is_zero() || valid > INVITE_VALID_MAX {
        let days = INVITE_VALID_MAX.as_secs() / (24 * 3600);
        let error = ApiError::new(ErrorKind::Usage, "an invitation cannot be valid for that long");
        return Err(error.hint(format!("at least a second, at most {days} days")).into());
    }
    let token = blocking(move || {
        state.hub.invite(&request.name, valid).map_err(|refused| match refused {
            InviteRefused::Name(why) => ApiError::new(ErrorKind::Usage, why),
            InviteRefused::Failed(why) => ApiError::new(ErrorKind::Internal, why),
        })
    })
    .await?;
    Ok(Json(Invited { token }))
}

pub(super) fn read<T>(body: Body<T>) -> Result<T, Refused> {
    match body {
        Ok(Json(body)) => Ok(body),
        Err(rejection) => Err(ApiError::new(ErrorKind::Usage, rejection.body_text())
            .hint("send JSON with content-type: application/json")
            .into()),
    }
}

fn timeout(request: &FlushRequest) -> Result<Duration, Refused> {
    let timeout = request.timeout_ms.map_or(FLUSH_TIMEOUT_DEFAULT, Duration::from_millis);
    if timeout > FLUSH_TIMEOUT_MAX {
        return Err(ApiError::new(ErrorKind::Usage, "a flush cannot wait longer than a day").into());
    }
    Ok(timeout)
}
