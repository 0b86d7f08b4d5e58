//! `vigie meter simulate`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::signals::EndSignals;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vigie_meter::simulate::{PAUSE, Pty, SimulatedMeter, dress};
use vigie_meter::tic::{Mode, Parity};

/// Be a meter: send frames at real pace on a pseudo-terminal
///
/// Its counters grow with the power that it shows. Prints where it can be read.
#[derive(Args, Debug)]
#[command(after_help = "\
EXAMPLES:
  vigie meter simulate --link /tmp/linky            then: vigie meter --device /tmp/linky
  vigie meter simulate --mode standard --frames 10
  vigie meter simulate --damage 500                 one bit of every 500th byte is wrong")]
pub(crate) struct SimulateArgs {
    /// Make a symbolic link of this name to the pseudo-terminal; it is removed at the end
    #[arg(long, value_name = "PATH")]
    link: Option<PathBuf>,

    /// What the meter speaks
    #[arg(long, value_enum, default_value_t = Speaks::Historic)]
    mode: Speaks,

    /// End after so many frames
    #[arg(long, value_name = "N")]
    frames: Option<u64>,

    /// So many times the real pace
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    speed: u32,

    /// Damage one bit of every Nth byte
    #[arg(long, value_name = "N", default_value_t = 0)]
    damage: u64,

    /// Send seven bits only, as if something between had taken the parity away
    #[arg(long)]
    no_parity: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Speaks {
    Historic,
    Standard,
}

impl SimulateArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let pty = Pty::open().map_err(|e| Failure::failed("cannot make a pseudo-terminal").because(&e))?;
        let _link = self.link.as_deref().map(|link| Link::make(link, pty.path())).transpose()?;
        let path = self.link.as_deref().unwrap_or(pty.path()).display().to_string();
        let mode = match self.mode {
            Speaks::Historic => Mode::Historic,
            Speaks::Standard => Mode::Standard,
        };
        if context.out.is_json() {
            context.out.json(&serde_json::json!({"device": path, "mode": mode}))?;
        } else {
            context.out.line(&path)?;
        }
        context.out.flush()?;
        let mut end = EndSignals::listen()?;
        tokio::select! {
            sent = self.send(&pty, mode) => sent.map_err(|e| Failure::failed(format!("cannot write to {path}")).because(&e))?,
            () = end.next() => {}
        }
        Ok(Outcome::Done)
    }

    async fn send(&self, pty: &Pty, mode: Mode) -> std::io::Result<()> {
        let parity = if self.no_parity { Parity::Stripped } else { Parity::Even };
        let baud = mode.baud().saturating_mul(self.speed);
        let (mut meter, mut sent, mut frames) = (SimulatedMeter::new(mode), 0, 0);
        while self.frames.is_none_or(|most| frames < most) {
            let frame = meter.next_frame(Timestamp::now());
            pty.send_at_pace(&dress(&frame, parity, self.damage, &mut sent), baud).await?;
            frames += 1;
            tokio::time::sleep(PAUSE / self.speed).await;
        }
        // The end of the process takes the pseudo-terminal away, and with it what was not yet read.
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok(())
    }
}

/// A symbolic link that is removed when this is dropped.
struct Link(PathBuf);

impl Link {
    fn make(link: &Path, to: &Path) -> Result<Self, Failure> {
        // A link that a killed simulation left leads nowhere; anything else is not ours to remove.
        if link.symlink_metadata().is_ok_and(|m| m.is_symlink()) && !link.exists() {
            let _ = std::fs::remove_file(link);
        }
        symlink(to, link)
            .map_err(|e| Failure::failed(format!("cannot make the link {}", link.display())).because(&e))?;
        Ok(Link(link.to_owned()))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
