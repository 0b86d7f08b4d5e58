//! Commands of this machine: run in a process group of their own, with a time limit and bounded output, and
//! never left behind.
//!
//! What it is not: a shell (but [`Command::shell`] asks one), a terminal, or a supervisor of services.
//!
//! In reading order:
//! [`limits`] every bound, with its reason ·
//! [`command`] what to run, and how ·
//! [`outcome`] how it ended ·
//! [`capture`] what is kept of its output ·
//! [`native`] tools that print JSON when asked to ·
//! [`readers`] output as data ·
//! [`inventory`] which machines are meant · [`ssh`] the same on them.
//! Within: `process` a group and its leader · `pipes` the output as it comes · `supervise` from start to end.
//!
//! ```
//! use std::time::Duration;
//! use vigie_exec::{Command, Ending};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), vigie_exec::StartError> {
//! let outcome = Command::shell("echo \"hello $WHO\"; exit 3")
//!     .env("WHO", "hook")
//!     .time_limit(Duration::from_secs(30))
//!     .run()
//!     .await?;
//! assert_eq!(outcome.ending, Ending::Exited(3));
//! assert_eq!(outcome.stdout.bytes(), b"hello hook\n");
//! # Ok(())
//! # }
//! ```

pub mod capture;
pub mod command;
pub mod inventory;
pub mod limits;
pub mod native;
pub mod outcome;
mod pipes;
mod process;
pub mod readers;
pub mod ssh;
mod supervise;

pub use capture::{Captured, Keep};
pub use command::{Command, Leftovers, Outputs};
pub use outcome::{Ending, Outcome, StartError, Usage};
