//! The same command on many machines at once.

use super::class::Failed;
use super::config::Settings;
use super::connect::{Connector, Refusal};
use super::session::{Ended, Job, Transport, run};
use super::system;
use super::trust::Stranger;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};

/// Hosts that are under way at once when nothing else is said: many more than shake hands at once, because hosts that
/// do not answer only wait.
pub const FAN_OUT: usize = 256;

/// How it went with one host.
#[derive(Debug)]
pub struct HostEnd {
    /// Its place among those that were asked for.
    pub index: usize,
    /// How it went.
    pub ended: Ended,
    /// It is not known yet, and the user may be asked; then nothing has been started.
    pub stranger: Option<Box<Stranger>>,
}

/// What waits in the queue of ends: whoever prints is seldom slower than hosts end.
const QUEUE: usize = 64;

/// Runs a job on hosts, at most `fan_out` at once; each end comes as soon as it is there. Dropping the receiver ends
/// all that is under way.
#[must_use]
pub fn run_on(
    connector: &Arc<Connector>,
    hosts: Vec<(usize, String)>,
    job: &Job,
    fan_out: usize,
    stop: &watch::Receiver<bool>,
) -> mpsc::Receiver<HostEnd> {
    let (connector, job, stop) = (Arc::clone(connector), job.clone(), stop.clone());
    spread(hosts, fan_out, move |index, host| {
        let (connector, job, stop) = (Arc::clone(&connector), job.clone(), stop.clone());
        async move { run_one(&connector, index, &host, &job, stop).await }
    })
}

/// Does something with each host, at most `fan_out` at once; each end comes as soon as it is there. Dropping the
/// receiver ends all that is under way.
pub(crate) fn spread<T, F>(
    hosts: Vec<(usize, String)>,
    fan_out: usize,
    one: impl Fn(usize, String) -> F + Send + 'static,
) -> mpsc::Receiver<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let (ends, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(fan_out.max(1)));
        let mut tasks = tokio::task::JoinSet::new();
        for (index, host) in hosts {
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                () = ends.closed() => break,
            };
            let (end, ends) = (one(index, host), ends.clone());
            tasks.spawn(async move {
                let end = end.await;
                drop(place);
                // Nobody wants to know any more.
                let _ = ends.send(end).await;
            });
            while tasks.try_join_next().is_some() {}
        }
        tokio::select! {
            () = async { while tasks.join_next().await.is_some() {} } => {}
            // Dropping the tasks drops their connections.
            () = ends.closed() => {}
        }
    });
    receiver
}

async fn run_one(
    connector: &Connector,
    index: usize,
    host: &str,
    job: &Job,
    mut stop: watch::Receiver<bool>,
) -> HostEnd {
    if job.transport == Transport::System {
        let ended = system::run(connector, host, job, stop).await;
        return HostEnd { index, ended, stranger: None };
    }
    let refused = |refusal: Refusal| HostEnd {
        index,
        ended: Ended::not_begun(&refusal.failed),
        stranger: refusal.stranger,
    };
    let connecting = async {
        let settings: Arc<Settings> = connector.settings(host).await?;
        connector.connect(&settings).await
    };
    let connection = tokio::select! {
        connection = connecting => connection,
        _ = stop.wait_for(|stop| *stop) => Err(Failed::stopped().into()),
    };
    match connection {
        Ok(connection) => {
            let ended = run(&connection, job, stop).await;
            connection.close().await;
            HostEnd { index, ended, stranger: None }
        }
        Err(refusal) => refused(refusal),
    }
}
