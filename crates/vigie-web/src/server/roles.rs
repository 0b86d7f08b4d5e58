//! `roles`, `step-down` and `set-group`.

use super::HubState;
use super::control::read;
use super::reply::Refused;
use super::sides::RoleRefused;
use crate::messages::{ApiError, ErrorKind, GroupStatus, RolesQuery, SetGroupRequest, StepDownRequest};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Query, State};

type Body<T> = Result<Json<T>, JsonRejection>;

pub(super) async fn roles(
    State(state): State<HubState>,
    Query(query): Query<RolesQuery>,
) -> Result<Json<Vec<GroupStatus>>, Refused> {
    Ok(Json(state.hub.groups(query.group).await.map_err(refused)?))
}

pub(super) async fn step_down(
    State(state): State<HubState>,
    body: Body<StepDownRequest>,
) -> Result<Json<Vec<GroupStatus>>, Refused> {
    let StepDownRequest { group, to } = read(body)?;
    state.hub.step_down(group.clone(), to).await.map_err(refused)?;
    Ok(Json(state.hub.groups(Some(group)).await.map_err(refused)?))
}

pub(super) async fn set_group(
    State(state): State<HubState>,
    body: Body<SetGroupRequest>,
) -> Result<Json<Vec<GroupStatus>>, Refused> {
    let request = read(body)?;
    let group = request.group.clone();
    state.hub.set_group(request).await.map_err(refused)?;
    Ok(Json(state.hub.groups(Some(group)).await.map_err(refused)?))
}

fn refused(why: RoleRefused) -> Refused {
    let error = match why {
        RoleRefused::Usage(why) => ApiError::new(ErrorKind::Usage, why),
        RoleRefused::NotFound(why) => ApiError::new(ErrorKind::NotFound, why)
            .hint("`vigie role show` lists every group with its members"),
        RoleRefused::NotNow(why) => ApiError::new(ErrorKind::Inconclusive, why),
        RoleRefused::Failed(why) => ApiError::new(ErrorKind::Internal, why),
    };
    error.into()
}
