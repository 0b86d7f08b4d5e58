//! What `vigie meter` does without a word behind it: read the line.

use super::shown;
use super::sinks::{SinkArgs, Sinks};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::signals::EndSignals;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vigie_meter::tic::{Counts, Mode, Parity, Ways};
use vigie_meter::{DeviceError, Identity, LineConfig, News, Sample, listen};

/// Which line, and what to do with what it says.
#[derive(Args, Debug)]
pub(super) struct ReadArgs {
    /// The serial line, or a file that was recorded from one
    #[arg(long, value_name = "PATH")]
    device: Option<PathBuf>,

    /// What the meter speaks
    #[arg(long, value_enum, default_value_t = ModeChoice::Auto)]
    mode: ModeChoice,

    /// Whether bytes come with their parity (7E1), or something between took it away (none)
    #[arg(long, value_enum, default_value_t = ParityChoice::Auto)]
    parity: ParityChoice,

    /// Print one whole frame with what its labels mean, and end
    #[arg(long)]
    once: bool,

    /// End after so many frames
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "once")]
    frames: Option<u64>,

    /// With --once or -n: give up after so many seconds, with exit code 3
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    within: u64,

    /// Wait for a device that is not there yet; one that goes away later is always waited for
    #[arg(long)]
    wait: bool,

    /// Show numbers of meter and delivery point as they are. They lead to a person: without this, a digest stands for
    /// them that is made with this machine's /etc/machine-id
    #[arg(long)]
    show_ids: bool,

    #[command(flatten)]
    sinks: SinkArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeChoice {
    Auto,
    Historic,
    Standard,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ParityChoice {
    Auto,
    Even,
    None,
}

impl ReadArgs {
    /// Whether values go anywhere but to the screen.
    pub(super) fn has_sinks(&self) -> bool {
        self.sinks.is_any()
    }

    pub(super) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        let Some(device) = self.device.clone() else { return Err(no_device()) };
        let mut end = EndSignals::listen()?;
        let identity = if self.show_ids { Identity::Plain } else { hidden(&context) };
        let wanted = if self.once { Some(1) } else { self.frames };
        let sinks = self.sinks.start(&context).await?;
        let quiet = self.sinks.quiet;
        let mut desk =
            Desk { context, identity, device, once: self.once, quiet, wanted, shown: 0, failed: None, sinks };
        let config = LineConfig { path: desk.device.clone(), ways: self.ways(), wait: self.wait };
        let give_up = async {
            match wanted {
                Some(_) => tokio::time::sleep(Duration::from_secs(self.within)).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            ended = listen(config, |news, counts| desk.hear(news, counts)) => ended.map_err(|error| refused(&error)),
            () = give_up => Err(Failure::inconclusive(format!("fewer frames than wanted came within {} s", self.within))
                .hint("is the meter connected to the right pins, and the speed right? -v tells what is tried")),
            () = end.next() => Ok(()),
        };
        desk.finish(ended).await
    }

    fn ways(&self) -> Ways {
        let mode = match self.mode {
            ModeChoice::Auto => None,
            ModeChoice::Historic => Some(Mode::Historic),
            ModeChoice::Standard => Some(Mode::Standard),
        };
        let parity = match self.parity {
            ParityChoice::Auto => None,
            ParityChoice::Even => Some(Parity::Even),
            ParityChoice::None => Some(Parity::Stripped),
        };
        Ways { mode, parity }
    }
}

/// Where news of the line arrive.
struct Desk {
    context: Context,
    identity: Identity,
    device: PathBuf,
    once: bool,
    quiet: bool,
    wanted: Option<u64>,
    shown: u64,
    failed: Option<Failure>,
    sinks: Sinks,
}

/// What happens on the line besides frames, for scripts.
#[derive(Serialize)]
struct NewsLine {
    time: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Desk {
    /// Takes news; false when no more are wanted.
    fn hear(&mut self, news: News, counts: &Counts) -> bool {
        if let News::Frame(frame) = news {
            let sample = Sample::new(frame, Timestamp::now(), &self.identity);
            self.sinks.frame(&sample, counts);
            return self.frame(&sample);
        }
        self.sinks.news(&news, counts);
        if self.context.out.is_json() {
            return self.news_line(&news);
        }
        match shown::news(&news, &self.device.display().to_string()) {
            Some((true, text)) => self.context.out.warn(&text),
            Some((false, text)) => self.context.out.remark(&text),
            None => {}
        }
        true
    }

    fn frame(&mut self, sample: &Sample) -> bool {
        // One frame alone should have all that the meter says.
        if self.once && !sample.whole {
            return true;
        }
        let out = &mut self.context.out;
        let printed = if self.quiet {
            Ok(())
        } else if out.is_json() {
            out.json(sample)
        } else if self.once {
            shown::table(out, sample)
        } else {
            let line = shown::line(out, sample);
            out.line(&line)
        };
        self.shown += 1;
        self.printed(printed) && self.wanted.is_none_or(|wanted| self.shown < wanted)
    }

    fn news_line(&mut self, news: &News) -> bool {
        let (event, detail) = match news {
            News::Opened => ("opened", None),
            News::Absent(why) => ("absent", Some(why.clone())),
            News::Found(mode, _) => ("found", Some(mode.to_string())),
            News::Silent { bytes, .. } => ("silent", Some(format!("{bytes} bytes"))),
            News::Lost => ("lost", None),
            News::Gone(why) => ("gone", Some(why.clone())),
            News::End => ("end", None),
            News::Frame(_) => return true,
        };
        let line = NewsLine { time: Timestamp::now().to_string(), event, detail };
        let printed = self.context.out.json(&line);
        self.printed(printed)
    }

    fn printed(&mut self, printed: std::io::Result<()>) -> bool {
        match printed.and_then(|()| self.context.out.flush()) {
            Ok(()) => true,
            Err(error) => {
                self.failed = Some(error.into());
                false
            }
        }
    }

    async fn finish(self, ended: Result<(), Failure>) -> Result<Outcome, Failure> {
        let lost = self.sinks.finish(&self.context).await;
        ended?;
        match self.failed {
            Some(failure) => Err(failure),
            // A recording without a frame, or an end before the first.
            None => Ok(Outcome::partial_if(self.shown == 0 || lost > 0)),
        }
    }
}

fn hidden(context: &Context) -> Identity {
    match std::fs::read("/etc/machine-id") {
        Ok(id) if !id.trim_ascii().is_empty() => Identity::hashed(id.trim_ascii()),
        _ => {
            context.out.warn(
                "this machine has no /etc/machine-id, so the digest of a meter's number could be found out by trying",
            );
            Identity::hashed(b"")
        }
    }
}

fn refused(error: &DeviceError) -> Failure {
    let failure = Failure::of(error);
    match error {
        DeviceError::NoLine { .. } => failure.into_usage(),
        DeviceError::Busy { .. } => failure
            .hint("end the program that has it (`fuser -v DEVICE`); often a login prompt: serial-getty"),
        error if error.is_absent() => failure.hint("plug it in, name another, or wait for it with --wait"),
        error if error.is_denied() => failure.hint(
            "serial lines belong to the group dialout: sudo usermod -aG dialout \"$USER\", then log in anew",
        ),
        _ => failure,
    }
}

fn no_device() -> Failure {
    let there: Vec<String> = candidates().iter().map(|path| path.display().to_string()).collect();
    let failure = Failure::usage("which serial line is the meter on? Name it with --device");
    if there.is_empty() {
        failure.hint("this machine has none; `vigie meter simulate` makes one to try with")
    } else {
        failure.hint(format!("here are: {}", there.join(" ")))
    }
}

/// Names that serial lines of such adapters have.
fn candidates() -> Vec<PathBuf> {
    let Ok(dir) = std::fs::read_dir("/dev") else { return Vec::new() };
    let is_serial = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        ["ttyUSB", "ttyACM", "ttyAMA", "serial"].iter().any(|start| name.starts_with(start))
            && name != "serial"
    };
    let mut found: Vec<PathBuf> =
        dir.flatten().map(|entry| entry.path()).filter(|path| is_serial(path)).collect();
    found.sort();
    found
}
