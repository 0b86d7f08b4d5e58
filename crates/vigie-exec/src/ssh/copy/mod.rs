//! Files to other machines and from them. A file is written under another name beside its own, compared, and then
//! renamed at one stroke: under its own name there is never half a file.
//!
//! In reading order:
//! [`class`] how it went with a file, in one word · [`tree`] what is to be sent ·
//! `flow` a file's bytes, many pieces at once · `proof` what the other side has, as a digest ·
//! `send` to a host · `fetch` from a host · `landing` where files arrive here, and nowhere else.

pub mod class;
mod fetch;
mod flow;
mod landing;
mod proof;
mod send;
pub mod tree;

use super::class::{Class, Failed};
use super::connect::{Connection, Connector, Refusal};
use super::fleet::spread;
use super::sftp::Sftp;
use super::trust::Stranger;
use crate::limits::COPY_BUDGET_BYTES;
use class::{CopyClass, Trouble};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout_at};
use tree::Tree;

pub use proof::Proof;

/// What is to be copied, with every host alike.
#[derive(Debug)]
pub struct Job {
    /// Which way.
    pub way: Way,
    /// Directories too, with all that is in them.
    pub recursive: bool,
    /// Permission bits and times as well.
    pub preserve: bool,
    /// Whether what was written is compared.
    pub verify: bool,
    /// How long it may take with one host, once it is connected to.
    pub time_limit: Option<Duration>,
    /// Whoever wants to know of each file.
    pub files: mpsc::Sender<FileEnd>,
    /// Bytes that have arrived, over all hosts.
    pub done: Arc<Done>,
}

/// Which way files go.
#[derive(Debug)]
pub enum Way {
    /// From here to a path there: absolute, or `~` and what is below it.
    Send {
        /// What is sent.
        trees: Arc<Vec<Tree>>,
        /// Where to.
        to: String,
    },
    /// From paths there, given by host, to a directory here or, of one host, a name.
    Fetch {
        /// What is fetched, by the place of a host among those that are asked for.
        from: Vec<Vec<String>>,
        /// Where to.
        to: PathBuf,
        /// Whether each host's files go into a directory of its name.
        by_host: bool,
    },
}

/// How far it is, for whoever shows it.
#[derive(Debug, Default)]
pub struct Done {
    bytes: AtomicU64,
    expected: AtomicU64,
}

impl Done {
    /// Bytes that have arrived.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes that are known to be wanted so far.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.expected.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn expect(&self, bytes: u64) {
        self.expected.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// How it went with one file and one host.
#[derive(Clone, Debug)]
pub struct FileEnd {
    /// The host's place among those that were asked for.
    pub index: usize,
    /// Where it is there.
    pub path: String,
    /// Where it is here.
    pub local: PathBuf,
    /// Its length, when it arrived.
    pub bytes: Option<u64>,
    /// SHA-256 of what was read, in hexadecimal digits.
    pub digest: Option<String>,
    /// How the other side's copy was found to be the same; none when it was not compared.
    pub proof: Option<Proof>,
    /// Whether it was brought to its disk before it got its name.
    pub synced: bool,
    /// In one word.
    pub class: CopyClass,
    /// What else is to be said.
    pub message: Option<String>,
    /// From its first request to its last.
    pub duration: Duration,
}

/// How it went with one host.
#[derive(Debug)]
pub struct HostEnd {
    /// Its place among those that were asked for.
    pub index: usize,
    /// [`CopyClass::Ok`] when all arrived, [`CopyClass::Some`] when some did not; or why nothing more was tried.
    pub class: CopyClass,
    /// What else is to be said.
    pub message: Option<String>,
    /// It is not known yet, and the user may be asked; then nothing has been begun.
    pub stranger: Option<Box<Stranger>>,
    /// Files that arrived, and those that did not.
    pub files: (u64, u64),
}

/// Copies with hosts, at most `fan_out` at once; each end comes as soon as it is there. Dropping the receiver leaves all
/// that is under way as it is; `stop` ends it and takes away what is half written.
#[must_use]
pub fn copy_with(
    connector: &Arc<Connector>,
    hosts: Vec<(usize, String)>,
    job: Arc<Job>,
    fan_out: usize,
    stop: &watch::Receiver<bool>,
) -> mpsc::Receiver<HostEnd> {
    let (connector, stop) = (Arc::clone(connector), stop.clone());
    let budget = Arc::new(Semaphore::new(COPY_BUDGET_BYTES));
    spread(hosts, fan_out, move |index, host| {
        let (connector, job, stop, budget) =
            (Arc::clone(&connector), Arc::clone(&job), stop.clone(), Arc::clone(&budget));
        async move { copy_one(&connector, index, &host, &job, stop, &budget).await }
    })
}

async fn copy_one(
    connector: &Connector,
    index: usize,
    host: &str,
    job: &Job,
    mut stop: watch::Receiver<bool>,
    budget: &Semaphore,
) -> HostEnd {
    let not_begun = |failed: &Failed, stranger| HostEnd {
        index,
        class: CopyClass::Host(failed.class),
        message: Some(match &failed.hint {
            Some(hint) => format!("{}\nhint: {hint}", failed.message),
            None => failed.message.clone(),
        }),
        stranger,
        files: (0, 0),
    };
    let opening = async {
        let settings = connector.settings(host).await?;
        let connection = connector.connect(&settings).await?;
        let deadline = job.time_limit.map(|limit| Instant::now() + limit);
        let asking = Sftp::open(&connection);
        let sftp = match deadline {
            Some(deadline) => timeout_at(deadline, asking).await.unwrap_or_else(|_| Err(time_over())),
            None => asking.await,
        };
        Ok::<_, Refusal>((sftp?, connection, deadline))
    };
    let opened = tokio::select! {
        opened = opening => opened,
        _ = stop.wait_for(|stop| *stop) => Err(Failed::stopped().into()),
    };
    let (sftp, connection, deadline) = match opened {
        Ok(opened) => opened,
        Err(Refusal { failed, stranger }) => return not_begun(&failed, stranger),
    };
    let session = Session {
        index,
        host,
        job,
        sftp: &sftp,
        connection: &connection,
        budget,
        proofs: proof::Prover::new(),
        deadline,
        stop,
        arrived: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    };
    let worked = match &job.way {
        Way::Send { trees, to } => send::all(&session, trees, to).await,
        Way::Fetch { from, to, by_host } => match from.get(index) {
            Some(paths) => fetch::all(&session, paths, to, *by_host).await,
            None => Ok(()),
        },
    };
    let files = (session.arrived.into_inner(), session.failed.into_inner());
    let (class, message) = match worked {
        Err(trouble) => (trouble.class, Some(trouble.message)),
        Ok(()) if files.1 == 0 => (CopyClass::Ok, None),
        Ok(()) => (CopyClass::Some, None),
    };
    drop(sftp);
    connection.close().await;
    HostEnd { index, class, message, stranger: None, files }
}

/// Everything about one host while files go to or from it.
struct Session<'a> {
    index: usize,
    host: &'a str,
    job: &'a Job,
    sftp: &'a Sftp,
    connection: &'a Connection,
    /// Bytes that may be under way, for all hosts together.
    budget: &'a Semaphore,
    proofs: proof::Prover,
    deadline: Option<Instant>,
    stop: watch::Receiver<bool>,
    arrived: AtomicU64,
    failed: AtomicU64,
}

/// What is known of a file that arrived.
struct Arrived {
    bytes: u64,
    digest: Option<String>,
    proof: Option<Proof>,
    synced: bool,
    message: Option<String>,
}

impl Session<'_> {
    /// Does it, unless the user wants to end or the time is over.
    async fn unless_over<T>(&self, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        let mut stop = self.stop.clone();
        let over = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let stopped = async {
            if stop.wait_for(|stop| *stop).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = stopped => Err(Trouble::host(Class::Stopped, "it was stopped")),
            () = over => Err(Trouble::host(Class::TimedOut, time_over().message)),
            done = work => done,
        }
    }

    /// Tells how it went with a file. Trouble that ends all is given back.
    async fn tell(
        &self,
        path: &str,
        local: PathBuf,
        began: Instant,
        went: Result<Arrived, Trouble>,
    ) -> Result<(), Trouble> {
        let (counter, ends_all) = match &went {
            Ok(_) => (&self.arrived, None),
            Err(trouble) => (&self.failed, trouble.class.ends_all().then(|| trouble.clone())),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let mut end = FileEnd {
            index: self.index,
            path: path.to_owned(),
            local,
            bytes: None,
            digest: None,
            proof: None,
            synced: false,
            class: CopyClass::Ok,
            message: None,
            duration: began.elapsed(),
        };
        match went {
            Ok(arrived) => {
                let Arrived { bytes, digest, proof, synced, message } = arrived;
                end = FileEnd { bytes: Some(bytes), digest, proof, synced, message, ..end };
            }
            Err(trouble) => end = FileEnd { class: trouble.class, message: Some(trouble.message), ..end },
        }
        // With nobody to tell, it is still counted.
        let _ = self.job.files.send(end).await;
        ends_all.map_or(Ok(()), Err)
    }
}

fn time_over() -> Failed {
    Failed::new(Class::TimedOut, "the time was over")
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name for a file that is not whole yet. Nobody else makes such a one.
fn temporary_name() -> Result<String, Trouble> {
    let mut bytes = [0_u8; 12];
    getrandom::fill(&mut bytes)
        .map_err(|e| Trouble::new(CopyClass::Failed, format!("no randomness: {e}")))?;
    Ok(format!(".vigie-{}.part", hex(&bytes)))
}
