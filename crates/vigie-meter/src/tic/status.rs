//! The status register of standard mode, `STGE`: 32 bits about meter, breaker and tariff.

use serde::Serialize;

/// A day's colour in the Tempo tariff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// Cheap.
    Blue,
    /// In between.
    White,
    /// Dear.
    Red,
}

/// The register, with names for what its bits say (Enedis-NOI-CPT_54E, 6.2.3.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRegister(pub u32);

impl StatusRegister {
    fn bit(self, at: u32) -> bool {
        self.0 >> at & 1 == 1
    }

    fn bits(self, at: u32, count: u32) -> u8 {
        // At most eight bits are asked for.
        u8::try_from(self.0 >> at & ((1 << count) - 1)).unwrap_or_default()
    }

    fn colour(self, at: u32) -> Option<Colour> {
        match self.bits(at, 2) {
            1 => Some(Colour::Blue),
            2 => Some(Colour::White),
            3 => Some(Colour::Red),
            _ => None,
        }
    }

    /// What it says, by name.
    #[must_use]
    pub fn told(self) -> Status {
        Status {
            dry_contact_open: self.bit(0),
            breaker: self.bits(1, 3),
            terminal_cover_open: self.bit(4),
            overvoltage: self.bit(6),
            above_reference_power: self.bit(7),
            producer: self.bit(8),
            active_energy_negative: self.bit(9),
            supplier_index: self.bits(10, 4) + 1,
            distributor_index: self.bits(14, 2) + 1,
            clock_degraded: self.bit(16),
            standard_output: self.bit(17),
            euridis: self.bits(19, 2),
            plc: self.bits(21, 2),
            plc_synchronised: self.bit(23),
            colour_today: self.colour(24),
            colour_tomorrow: self.colour(26),
            peak_notice: self.bits(28, 2),
            peak: self.bits(30, 2),
        }
    }
}

/// The register's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The meter's own relay is open.
    pub dry_contact_open: bool,
    /// 0 closed; 1 open by power, 2 by voltage, 3 by load shedding, 4 by order of the network, 5 and 6 by heat.
    pub breaker: u8,
    /// The cover over the customer's terminals is open.
    pub terminal_cover_open: bool,
    /// A phase has too high a voltage.
    pub overvoltage: bool,
    /// More power is drawn than was subscribed.
    pub above_reference_power: bool,
    /// The meter is set up for somebody who also produces.
    pub producer: bool,
    /// More flows out than in.
    pub active_energy_negative: bool,
    /// Which counter of the supplier's tariff runs, from 1.
    pub supplier_index: u8,
    /// Which counter of the distributor's tariff runs, from 1.
    pub distributor_index: u8,
    /// The meter's clock is not to be trusted.
    pub clock_degraded: bool,
    /// The customer's output is in standard mode.
    pub standard_output: bool,
    /// State of the Euridis output.
    pub euridis: u8,
    /// State of the power-line modem.
    pub plc: u8,
    /// The power-line modem is in step with the network.
    pub plc_synchronised: bool,
    /// Today's colour, where the tariff has one.
    pub colour_today: Option<Colour>,
    /// Tomorrow's, once it is known.
    pub colour_tomorrow: Option<Colour>,
    /// Which mobile peak is announced.
    pub peak_notice: u8,
    /// Which mobile peak there is now.
    pub peak: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_register_is_a_red_day_before_a_white_one() {
        let status = StatusRegister(0x0B3A_1401).told();
        assert_eq!((status.colour_today, status.colour_tomorrow), (Some(Colour::Red), Some(Colour::White)));
        assert!(status.dry_contact_open && status.standard_output && !status.above_reference_power);
        assert_eq!((status.supplier_index, status.distributor_index, status.breaker), (6, 1, 0));
    }

    #[test]
    fn bits_do_not_run_into_each_other() {
        assert!(StatusRegister(1 << 7).told().above_reference_power);
        assert_eq!(StatusRegister(0b1110).told().breaker, 7);
        assert_eq!(StatusRegister(u32::MAX).told().peak, 3);
        assert_eq!(StatusRegister(0).told().colour_today, None);
    }
}
