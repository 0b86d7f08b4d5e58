//! What a hub answers an agent's requests with.

use crate::hub::Hub;
use crate::tree::TreeParts;
use std::sync::Arc;
use tokio::sync::Semaphore;
use vigie_wire::frame::{Failure, FailureCode};
use vigie_wire::{IncomingCall, MachineCard, RENEW, TREE};

/// Whose turn it is to be told the tree, one at a time in each session: it takes megabytes to tell, which wait for the
/// slowest reader, and an agent that asks twice has given up the first.
#[derive(Clone, Debug)]
pub(crate) struct Turn(Arc<Semaphore>);

impl Turn {
    pub(crate) fn new() -> Self {
        Turn(Arc::new(Semaphore::new(1)))
    }
}

/// Answers in a task of its own: the session goes on meanwhile. It ends with the session, because then
/// nobody takes its parts.
pub(crate) fn spawn(hub: Hub, card: MachineCard, turn: Turn, call: IncomingCall) {
    tokio::spawn(async move {
        match call.capability() {
            TREE => tokio::select! {
                turn = turn.0.acquire() => {
                    tree(&hub, &card, call).await;
                    drop(turn);
                }
                _gone = call.gone() => {}
            },
            RENEW => renew(&hub, &card, call).await,
            _ => call.unknown().await,
        }
    });
}

async fn tree(hub: &Hub, card: &MachineCard, mut call: IncomingCall) {
    // What is acknowledged may not be in the index yet. Without it the tree would be an older one, and what was undone
    // since then would pass for what never happened.
    match hub.store().last_of(card.id) {
        Ok(None) => {}
        Ok(Some(last)) => tokio::select! {
            () = hub.visible(last.seq) => {}
            _gone = call.gone() => return,
        },
        Err(why) => return call.fail(Failure::new(FailureCode::Failed, why.to_string())).await,
    }
    let mut parts = TreeParts::new(hub.store().clone(), card.id);
    loop {
        // Reading the index blocks.
        let work = hub.cpu().run(move || {
            let part = parts.next();
            (parts, part)
        });
        let part;
        (parts, part) = match work.await {
            Ok(done) => done,
            Err(why) => return call.fail(Failure::new(FailureCode::Failed, why)).await,
        };
        match part {
            Some(Ok(part)) => {
                if call.part(part.into()).await.is_err() {
                    return;
                }
            }
            Some(Err(why)) => return call.fail(Failure::new(FailureCode::Failed, why)).await,
            None => {
                let _given_up = call.finish(bytes::Bytes::new()).await;
                return;
            }
        }
    }
}

async fn renew(hub: &Hub, card: &MachineCard, call: IncomingCall) {
    let renewed = match hub.tls() {
        None => Err("this hub gives no certificates".to_owned()),
        Some(tls) => tls.renew(card, call.body()).map_err(|failure| failure.message),
    };
    match renewed {
        Ok(reply) => {
            tracing::info!(machine = card.name, "renewed its certificate");
            let _given_up = call.finish(reply).await;
        }
        Err(why) => {
            tracing::warn!(machine = card.name, "did not renew its certificate: {why}");
            call.fail(Failure::new(FailureCode::Refused, why)).await;
        }
    }
}
