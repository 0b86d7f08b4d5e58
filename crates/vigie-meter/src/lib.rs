//! The Linky meter: what its customer's output says, checked as well as can be.
//!
//! In reading order:
//! [`limits`] every bound, with its reason ·
//! [`tic`] bytes to frames, without I/O ·
//! [`identity`] who the meter belongs to, hidden unless asked.
//!
//! ```
//! use vigie_meter::tic::{Decoder, Event, Mode, Parity};
//!
//! let mut decoder = Decoder::new(Mode::Historic, Parity::Stripped);
//! let mut values = Vec::new();
//! for byte in b"\nPAPP 00390 -\r" {
//!     decoder.feed(*byte, |event| values.push(event));
//! }
//! assert!(matches!(&values[..], [Event::Group(reading)] if reading.value.number() == Some(390)));
//! ```

pub mod identity;
pub mod limits;
pub mod tic;

pub use identity::Identity;
