//! The Linky meter: what its customer's output says, checked as well as can be.
//!
//! In reading order:
//! [`limits`] every bound, with its reason ·
//! [`tic`] bytes to frames, without I/O ·
//! [`identity`] who the meter belongs to, hidden unless asked ·
//! [`sample`] a frame with its moment, as it is told ·
//! [`device`] the serial line ·
//! [`line`](mod@line) the line through speeds, silence and unplugging ·
//! [`simulate`] a meter that is not there ·
//! [`sinks`] Prometheus, InfluxDB, MQTT.
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

pub mod device;
pub mod identity;
pub mod limits;
pub mod line;
pub mod sample;
pub mod simulate;
pub mod sinks;
pub mod tic;

pub use device::{Device, DeviceError};
pub use identity::Identity;
pub use line::{LineConfig, News, listen};
pub use sample::Sample;
