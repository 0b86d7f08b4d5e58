//! Where hashing and decompression happen: on other threads, or, in a simulation, right here.

use crate::session::Ended;
use vigie_store::{Codec, NewBlock};
use vigie_wire::WireBlock;
use vigie_wire::frame::BlockHead;

/// Where work that keeps a core busy is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cpu {
    /// On the runtime's blocking threads.
    Threads,
    /// On the spot, so that a simulation is the same each time.
    Inline,
}

/// Raw bytes up to which blocks are verified on the spot: the way to another thread and back costs more.
const ON_THE_SPOT_BYTES_MAX: u64 = 32 * 1024;

/// Blocks on their way through verification.
#[derive(Debug)]
pub(crate) struct Verifying {
    work: Work,
    cost: u64,
}

type Verified = Vec<NewBlock>;

#[derive(Debug)]
enum Work {
    Away(tokio::task::JoinHandle<Result<Verified, Ended>>),
    Done(Result<Verified, Ended>),
}

impl Cpu {
    /// Does some work and waits for it. The error is that the work panicked.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        match self {
            Cpu::Inline => Ok(work()),
            Cpu::Threads => tokio::task::spawn_blocking(work).await.map_err(|e| e.to_string()),
        }
    }

    /// Begins to verify these blocks: each must decompress to the stated size and have its digest.
    pub(crate) fn verify(self, blocks: Vec<WireBlock>) -> Verifying {
        let cost = blocks.iter().map(|block| u64::from(block.head.stored_len)).sum();
        let raw: u64 = blocks.iter().map(|block| u64::from(block.head.raw_len)).sum();
        let work = match self {
            Cpu::Threads if raw > ON_THE_SPOT_BYTES_MAX => {
                Work::Away(tokio::task::spawn_blocking(move || verify_all(blocks)))
            }
            Cpu::Threads | Cpu::Inline => Work::Done(verify_all(blocks)),
        };
        Verifying { work, cost }
    }
}

impl Verifying {
    /// The verified blocks, and what they cost in credit.
    pub(crate) async fn finish(self) -> Result<(Verified, u64), Ended> {
        let verified = match self.work {
            Work::Done(done) => done?,
            Work::Away(away) => away.await.map_err(|e| Ended::internal(format!("verification: {e}")))??,
        };
        Ok((verified, self.cost))
    }
}

fn verify_all(blocks: Vec<WireBlock>) -> Result<Verified, Ended> {
    blocks.into_iter().map(verify).collect()
}

fn verify(block: WireBlock) -> Result<NewBlock, Ended> {
    let WireBlock { head, stored } = block;
    let BlockHead { digest, kind, raw_len, .. } = head;
    let bad = |why: &dyn std::fmt::Display| Ended::violation(format!("block {digest}: {why}"));
    let codec = Codec::from_number(head.codec).ok_or_else(|| bad(&"unknown compression"))?;
    NewBlock::verify(kind, codec, raw_len, stored, digest).map_err(|e| bad(&e))
}
