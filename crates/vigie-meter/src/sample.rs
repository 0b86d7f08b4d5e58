//! A frame with its moment, as it is told to people, scripts and databases.

use crate::identity::Identity;
use crate::tic::{Fault, Frame, Mode, Reading};
use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// A frame and when it ended, by the clock of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// When the frame ended.
    #[serde(serialize_with = "as_text")]
    pub time: Timestamp,
    /// The meter, as it may be shown; missing if its group was lost.
    pub meter: Option<String>,
    /// The mode.
    pub mode: Mode,
    /// Whether nothing of it was lost.
    pub whole: bool,
    /// What it says, in the meter's order.
    #[serde(rename = "values", serialize_with = "by_label")]
    pub readings: Vec<Reading>,
    /// What of it was lost, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

impl Sample {
    /// A frame that ended at this time.
    #[must_use]
    pub fn new(frame: Frame, time: Timestamp, identity: &Identity) -> Self {
        let (meter, frame) = identity.apply(frame);
        let Frame { mode, readings, faults, is_whole } = frame;
        Sample { time, meter, mode, whole: is_whole, readings, faults }
    }
}

fn as_text<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn by_label<S: Serializer>(readings: &[Reading], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(readings.len()))?;
    for reading in readings {
        map.serialize_entry(&reading.label, reading)?;
    }
    map.end()
}
