//! Printing beside the work. Whoever reads what is printed may stop doing so, as a pager does; that must hold up
//! neither roles nor signals.

use super::Output;
use std::io;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long the last lines may take at the end: nobody has to wait for a reader that does not read.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(1);

/// A thread that prints what it is told until whoever tells is gone.
#[derive(Debug)]
pub(crate) struct Aside {
    ended: oneshot::Receiver<io::Result<()>>,
    printed: Option<io::Result<()>>,
}

impl Aside {
    /// Starts it. What waits in `told` is bounded by whoever tells.
    pub(crate) fn start<T: Send + 'static>(
        mut out: Output,
        mut told: mpsc::Receiver<T>,
        print: fn(&mut Output, T) -> io::Result<()>,
    ) -> io::Result<Self> {
        let (end, ended) = oneshot::channel();
        std::thread::Builder::new().name("vigie-print".into()).spawn(move || {
            let mut printed = Ok(());
            while printed.is_ok()
                && let Some(news) = told.blocking_recv()
            {
                printed = print(&mut out, news);
            }
            let _nobody_asks = end.send(printed);
        })?;
        Ok(Aside { ended, printed: None })
    }

    /// Returns when nothing can be printed any more.
    pub(crate) async fn failed(&mut self) {
        if matches!(self.printed().await, Ok(())) {
            // All was printed, and whoever told is about to say so.
            std::future::pending().await
        }
    }

    /// Waits for the last lines. The error is that they could not be printed.
    pub(crate) async fn finish(mut self) -> io::Result<()> {
        let in_time = tokio::time::timeout(LAST_LINES_WITHIN, self.printed()).await.is_ok();
        // Otherwise nobody reads them.
        if in_time { self.printed.unwrap_or(Ok(())) } else { Ok(()) }
    }

    /// How it went, once it is over.
    async fn printed(&mut self) -> &io::Result<()> {
        if self.printed.is_none() {
            // A thread that is gone without a word has printed what it could.
            self.printed = Some((&mut self.ended).await.unwrap_or(Ok(())));
        }
        self.printed.as_ref().unwrap_or(&Ok(()))
    }
}
