//! `vigie copy`

mod places;
mod shown;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::Bar;
use crate::reaching::{ReachArgs, accept, limit};
use crate::signals::EndSignals;
use clap::Args;
use places::Place;
use shown::Shown;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use vigie_exec::ssh::copy::tree::{Tree, TreeError};
use vigie_exec::ssh::copy::{Done, FileEnd, HostEnd, Job, Way, copy_with};
use vigie_exec::ssh::trust::Stranger;

/// Ends of files that wait to be printed; beyond, hosts wait.
const FILES: usize = 256;

/// Between two looks at how far it is.
const TICK: Duration = Duration::from_millis(200);

/// Copy files to many machines, or from them, over SSH: whole and compared, or not at all
///
/// A file is written under another name beside its own, compared, brought to the disk and then renamed at one stroke:
/// under its own name there is never half a file, and at a failure or Ctrl-C nothing is left. Exit codes: on one host 0
/// when all arrived, 1 when some files did not, 124 when the time was over, 125 when the host was not reached or got
/// lost, 130 after Ctrl-C; on several 0 when all arrived, 1 when some files did not, 3 when some host was not reached, got
/// lost or was stopped.
#[derive(Args, Debug)]
#[command(after_help = "\
HOSTS are those of `vigie run --on`: names, node sets such as web[01-12], groups such as @db. Behind the colon is an
absolute path, or ~ for the home directory there. A directory that is there takes things under their own names; else the
path is the new name, and its directory must be there. From several hosts, each host's files arrive in DIR/HOST/.

What was written is compared as SHA-256: small files are read back, larger ones by sha256sum over there, or read back
where there is none. `verified` in the JSON says which, and null that it was not compared.

EXAMPLES:
  vigie copy motd 'web[01-12]:/etc/motd'
  vigie copy -rp site/ @web:/srv/www/
  vigie copy gate:/var/log/auth.log .
  vigie copy -r @web:/etc/apache2 collected/           into collected/web01/apache2, collected/web02/apache2, …
  vigie copy --json app.tar @all:~/ | jq -r 'select(.class != \"ok\") | .host'")]
pub(crate) struct CopyArgs {
    /// What is copied, then where to; either the last is HOSTS:/path, or all the others are
    #[arg(value_name = "FILE… HOSTS:/PATH | HOSTS:/PATH… DIR", num_args = 2.., required = true)]
    places: Vec<OsString>,

    /// Directories too, with all that is in them; symbolic links stay links
    #[arg(short, long)]
    recursive: bool,

    /// Permission bits and times too
    #[arg(short, long)]
    preserve: bool,

    /// Do not compare what was written
    #[arg(long)]
    no_verify: bool,

    /// End it with a host after this time, such as 30s or 5min; what is half written is removed
    #[arg(long, value_name = "SPAN", value_parser = limit)]
    timeout: Option<Duration>,

    #[command(flatten)]
    reach: ReachArgs,
}

/// What is copied, and with whom.
struct Plan {
    hosts: Vec<String>,
    way: Way,
    /// Bytes for all hosts together, when they are known before.
    bytes: Option<u64>,
}

impl CopyArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let plan = self.plan().await?;
        let mut end = EndSignals::listen()?;
        let connector = self.reach.connector(end.next()).await?;
        let (files, ended_files) = mpsc::channel(FILES);
        let done = Arc::new(Done::default());
        let job = Arc::new(Job {
            way: plan.way,
            recursive: self.recursive,
            preserve: self.preserve,
            verify: !self.no_verify,
            time_limit: self.timeout,
            files,
            done: Arc::clone(&done),
        });
        let is_json = context.out.is_json();
        let bar = || {
            let bar = Bar::bytes(is_json);
            plan.bytes.iter().for_each(|bytes| bar.set_total(*bytes));
            bar
        };
        let (stop, stopping) = watch::channel(false);
        let mut round = Round {
            shown: Shown::new(&mut context.out, &plan.hosts, bar()),
            may_ask: self.reach.may_ask(),
            strangers: Vec::new(),
            files: ended_files,
            done: &done,
            is_expected: plan.bytes.is_some(),
            end: &mut end,
            stop: &stop,
        };
        let fan_out = self.reach.fan_out();
        let all: Vec<(usize, String)> = plan.hosts.iter().cloned().enumerate().collect();
        round.follow(copy_with(&connector, all, Arc::clone(&job), fan_out, &stopping)).await?;
        let strangers = std::mem::take(&mut round.strangers);
        if !strangers.is_empty() && !*stopping.borrow() {
            // The question stands alone.
            round.shown.bar.finish();
            let accepted = accept(&strangers, &plan.hosts, round.end.next()).await?;
            round.shown.bar = bar();
            if accepted.is_none() {
                round.shown.stop_waiting();
            }
            connector.trust().refresh();
            let accepted = accepted.unwrap_or_default().into_iter();
            let again: Vec<(usize, String)> =
                accepted.map(|index| (index, plan.hosts[index].clone())).collect();
            if !again.is_empty() {
                round.shown.forget(&again);
                round.follow(copy_with(&connector, again, job, fan_out, &stopping)).await?;
            }
        }
        round.shown.finish()
    }

    async fn plan(&self) -> Result<Plan, Failure> {
        let mut places =
            self.places.iter().map(|place| Place::parse(place)).collect::<Result<Vec<_>, _>>()?;
        let Some(to) = places.pop() else { return Err(Failure::usage("copy what, and where to?")) };
        match to {
            Place::There { hosts, path } => self.send_plan(&places, &hosts, path).await,
            Place::Here(to) => self.fetch_plan(places, to).await,
        }
    }

    async fn send_plan(&self, from: &[Place], hosts: &str, to: String) -> Result<Plan, Failure> {
        let mut paths = Vec::new();
        for place in from {
            match place {
                Place::Here(path) => paths.push(path.clone()),
                Place::There { .. } => {
                    return Err(Failure::usage("from hosts to hosts nothing is copied; copy it here first"));
                }
            }
        }
        let hosts = self.reach.hosts(hosts).await?;
        let recursive = self.recursive;
        let found = tokio::task::spawn_blocking(move || {
            paths.iter().map(|path| Tree::find(path, recursive)).collect::<Result<Vec<_>, _>>()
        });
        let trees = found.await.map_err(|e| Failure::failed("cannot look at the files").because(&e))?;
        let trees = trees.map_err(|error| match &error {
            TreeError::IsDirectory { .. } => Failure::of(&error).into_usage().hint("-r copies directories"),
            _ => Failure::of(&error),
        })?;
        let mut names: Vec<&str> = trees.iter().map(|tree| tree.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Failure::usage(format!("two of them have the same name, {}", twice[0])));
        }
        let bytes: u64 = trees.iter().map(Tree::bytes).sum();
        let bytes = bytes.saturating_mul(hosts.len() as u64);
        Ok(Plan { hosts, way: Way::Send { trees: Arc::new(trees), to }, bytes: Some(bytes) })
    }

    async fn fetch_plan(&self, from: Vec<Place>, to: PathBuf) -> Result<Plan, Failure> {
        let mut hosts: Vec<String> = Vec::new();
        let mut paths: Vec<Vec<String>> = Vec::new();
        for place in from {
            let Place::There { hosts: text, path } = place else {
                return Err(Failure::usage("no place is on another machine")
                    .hint("another machine's path is written HOSTS:/path; `cp` copies here"));
            };
            for host in self.reach.hosts(&text).await? {
                let index = hosts.iter().position(|known| *known == host).unwrap_or_else(|| {
                    hosts.push(host);
                    paths.push(Vec::new());
                    paths.len() - 1
                });
                paths[index].push(path.clone());
            }
        }
        let by_host = hosts.len() > 1;
        if by_host && !to.is_dir() {
            // Its own directory must be there, as for `mkdir`.
            std::fs::create_dir(&to).map_err(|e| {
                Failure::failed(format!("cannot make the directory {}", to.display())).because(&e)
            })?;
        }
        Ok(Plan { hosts, way: Way::Fetch { from: paths, to, by_host }, bytes: None })
    }
}

/// Hosts that are under way.
struct Round<'a> {
    shown: Shown<'a>,
    may_ask: bool,
    strangers: Vec<(usize, Stranger)>,
    files: mpsc::Receiver<FileEnd>,
    done: &'a Done,
    /// Whether all bytes were known before.
    is_expected: bool,
    end: &'a mut EndSignals,
    stop: &'a watch::Sender<bool>,
}

impl Round<'_> {
    /// Shows what comes until all have ended.
    async fn follow(&mut self, mut ends: mpsc::Receiver<HostEnd>) -> Result<(), Failure> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // A host's files come before its end.
                biased;
                // First of all: nothing that goes on for long may drown it.
                () = self.end.next() => {
                    if self.stop.send_replace(true) {
                        // A second wish: nothing more is waited for.
                        return Ok(());
                    }
                }
                Some(file) = self.files.recv() => self.shown.file(&file)?,
                end = ends.recv() => match end {
                    Some(end) => self.end(end)?,
                    None => return Ok(()),
                },
                _ = tick.tick() => self.show_progress(),
            }
        }
    }

    fn show_progress(&self) {
        if !self.is_expected && self.done.expected() > 0 {
            self.shown.bar.set_total(self.done.expected());
        }
        self.shown.bar.set(self.done.bytes(), String::new());
    }

    fn end(&mut self, mut end: HostEnd) -> Result<(), Failure> {
        match end.stranger.take().filter(|_| self.may_ask) {
            Some(stranger) => {
                self.strangers.push((end.index, *stranger));
                self.shown.wait(end);
                Ok(())
            }
            None => self.shown.host(end),
        }
    }
}
