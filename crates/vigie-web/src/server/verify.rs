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
    let report = store.verify(&mut |progress| {
        if told.is_some_and(|at| at.elapsed() < PROGRESS_EVERY) {
            return true;
        }
        told = Some(Instant::now());
        let vigie_store::Progress { blocks, blocks_total, bytes } = progress;
        tell(VerifyLine::Progress(VerifyProgress { blocks, blocks_total, bytes }))
    })?;
    let names: HashMap<_, _> = store.machines()?.into_iter().collect();
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
    let places = report.journal.iter().map(|place| {
        let vigie_store::DamagedPlace { file, offset, why } = place.clone();
        VerifyLine::DamagedPlace(DamagedPlace { file, offset, why })
    });
    let result = VerifyLine::Result(VerifyResult {
        blocks: report.blocks,
        bytes: report.bytes,
        records: report.records,
        damaged_blocks: report.damaged.len() as u64,
        damaged_places: report.journal.len() as u64,
    });
    if blocks.chain(places).chain([result]).all(tell) { Ok(()) } else { Err(StoreError::Stopped) }
}
