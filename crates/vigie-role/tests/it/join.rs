//! The client: what it makes of its servers, and when it runs its hooks.

use crate::{Client, Served, soon};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vigie_role::plain::client::{Happened, JoinError, join};
use vigie_role::{HookCall, HookError, HookRunner, Role};

/// A hook that was called, and the way to end it.
type Called = (HookCall, oneshot::Sender<Result<(), HookError>>);

/// A runner whose hooks last until the test ends them, or they are cancelled.
#[derive(Debug)]
struct Manual(mpsc::Sender<Called>);

#[async_trait::async_trait]
impl HookRunner for Manual {
    async fn run(&self, call: &HookCall, cancel: CancellationToken) -> Result<(), HookError> {
        let (end, ended) = oneshot::channel();
        self.0.send((call.clone(), end)).await.unwrap();
        tokio::select! {
            ended = ended => ended.unwrap(),
            () = cancel.cancelled() => Err(HookError::Cancelled { command: "x".to_owned() }),
        }
    }
}

struct Joined {
    calls: mpsc::Receiver<Called>,
    told: mpsc::Receiver<Happened>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), JoinError>>,
}

impl Joined {
    fn start(server: impl ToString) -> Joined {
        let (to, calls) = mpsc::channel(10);
        let (news, told) = mpsc::channel(1000);
        let stop = CancellationToken::new();
        let task = tokio::spawn(join(server.to_string(), Arc::new(Manual(to)), news, stop.clone()));
        Joined { calls, told, stop, task }
    }

    /// Waits for a hook; it goes on until its end is sent.
    async fn called(&mut self) -> Called {
        soon(self.calls.recv()).await.unwrap()
    }

    /// Waits for a hook of this role, and ends it well.
    async fn runs(&mut self, role: Role) -> HookCall {
        let (call, end) = self.called().await;
        assert_eq!(call.role, role);
        end.send(Ok(())).unwrap();
        call
    }

    async fn disconnected(&mut self) {
        while !matches!(soon(self.told.recv()).await.unwrap(), Happened::Disconnected { .. }) {}
    }
}

#[tokio::test]
async fn hooks_follow_the_role_and_know_the_epoch() {
    let served = Served::start(None, None).await;
    let mut first = Client::connect(&served).await;
    assert_eq!(first.line().await.unwrap(), "principal");
    let mut joined = Joined::start(served.address);
    let call = joined.runs(Role::Secondaire).await;
    assert_eq!(call.old, None);
    drop(first);
    let call = joined.runs(Role::Principal).await;
    assert_eq!((call.old, call.epoch.unwrap().0), (Some(Role::Secondaire), 2));
    assert_eq!(call.cause.as_str(), "connection-lost");
    // On leaving the demotion comes before anybody else is told.
    let mut next = Client::connect(&served).await;
    assert_eq!(next.line().await.unwrap(), "secondaire");
    joined.stop.cancel();
    let (call, end) = joined.called().await;
    assert_eq!((call.role, call.cause.as_str(), call.epoch.unwrap().0), (Role::Secondaire, "left", 2));
    let early = tokio::time::timeout(Duration::from_millis(100), next.0.get_ref().readable()).await;
    assert!(early.is_err(), "promoted before the demotion had ended");
    end.send(Ok(())).unwrap();
    assert_eq!(next.line().await.unwrap(), "principal");
    soon(joined.task).await.unwrap().unwrap();
    served.stop().await;
}

#[tokio::test]
async fn a_connection_that_breaks_demotes_and_it_comes_back() {
    let served = Served::start(None, None).await;
    let mut joined = Joined::start(served.address);
    let (call, _promoting) = joined.called().await;
    assert_eq!(call.role, Role::Principal);
    let address = served.address;
    served.stop().await;
    // The promotion that runs is stopped; then it is undone.
    let call = joined.runs(Role::Secondaire).await;
    assert_eq!(call.cause.as_str(), "connection-lost");
    joined.disconnected().await;
    let served = Served::on(address, None, None, 10);
    joined.runs(Role::Principal).await;
    joined.stop.cancel();
    joined.runs(Role::Secondaire).await;
    soon(joined.task).await.unwrap().unwrap();
    served.stop().await;
}

#[tokio::test]
async fn a_failed_promotion_steps_down_and_leaves() {
    let served = Served::start(None, None).await;
    let mut joined = Joined::start(served.address);
    let (call, end) = joined.called().await;
    assert_eq!(call.role, Role::Principal);
    let mut next = Client::connect(&served).await;
    assert_eq!(next.line().await.unwrap(), "secondaire");
    let error = HookError::Status { command: "false".to_owned(), how: "exit code 1".to_owned() };
    end.send(Err(error.clone())).unwrap();
    let call = joined.runs(Role::Secondaire).await;
    assert_eq!(call.cause.as_str(), "hook-failed");
    assert!(matches!(soon(joined.task).await.unwrap(), Err(JoinError::Promotion(e)) if e == error));
    assert_eq!(next.line().await.unwrap(), "principal");
    served.stop().await;
}

#[tokio::test]
async fn a_server_of_bare_words_is_understood_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut joined = Joined::start(listener.local_addr().unwrap());
    let (mut stream, _) = soon(listener.accept()).await.unwrap();
    stream.write_all(b"secondaire\n").await.unwrap();
    let call = joined.runs(Role::Secondaire).await;
    assert_eq!((call.epoch, call.cause.as_str()), (None, "unknown"));
    stream.write_all(b"what is this\n\xff\nprincipal\n").await.unwrap();
    joined.runs(Role::Principal).await;
    drop(stream);
    joined.runs(Role::Secondaire).await;
    joined.stop.cancel();
    soon(joined.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn nobody_there_is_told_again_and_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut joined = Joined::start(address);
    joined.disconnected().await;
    joined.disconnected().await;
    joined.stop.cancel();
    soon(joined.task).await.unwrap().unwrap();
}
