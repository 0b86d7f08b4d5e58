//! The client of plain lines: prints what it is told, runs hooks, comes back. Two tasks: one has the connection, the
//! other one the role and its hooks, so that neither a hook nor a slow reader of the output delays the other.

mod link;

use crate::hooks::{Aim, HookCall, HookEnd, HookError, HookQueue, HookRunner};
use crate::limits::EVENT_QUEUE;
use crate::words::{Cause, Role};
use link::{Link, LinkEvent};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinError as TaskError, JoinHandle};
use tokio_util::sync::CancellationToken;
use vigie_model::Epoch;

/// What a client has to tell its user.
#[derive(Clone, Debug)]
pub enum Happened {
    /// The connection stands.
    Connected {
        /// The server's address.
        server: SocketAddr,
    },
    /// It has a role, for the first time or another one.
    Role {
        /// The role.
        role: Role,
        /// The one before.
        old: Option<Role>,
        /// The epoch, if the server told it.
        epoch: Option<Epoch>,
        /// Why.
        cause: Cause,
    },
    /// There is no connection.
    Disconnected {
        /// Why, in words.
        why: String,
        /// When it tries again.
        retry: Duration,
    },
    /// A hook did not do its work.
    HookFailed {
        /// The hook.
        call: HookCall,
        /// Why.
        error: HookError,
    },
}

/// Why a client gave up.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// It was promoted and its hook failed. It has stepped down, and does not stand for the role again.
    #[error("the promotion failed: {0}")]
    Promotion(HookError),
    /// The task of a hook ended without an answer.
    #[error("a hook was lost: {0}")]
    Hook(String),
}

/// Joins `server` (`HOST:PORT`) until told to stop; then the hook of the demotion is run first, while the connection
/// still stands. What happens goes to `told`, as far as it has room.
///
/// # Errors
/// [`JoinError`], when a promotion failed.
pub async fn join(
    server: String,
    runner: Arc<dyn HookRunner>,
    told: mpsc::Sender<Happened>,
    stop: CancellationToken,
) -> Result<(), JoinError> {
    let (events, mut heard) = mpsc::channel(EVENT_QUEUE);
    let hang_up = CancellationToken::new();
    let _hang_up_when_dropped = hang_up.clone().drop_guard();
    let link = tokio::spawn(Link::new(server, events).run(hang_up.clone()));
    let mut part = Part { runner, told, hooks: HookQueue::new(), running: None, role: None, failed: None };
    let ended = part.run(&mut heard, &stop).await;
    // Only now, after the demotion, may another one be told to be principal.
    hang_up.cancel();
    drop(heard);
    let _its_end = link.await;
    ended
}

/// A hook that runs.
#[derive(Debug)]
struct Running {
    call: HookCall,
    cancel: CancellationToken,
    task: JoinHandle<Result<(), HookError>>,
}

/// The client's part: its role and the hooks.
struct Part {
    runner: Arc<dyn HookRunner>,
    told: mpsc::Sender<Happened>,
    hooks: HookQueue,
    running: Option<Running>,
    role: Option<(Role, Option<Epoch>)>,
    /// The promotion that failed, on the way down from it.
    failed: Option<HookError>,
}

impl Part {
    async fn run(
        &mut self,
        heard: &mut mpsc::Receiver<LinkEvent>,
        stop: &CancellationToken,
    ) -> Result<(), JoinError> {
        let mut leaving = false;
        loop {
            self.start_hook();
            if self.hooks.is_idle() {
                if let Some(error) = self.failed.take() {
                    return Err(JoinError::Promotion(error));
                }
                if leaving {
                    return Ok(());
                }
            }
            tokio::select! {
                () = stop.cancelled(), if !leaving => {
                    leaving = true;
                    self.step_down(Cause::Left, false);
                }
                ended = ended(&mut self.running) => self.hook_ended(ended)?,
                event = heard.recv(), if !leaving && self.failed.is_none() => match event {
                    Some(event) => self.heard(event),
                    None => leaving = true,
                },
            }
        }
    }

    fn heard(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up(server) => self.tell(Happened::Connected { server }),
            LinkEvent::Role { role, epoch, cause } => self.take_role(role, epoch, cause),
            LinkEvent::Down { why, retry } => {
                self.tell(Happened::Disconnected { why, retry });
                // Its connection was its lease. Somebody else is principal by now.
                self.step_down(Cause::ConnectionLost, true);
            }
        }
    }

    fn take_role(&mut self, role: Role, epoch: Option<Epoch>, cause: Cause) {
        let old = self.role.replace((role, epoch));
        // The highest epoch there is is no news to a secondaire that stays one.
        if old.is_some_and(|old| old.0 == role && (role == Role::Secondaire || old.1 == epoch)) {
            return;
        }
        self.tell(Happened::Role { role, old: old.map(|old| old.0), epoch, cause });
        let epoch = epoch.filter(|_| role == Role::Principal);
        self.hooks.want(Aim { role, epoch, cause });
    }

    /// Is principal no longer, if it ever was. `at_once`: what is being made true of it is stopped, too.
    fn step_down(&mut self, cause: Cause, at_once: bool) {
        if let Some((Role::Principal, epoch)) = self.role {
            self.take_role(Role::Secondaire, epoch, cause);
            if at_once
                && self.hooks.is_promoting()
                && let Some(running) = &self.running
            {
                running.cancel.cancel();
            }
        }
    }

    fn start_hook(&mut self) {
        let Some(call) = self.hooks.start() else { return };
        let cancel = CancellationToken::new();
        let (runner, its_call, its_cancel) = (self.runner.clone(), call.clone(), cancel.clone());
        let task = tokio::spawn(async move { runner.run(&its_call, its_cancel).await });
        self.running = Some(Running { call, cancel, task });
    }

    fn hook_ended(&mut self, ended: Result<Result<(), HookError>, TaskError>) -> Result<(), JoinError> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let result = ended.map_err(|e| JoinError::Hook(e.to_string()))?;
        let end = self.hooks.ended(result.is_ok());
        let Err(error) = result else { return Ok(()) };
        let is_principal = matches!(self.role, Some((Role::Principal, _)));
        self.tell(Happened::HookFailed { call: running.call, error: error.clone() });
        if is_principal && let HookEnd::PromotionFailed(_) = end {
            self.step_down(Cause::HookFailed, false);
            self.failed = Some(error);
        }
        Ok(())
    }

    fn tell(&self, happened: Happened) {
        // A reader that is so far behind has missed a line of news, and no role.
        let _full = self.told.try_send(happened);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.task.abort();
        }
    }
}

async fn ended(running: &mut Option<Running>) -> Result<Result<(), HookError>, TaskError> {
    match running {
        Some(running) => (&mut running.task).await,
        None => std::future::pending().await,
    }
}
