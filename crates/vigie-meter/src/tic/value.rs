//! What a group says, with its unit.

use super::horodate::Horodate;
use super::status::StatusRegister;
use serde::Serialize;
use serde::ser::SerializeMap;

/// The unit of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Watt-hours.
    Wh,
    /// Reactive volt-ampere-hours.
    #[serde(rename = "VArh")]
    Varh,
    /// Watts.
    W,
    /// Volt-amperes.
    #[serde(rename = "VA")]
    Va,
    /// Kilovolt-amperes.
    #[serde(rename = "kVA")]
    Kva,
    /// Amperes.
    A,
    /// Volts.
    V,
    /// Minutes.
    #[serde(rename = "min")]
    Minutes,
    /// A plain number.
    #[serde(rename = "")]
    None,
}

impl Unit {
    /// As it is written behind a number.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Unit::Wh => "Wh",
            Unit::Varh => "VArh",
            Unit::W => "W",
            Unit::Va => "VA",
            Unit::Kva => "kVA",
            Unit::A => "A",
            Unit::V => "V",
            Unit::Minutes => "min",
            Unit::None => "",
        }
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number in the unit of its label.
    Number(u64, Unit),
    /// Text, without the blanks that fill it up.
    Text(String),
    /// Number of a meter or of a delivery point: it leads to a person.
    Identifier(String),
    /// The status register.
    Status(StatusRegister),
    /// Nothing but the group's time.
    Time,
}

impl Value {
    /// The number, if it is one.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match self {
            Value::Number(number, _) => Some(*number),
            _ => None,
        }
    }

    /// The unit, if it has one.
    #[must_use]
    pub fn unit(&self) -> Option<Unit> {
        match self {
            Value::Number(_, unit) if *unit != Unit::None => Some(*unit),
            _ => None,
        }
    }
}

/// One group of a frame: a label and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// As the meter names it.
    pub label: String,
    /// What it says.
    pub value: Value,
    /// When, where the label has a time.
    pub time: Option<Horodate>,
    /// Whether this is in the table of labels. What is not is kept as text.
    pub is_known: bool,
}

impl Serialize for Reading {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.value {
            Value::Number(number, _) => map.serialize_entry("value", number)?,
            Value::Text(text) | Value::Identifier(text) => map.serialize_entry("value", text)?,
            Value::Status(register) => {
                map.serialize_entry("value", &format!("{:08X}", register.0))?;
                map.serialize_entry("status", &register.told())?;
            }
            Value::Time => {}
        }
        if let Some(unit) = self.value.unit() {
            map.serialize_entry("unit", unit.symbol())?;
        }
        if let Some(time) = &self.time {
            map.serialize_entry("at", &time.at.map(|at| at.to_string()))?;
            if time.is_degraded {
                map.serialize_entry("clock_degraded", &true)?;
            }
        }
        map.end()
    }
}
