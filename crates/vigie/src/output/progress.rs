//! A progress bar on standard error, when that is a terminal and people read.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// How far something is.
#[derive(Clone, Debug)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A bar over bytes, of which the number may not be known yet. It draws nothing for scripts, and
    /// nothing when standard error is not a terminal.
    pub(crate) fn bytes(json: bool) -> Self {
        let bar = ProgressBar::no_length();
        bar.set_draw_target(if json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() });
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} {binary_bytes} {msg} {binary_bytes_per_sec}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Bar(bar)
    }

    /// A bar over steps of any kind.
    pub(crate) fn steps(json: bool) -> Self {
        let bar = Bar::bytes(json);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3}% {msg} {eta}") {
            bar.0.set_style(style);
        }
        bar
    }

    /// How many steps are done, and of how many.
    pub(crate) fn set_steps(&self, done: u64, total: u64, message: String) {
        self.0.set_length(total);
        self.0.set_position(done);
        self.0.set_message(message);
    }

    /// Prints something while the bar is out of the way.
    pub(crate) fn above<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }

    /// Whether anyone sees it.
    pub(crate) fn is_shown(&self) -> bool {
        !self.0.is_hidden()
    }

    /// How much there is.
    pub(crate) fn set_total(&self, bytes: u64) {
        let template =
            "{bar:30} {percent:>3}% {binary_bytes}/{binary_total_bytes} {msg} {binary_bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.set_length(bytes);
    }

    /// How much is done.
    pub(crate) fn set(&self, bytes: u64, message: String) {
        self.0.set_position(bytes);
        self.0.set_message(message);
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
