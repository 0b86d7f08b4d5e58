//! The customer's output of a French electricity meter (TIC), as Enedis-NOI-CPT_54E has it: bytes in, frames out, no I/O.
//!
//! In reading order: `mode` the two languages, parity, checksum · `labels` what may be said · `value` what was said ·
//! `horodate` and `status` two values of their own · `group` one label and what it says · `decoder` bytes to groups · `frame`
//! groups to frames · `plausible` what cannot be · `listener` which language it is · [`samples`] frames to begin with.

mod decoder;
mod frame;
mod group;
mod horodate;
mod labels;
mod listener;
mod mode;
mod plausible;
pub mod samples;
mod status;
mod value;

pub use decoder::{Decoder, Event};
pub use frame::{Assembler, Fault, Frame};
pub use group::FaultKind;
pub use horodate::Horodate;
pub use labels::{Kind, Label, all as all_labels, find as find_label};
pub use listener::{Counts, Listener, Ways};
pub use mode::{Mode, Parity, checksum};
pub use plausible::Judge;
pub use status::{Colour, Status, StatusRegister};
pub use value::{Reading, Unit, Value};
