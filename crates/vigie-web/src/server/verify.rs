//! `verify`: every block is re-read.

use super::HubState;
use super::at::internal;
use super::reply::{BodyWriter, Gone, NDJSON, Refused, streamed};
use crate::messages::{
    ApiError, DamagedBlock, DamagedFile, DamagedPlace, ErrorKind, VerifyLine, VerifyProgress, VerifyResult,
};
use crate::text::Shown;
use axum::extract::State;
use axum::response::Response;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use vigie_store::{Store, StoreError};

/// What the index is called among damaged files.
const INDEX: &str = "index";

/// Time between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

pub(super) async fn verify(State(state): State<HubState>) -> Result<Response, Refused> {
    let Ok(permit) = state.verifying.clone().try_acquire_owned() else {
        let error = ApiError::new(ErrorKind::Unavailable, "a verification is under way already");
        return Err(error.hint("it reads the whole store; ask again when it is done").into());
    };
    let store = state.hub.store().clone();
    let (mut writer, response) = streamed(NDJSON, ());
    tokio::task::spawn_blocking(move || {
        if run(&store, &mut writer).is_err() {
            tracing::debug!("the client did not wait for the end of its verification");
        }
        drop(permit);
    });
    Ok(response)
}

fn run(store: &Store, writer: &mut BodyWriter) -> Result<(), Gone> {
    let mut gone = Ok(());
    let done = verify_store(store, &mut |line| {
        gone = gone.and_then(|()| writer.line(&line)).and_then(|()| writer.push_blocking());
        gone.is_ok()
    });
    gone?;
    if let Err(error) = done {
        writer.last_words(internal(error))?;
    }
    writer.push_blocking()
}

/// Re-reads a store and tells what it finds, ending with the result. Blocks for as long as that takes, or until `tell`
/// answers that nobody listens any more.
pub fn verify_store(store: &Store, tell: &mut dyn FnMut(VerifyLine) -> bool) -> Result<(), StoreError> {
    let mut told: Option<Instant> = None;
    let machines = store.machines();
    let report = store.verify(&mut |progress| {
        if told.is_some_and(|at| at.elapsed() < PROGRESS_EVERY) {
            return true;
        }
        told = Some(Instant::now());
        let vigie_store::Progress { blocks, blocks_total, bytes } = progress;
        tell(VerifyLine::Progress(VerifyProgress { blocks, blocks_total, bytes }))
    })?;
    // An index that was found damaged may be away now, or have been then; without names there are ids.
    let names: HashMap<_, _> = store.machines().or(machines).unwrap_or_default().into_iter().collect();
    let blocks = report.damaged.iter().map(|block| {
        let file = |(machine, path): &(vigie_model::MachineId, Vec<u8>)| {
            let shown = Shown::new(path);
            let machine = names.get(machine).cloned().unwrap_or_else(|| machine.to_string());
            DamagedFile { machine, path: shown.text, path_b64: shown.b64 }
        };
        VerifyLine::DamagedBlock(DamagedBlock {
            digest: block.digest.to_string(),
            pack: block.pack,
            offset: block.offset,
            why: block.why.clone(),
            files: block.files.iter().map(file).collect(),
            files_total: block.files_total,
        })
    });
    let index =
        report.index.iter().map(|why| DamagedPlace { file: INDEX.into(), offset: 0, why: why.clone() });
    let places = report.places.iter().map(|place| {
        let vigie_store::DamagedPlace { file, offset, why } = place.clone();
        DamagedPlace { file, offset, why }
    });
    let places = places.chain(index).map(VerifyLine::DamagedPlace);
    let result = VerifyLine::Result(VerifyResult {
        blocks: report.blocks,
        bytes: report.bytes,
        records: report.records,
        damaged_blocks: report.damaged.len() as u64,
        damaged_places: report.places.len() as u64,
        index_is_damaged: report.index.is_some(),
    });
    if blocks.chain(places).chain([result]).all(tell) { Ok(()) } else { Err(StoreError::Stopped) }
}
