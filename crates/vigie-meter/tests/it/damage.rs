//! No damage of a frame makes a wrong value.

use std::time::Duration;
use vigie_meter::tic::{Listener, Parity, Reading, Ways, samples};

fn dressed(bytes: &[u8], parity: Parity) -> Vec<u8> {
    bytes.iter().map(|byte| parity.dress(*byte)).collect()
}

/// What is accepted of a stream in which a whole frame stands on both sides of a damaged one; and of how many frames.
fn accepted(ways: Ways, before: &[u8], damaged: &[u8]) -> (Vec<Reading>, usize) {
    let mut listener = Listener::new(ways);
    let (mut readings, mut frames) = (Vec::new(), 0);
    for (bytes, at) in [(before, 0), (damaged, 2), (before, 4)] {
        listener.feed(bytes, Duration::from_secs(at), |frame| {
            readings.extend(frame.readings);
            frames += 1;
        });
    }
    (readings, frames)
}

/// Flips every bit of a frame, one at a time, and gives how many wrong values were accepted, and how many right ones at least.
fn wrong_values(frame: &[u8], parity: Parity, ways: Ways) -> (usize, usize) {
    let sent = dressed(frame, parity);
    let right = accepted(ways, &sent, &sent).0;
    let (mut wrong, mut fewest) = (0, usize::MAX);
    for at in 0..sent.len() * 8 {
        let mut damaged = sent.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        for (before, damaged) in [(&sent[..], &damaged[..]), (&damaged[..], &sent[..])] {
            let (readings, _) = accepted(ways, before, damaged);
            wrong += readings.iter().filter(|reading| !right.contains(reading)).count();
            fewest = fewest.min(readings.len());
        }
    }
    (wrong, fewest)
}

#[test]
fn every_flipped_bit_with_parity_yields_no_wrong_value() {
    for frame in [samples::historic(), samples::standard()] {
        for ways in [Ways::default(), Ways { mode: None, parity: Some(Parity::Even) }] {
            let (wrong, fewest) = wrong_values(&frame, Parity::Even, ways);
            assert_eq!(wrong, 0);
            assert!(fewest > 0, "reading nothing would be no wonder");
        }
    }
}

#[test]
fn every_flipped_bit_without_parity_yields_no_wrong_value_either() {
    for frame in [samples::historic(), samples::standard()] {
        let (wrong, fewest) = wrong_values(&frame, Parity::Stripped, Ways::default());
        assert_eq!(wrong, 0);
        assert!(fewest > 0);
    }
}

#[test]
fn a_flipped_bit_costs_one_group_and_no_other() {
    for frame in [samples::historic(), samples::standard()] {
        let sent = dressed(&frame, Parity::Even);
        let whole = accepted(Ways::default(), &sent, &sent).0.len();
        for at in 0..sent.len() * 8 {
            let mut damaged = sent.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            let (readings, frames) = accepted(Ways::default(), &sent, &damaged);
            // An STX that became something else costs the start of a frame, and no group.
            assert!(readings.len() + 1 >= whole && frames >= 3, "bit {at}: {} of {whole}", readings.len());
        }
    }
}

#[test]
fn every_truncation_and_every_splice_yields_only_right_values() {
    for frame in [samples::historic(), samples::standard()] {
        let sent = dressed(&frame, Parity::Even);
        let right = accepted(Ways::default(), &sent, &sent).0;
        for cut in 0..sent.len() {
            let (readings, _) = accepted(Ways::default(), &sent, &sent[..cut]);
            assert!(readings.iter().all(|reading| right.contains(reading)), "cut at {cut}");
            let (readings, _) = accepted(Ways::default(), &sent, &sent[cut..]);
            assert!(readings.iter().all(|reading| right.contains(reading)), "from {cut}");
        }
    }
}

#[test]
fn bytes_of_eight_bits_do_no_harm() {
    let sent = dressed(&samples::historic(), Parity::Stripped);
    for at in 0..sent.len() {
        let mut damaged = sent.clone();
        damaged.insert(at, 0xFF);
        let right = accepted(Ways::default(), &sent, &sent).0;
        let (readings, _) = accepted(Ways::default(), &sent, &damaged);
        assert!(readings.iter().all(|reading| right.contains(reading)), "at {at}");
    }
}
