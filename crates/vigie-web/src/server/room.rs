//! How much is answered at once. Every listener has a room of its own: what the users of the TCP address take is
//! not taken from the owner of the socket.

use super::reply::Refused;
use crate::limits::{
    FLUSHES_MAX, FOLLOWERS_MAX, RETRY_AFTER, STREAM_WAIT_MAX, STREAMS_MAX, STREAMS_WAITING_MAX,
};
use crate::messages::{ApiError, ErrorKind};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places for long answers of one listener.
#[derive(Clone, Debug)]
pub(super) struct Room {
    streams: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    followers: Arc<Semaphore>,
    flushes: Arc<Semaphore>,
}

/// A place; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Slot(#[expect(dead_code, reason = "kept for its drop")] OwnedSemaphorePermit);

impl Room {
    pub(super) fn new() -> Self {
        let of = |places| Arc::new(Semaphore::new(places));
        Room {
            streams: of(STREAMS_MAX),
            waiting: of(STREAMS_WAITING_MAX),
            followers: of(FOLLOWERS_MAX),
            flushes: of(FLUSHES_MAX),
        }
    }

    /// A place for a streamed answer; waits a little for one, in the order of asking.
    pub(super) async fn stream(&self) -> Result<Slot, Refused> {
        if let Ok(permit) = self.streams.clone().try_acquire_owned() {
            return Ok(Slot(permit));
        }
        let full = || no_room(STREAMS_MAX, "listings, logs, files and trees are being given");
        let _queued = self.waiting.clone().try_acquire_owned().map_err(|_| full())?;
        let wait = self.streams.clone().acquire_owned();
        match tokio::time::timeout(STREAM_WAIT_MAX, wait).await {
            Ok(Ok(permit)) => Ok(Slot(permit)),
            _ => Err(full()),
        }
    }

    /// A place for one who follows the log.
    pub(super) fn follower(&self) -> Result<Slot, Refused> {
        let permit = self.followers.clone().try_acquire_owned();
        permit.map(Slot).map_err(|_| no_room(FOLLOWERS_MAX, "clients follow the log"))
    }

    /// A place for a flush.
    pub(super) fn flush(&self) -> Result<Slot, Refused> {
        let permit = self.flushes.clone().try_acquire_owned();
        permit.map(Slot).map_err(|_| no_room(FLUSHES_MAX, "flushes are being waited for"))
    }
}

fn no_room(places: usize, what: &str) -> Refused {
    let error = ApiError::new(ErrorKind::Unavailable, format!("{places} {what} already"));
    Refused(error.hint(format!("ask again in {} seconds", RETRY_AFTER.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_waits_for_a_place_and_not_for_ever() {
        let room = Room::new();
        let mut slots = Vec::new();
        for _ in 0..STREAMS_MAX {
            slots.push(room.stream().await.unwrap());
        }
        let began = tokio::time::Instant::now();
        let refused = room.stream().await.unwrap_err().0;
        assert_eq!(refused.kind, ErrorKind::Unavailable);
        assert_eq!(began.elapsed(), STREAM_WAIT_MAX);
        let (slot, ()) = tokio::join!(room.stream(), async { drop(slots.pop()) });
        slot.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_wait() {
        let room = Room::new();
        let mut slots = Vec::new();
        for _ in 0..STREAMS_MAX {
            slots.push(room.stream().await.unwrap());
        }
        let asking = (0..=STREAMS_WAITING_MAX).map(|_| async {
            let began = tokio::time::Instant::now();
            assert!(room.stream().await.is_err());
            began.elapsed().is_zero()
        });
        let at_once = futures_util::future::join_all(asking).await;
        assert_eq!(at_once.into_iter().filter(|at_once| *at_once).count(), 1);
    }

    #[test]
    fn followers_and_flushes_have_their_own_places() {
        let room = Room::new();
        let followers: Vec<_> = (0..FOLLOWERS_MAX).map(|_| room.follower().unwrap()).collect();
        assert_eq!(room.follower().unwrap_err().0.kind, ErrorKind::Unavailable);
        let flushes: Vec<_> = (0..FLUSHES_MAX).map(|_| room.flush().unwrap()).collect();
        assert_eq!(room.flush().unwrap_err().0.kind, ErrorKind::Unavailable);
        drop((followers, flushes));
        assert!(room.follower().is_ok() && room.flush().is_ok());
    }
}
