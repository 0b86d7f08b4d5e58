//! The labels that meters use, and what each may say (Enedis-NOI-CPT_54E).

use super::mode::Mode;
use super::value::Unit;
use crate::limits;

/// What may stand behind a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Exactly so many digits, of at most this number, in this unit.
    Number {
        /// Digits, leading zeros among them.
        width: usize,
        /// What they count.
        unit: Unit,
        /// The largest that can be.
        max: u64,
    },
    /// A counter of energy: nine digits that only grow.
    Counter(Unit),
    /// So many digits that name a meter or a delivery point.
    Identifier(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Capital letters, digits and dots, exactly so many.
    Code(usize),
    /// Any text of at most so many characters.
    Text(usize),
    /// The status register: eight hexadecimal digits.
    Status,
    /// Nothing: the group's time is what it says.
    Time,
}

/// A label of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// As it is sent.
    pub name: &'static str,
    /// What may stand behind it.
    pub kind: Kind,
    /// Whether the group has a time.
    pub has_time: bool,
    /// What it is, for people.
    pub meaning: &'static str,
}

const fn label(name: &'static str, kind: Kind, meaning: &'static str) -> Label {
    Label { name, kind, has_time: false, meaning }
}

const fn timed(name: &'static str, kind: Kind, meaning: &'static str) -> Label {
    Label { name, kind, has_time: true, meaning }
}

const fn number(width: usize, unit: Unit, max: u64) -> Kind {
    Kind::Number { width, unit, max }
}

const WH: Kind = Kind::Counter(Unit::Wh);
const VARH: Kind = Kind::Counter(Unit::Varh);
/// One phase: fuses of such connections end at 90 A, and twice that trips any breaker before it is told.
const AMPERES: Kind = number(3, Unit::A, 200);
/// Twice the nominal voltage, which no meter survives.
const VOLTS: Kind = number(3, Unit::V, 500);
/// A phase of 90 A at the highest voltage allowed.
const PHASE_VA: Kind = number(5, Unit::Va, 30_000);
/// All phases: twice the largest connection, for the moment before a breaker trips.
const TOTAL_VA: Kind = number(5, Unit::Va, 2 * limits::CONNECTION_VA);
const TOTAL_W: Kind = number(5, Unit::W, 2 * limits::CONNECTION_VA);
const KVA: Kind = number(2, Unit::Kva, 99);

/// The label of this name in this mode.
#[must_use]
pub fn find(mode: Mode, name: &str) -> Option<&'static Label> {
    all(mode).iter().find(|label| label.name == name)
}

/// All labels of a mode.
#[must_use]
pub fn all(mode: Mode) -> &'static [Label] {
    match mode {
        Mode::Historic => HISTORIC,
        Mode::Standard => STANDARD,
    }
}

const HISTORIC: &[Label] = &[
    label("ADCO", Kind::Identifier(12), "meter"),
    label("OPTARIF", Kind::Code(4), "tariff"),
    label("ISOUSC", number(2, Unit::A, 99), "subscribed current"),
    label("BASE", WH, "energy"),
    label("HCHC", WH, "energy, off-peak"),
    label("HCHP", WH, "energy, peak"),
    label("EJPHN", WH, "energy, normal"),
    label("EJPHPM", WH, "energy, mobile peak"),
    label("BBRHCJB", WH, "energy, off-peak, blue days"),
    label("BBRHPJB", WH, "energy, peak, blue days"),
    label("BBRHCJW", WH, "energy, off-peak, white days"),
    label("BBRHPJW", WH, "energy, peak, white days"),
    label("BBRHCJR", WH, "energy, off-peak, red days"),
    label("BBRHPJR", WH, "energy, peak, red days"),
    label("PEJP", number(2, Unit::Minutes, 30), "notice of a mobile peak"),
    label(
        "PTEC",
        Kind::Word(&["TH..", "HC..", "HP..", "HN..", "PM..", "HCJB", "HCJW", "HCJR", "HPJB", "HPJW", "HPJR"]),
        "tariff period now",
    ),
    label("DEMAIN", Kind::Word(&["----", "BLEU", "BLAN", "ROUG"]), "colour of tomorrow"),
    label("IINST", AMPERES, "current"),
    label("IINST1", AMPERES, "current, phase 1"),
    label("IINST2", AMPERES, "current, phase 2"),
    label("IINST3", AMPERES, "current, phase 3"),
    label("ADPS", AMPERES, "subscribed current exceeded"),
    label("ADIR1", AMPERES, "current exceeded, phase 1"),
    label("ADIR2", AMPERES, "current exceeded, phase 2"),
    label("ADIR3", AMPERES, "current exceeded, phase 3"),
    label("IMAX", AMPERES, "highest current"),
    label("IMAX1", AMPERES, "highest current, phase 1"),
    label("IMAX2", AMPERES, "highest current, phase 2"),
    label("IMAX3", AMPERES, "highest current, phase 3"),
    label("PMAX", TOTAL_W, "highest power of three phases"),
    label("PAPP", TOTAL_VA, "apparent power"),
    label("HHPHC", Kind::Code(1), "schedule of off-peak hours"),
    label("MOTDETAT", Kind::Code(6), "status word"),
    label("PPOT", Kind::Code(2), "presence of voltages"),
];

const STANDARD: &[Label] = &[
    label("ADSC", Kind::Identifier(12), "meter"),
    label("VTIC", number(2, Unit::None, 99), "version of the output"),
    timed("DATE", Kind::Time, "the meter's time"),
    label("NGTF", Kind::Text(16), "supplier's tariff"),
    label("LTARF", Kind::Text(16), "tariff period now"),
    label("EAST", WH, "energy"),
    label("EASF01", WH, "energy, supplier's counter 1"),
    label("EASF02", WH, "energy, supplier's counter 2"),
    label("EASF03", WH, "energy, supplier's counter 3"),
    label("EASF04", WH, "energy, supplier's counter 4"),
    label("EASF05", WH, "energy, supplier's counter 5"),
    label("EASF06", WH, "energy, supplier's counter 6"),
    label("EASF07", WH, "energy, supplier's counter 7"),
    label("EASF08", WH, "energy, supplier's counter 8"),
    label("EASF09", WH, "energy, supplier's counter 9"),
    label("EASF10", WH, "energy, supplier's counter 10"),
    label("EASD01", WH, "energy, distributor's counter 1"),
    label("EASD02", WH, "energy, distributor's counter 2"),
    label("EASD03", WH, "energy, distributor's counter 3"),
    label("EASD04", WH, "energy, distributor's counter 4"),
    label("EAIT", WH, "energy injected"),
    label("ERQ1", VARH, "reactive energy, quadrant 1"),
    label("ERQ2", VARH, "reactive energy, quadrant 2"),
    label("ERQ3", VARH, "reactive energy, quadrant 3"),
    label("ERQ4", VARH, "reactive energy, quadrant 4"),
    label("IRMS1", AMPERES, "current, phase 1"),
    label("IRMS2", AMPERES, "current, phase 2"),
    label("IRMS3", AMPERES, "current, phase 3"),
    label("URMS1", VOLTS, "voltage, phase 1"),
    label("URMS2", VOLTS, "voltage, phase 2"),
    label("URMS3", VOLTS, "voltage, phase 3"),
    label("PREF", KVA, "subscribed power"),
    label("PCOUP", KVA, "power at which the breaker opens"),
    label("SINSTS", TOTAL_VA, "apparent power"),
    label("SINSTS1", PHASE_VA, "apparent power, phase 1"),
    label("SINSTS2", PHASE_VA, "apparent power, phase 2"),
    label("SINSTS3", PHASE_VA, "apparent power, phase 3"),
    timed("SMAXSN", TOTAL_VA, "highest apparent power today"),
    timed("SMAXSN1", PHASE_VA, "highest apparent power today, phase 1"),
    timed("SMAXSN2", PHASE_VA, "highest apparent power today, phase 2"),
    timed("SMAXSN3", PHASE_VA, "highest apparent power today, phase 3"),
    timed("SMAXSN-1", TOTAL_VA, "highest apparent power yesterday"),
    timed("SMAXSN1-1", PHASE_VA, "highest apparent power yesterday, phase 1"),
    timed("SMAXSN2-1", PHASE_VA, "highest apparent power yesterday, phase 2"),
    timed("SMAXSN3-1", PHASE_VA, "highest apparent power yesterday, phase 3"),
    label("SINSTI", TOTAL_VA, "apparent power injected"),
    timed("SMAXIN", TOTAL_VA, "highest apparent power injected today"),
    timed("SMAXIN-1", TOTAL_VA, "highest apparent power injected yesterday"),
    timed("CCASN", TOTAL_W, "load curve, newest point"),
    timed("CCASN-1", TOTAL_W, "load curve, point before"),
    timed("CCAIN", TOTAL_W, "injection curve, newest point"),
    timed("CCAIN-1", TOTAL_W, "injection curve, point before"),
    timed("UMOY1", VOLTS, "mean voltage, phase 1"),
    timed("UMOY2", VOLTS, "mean voltage, phase 2"),
    timed("UMOY3", VOLTS, "mean voltage, phase 3"),
    label("STGE", Kind::Status, "status register"),
    timed("DPM1", number(2, Unit::None, 99), "start of mobile peak 1"),
    timed("FPM1", number(2, Unit::None, 99), "end of mobile peak 1"),
    timed("DPM2", number(2, Unit::None, 99), "start of mobile peak 2"),
    timed("FPM2", number(2, Unit::None, 99), "end of mobile peak 2"),
    timed("DPM3", number(2, Unit::None, 99), "start of mobile peak 3"),
    timed("FPM3", number(2, Unit::None, 99), "end of mobile peak 3"),
    label("MSG1", Kind::Text(32), "message"),
    label("MSG2", Kind::Text(16), "very short message"),
    label("PRM", Kind::Identifier(14), "delivery point"),
    label("RELAIS", number(3, Unit::None, 255), "relays"),
    label("NTARF", number(2, Unit::None, 99), "number of the tariff counter that runs"),
    label("NJOURF", number(2, Unit::None, 99), "number of the calendar day"),
    label("NJOURF+1", number(2, Unit::None, 99), "number of the calendar day of tomorrow"),
    label("PJOURF+1", Kind::Text(98), "profile of the next day"),
    label("PPOINTE", Kind::Text(98), "profile of the next peak day"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit_their_limit() {
        for mode in [Mode::Historic, Mode::Standard] {
            for (at, label) in all(mode).iter().enumerate() {
                assert!(label.name.len() <= limits::LABEL_BYTES, "{}", label.name);
                assert!(all(mode)[..at].iter().all(|other| other.name != label.name), "{}", label.name);
            }
        }
    }
}
