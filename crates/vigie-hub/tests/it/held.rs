//! A store whose index stands still.

use std::sync::mpsc;
use vigie_store::MemIndex;

/// Holds an index up until it is let go: nothing is written to it meanwhile, and nothing read.
pub(crate) struct Held {
    let_go: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Held {
    /// Of an index to which something was written.
    pub(crate) fn hold(index: &MemIndex) -> Held {
        let (let_go, until) = mpsc::channel();
        let (tell, is_held) = mpsc::channel();
        let index = index.clone();
        let thread = std::thread::spawn(move || {
            let mut first = true;
            index.lose_power(|| {
                if std::mem::take(&mut first) {
                    tell.send(()).unwrap();
                    until.recv().unwrap();
                }
                false
            });
        });
        is_held.recv().unwrap();
        Held { let_go, thread }
    }

    pub(crate) fn let_go(self) {
        self.let_go.send(()).unwrap();
        self.thread.join().unwrap();
    }
}
