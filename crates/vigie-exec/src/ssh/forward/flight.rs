//! A course on a connection: the clock, and the bell.
//!
//! Requests are made by the handler of the connection, which is called when a reply comes in. Where none does, it is rung
//! for: by a request that every server refuses at once and at no cost (a channel for X11, which only servers open; RFC
//! 4254, section 6.3.2). That a server still answers it is also what tells a silent port from a dead connection.

use super::super::connect::Connection;
use super::course::{Course, Progress};
use crate::limits::FORWARD_ALIVE;
use std::pin::Pin;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// How a flight ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Landed {
    /// Nothing is left to be asked.
    Done,
    /// The connection can take no more, or is to take no more.
    Full,
    /// The connection broke.
    Broken,
}

/// When it was rung, and whether it was heard.
type Ring<'a> = Pin<Box<dyn Future<Output = (Instant, bool)> + Send + 'a>>;

/// Asks until nothing is left to be asked, the connection can take no more, or it breaks.
pub(super) async fn fly(
    connection: &Connection,
    course: Course,
    mut stop: watch::Receiver<bool>,
) -> (Landed, Option<Course>) {
    let overheard = &connection.overheard;
    overheard.begin(course);
    let mut ring: Option<Ring<'_>> = None;
    let landed = loop {
        let now = Instant::now();
        let looked = overheard.with(|course| {
            course.tick(now);
            let is_needed = course.may_send(now) || course.is_late(now);
            (course.progress(), is_needed, course.due())
        });
        let due = match looked {
            Some((Progress::Going, is_needed, due)) => {
                if is_needed && ring.is_none() {
                    ring = Some(Box::pin(rung(connection, now)));
                }
                due.filter(|due| *due > now)
            }
            Some((Progress::Done, ..)) => break Landed::Done,
            Some((Progress::Full, ..)) | None => break Landed::Full,
        };
        tokio::select! {
            () = overheard.news.notified() => {}
            (then, is_heard) = heard(&mut ring) => {
                ring = None;
                if !is_heard {
                    break Landed::Broken;
                }
                overheard.with(|course| course.was_alive(then));
            }
            () = sleep_until(due.unwrap_or(now)), if due.is_some() => {}
            _ = stop.wait_for(|stop| *stop) => break Landed::Full,
        }
    };
    (landed, overheard.end())
}

/// Rings, and waits until it is heard.
async fn rung(connection: &Connection, now: Instant) -> (Instant, bool) {
    let answered = timeout(FORWARD_ALIVE, connection.handle.channel_open_x11("127.0.0.1", 0)).await;
    (now, matches!(answered, Ok(Ok(_) | Err(russh::Error::ChannelOpenFailure(_)))))
}

async fn heard(ring: &mut Option<Ring<'_>>) -> (Instant, bool) {
    match ring {
        Some(ring) => ring.as_mut().await,
        None => std::future::pending().await,
    }
}
