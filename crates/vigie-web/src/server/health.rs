//! `drain` and `undrain`, wherever load balancers are answered.

use super::at::blocking;
use super::control::{Body, part, read};
use super::reply::Refused;
use super::sides::HealthSide;
use crate::messages::{ApiError, DrainReport, DrainRequest, ErrorKind};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use std::sync::Arc;

type Health = State<Arc<dyn HealthSide>>;

/// The addresses that every process with health answers has, an agent or not.
pub(super) fn routes(health: Arc<dyn HealthSide>) -> Router {
    Router::new().route("/drain", post(drain)).route("/undrain", post(undrain)).with_state(health)
}

pub(super) async fn status(State(health): Health) -> Json<serde_json::Value> {
    Json(part("health", health.status()))
}

async fn drain(State(health): Health, body: Body<DrainRequest>) -> Result<Json<DrainReport>, Refused> {
    let DrainRequest { reason } = read(body)?;
    blocking(move || health.drain(reason.as_deref()).map_err(not_kept)).await.map(Json)
}

async fn undrain(State(health): Health) -> Result<Json<DrainReport>, Refused> {
    blocking(move || health.undrain().map_err(not_kept)).await.map(Json)
}

fn not_kept(why: String) -> ApiError {
    ApiError::new(ErrorKind::Internal, why).hint("nothing has changed")
}
