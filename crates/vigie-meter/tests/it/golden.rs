//! The reference frames, byte for byte, with checksums that were computed elsewhere.

use std::time::Duration;
use vigie_meter::tic::{Frame, Listener, Mode, StatusRegister, Unit, Value, Ways, samples};

const HISTORIC: &[u8] = b"\x02\nADCO 012345678901 E\r\nOPTARIF HC.. <\r\nISOUSC 45 ?\r\nHCHC 040177099 +\r\n\
HCHP 035972694 @\r\nPTEC HP..  \r\nIINST 005 \\\r\nIMAX 090 H\r\nPAPP 01289 5\r\nHHPHC A ,\r\nMOTDETAT 000000 B\r\x03";

const STANDARD: &[u8] = b"\x02\nADSC\t012345678901\t;\r\nVTIC\t02\tJ\r\nDATE\tE240615143000\t\t8\r\n\
NGTF\t      TEMPO     \tF\r\nLTARF\t    HP  ROUGE   \t%\r\nEAST\t031427787\t6\r\nEASF06\t000002385\t9\r\n\
IRMS1\t003\t1\r\nURMS1\t233\tB\r\nPREF\t09\tH\r\nSINSTS\t00780\tU\r\nSMAXSN\tE240615064656\t03112\t>\r\n\
STGE\t0B3A1401\tQ\r\nPRM\t01234567890123\t4\r\nNTARF\t06\tS\r\nNJOURF+1\t00\tB\r\x03";

pub(crate) fn only_frame(bytes: &[u8]) -> Frame {
    let mut listener = Listener::new(Ways::default());
    let mut frames = Vec::new();
    listener.feed(bytes, Duration::ZERO, |frame| frames.push(frame));
    assert_eq!(frames.len(), 1);
    frames.remove(0)
}

#[test]
fn what_is_simulated_is_the_reference_byte_for_byte() {
    assert_eq!(samples::historic(), HISTORIC);
    assert_eq!(samples::standard(), STANDARD);
    assert_eq!((HISTORIC.len(), STANDARD.len()), (170, 295));
}

#[test]
fn the_historic_frame_says_what_it_says() {
    let frame = only_frame(HISTORIC);
    assert!(frame.is_whole && frame.mode == Mode::Historic);
    assert_eq!(frame.meter(), Some("012345678901"));
    assert_eq!(frame.get("HCHC"), Some(&Value::Number(40_177_099, Unit::Wh)));
    assert_eq!(frame.get("ISOUSC"), Some(&Value::Number(45, Unit::A)));
    assert_eq!(frame.get("PAPP"), Some(&Value::Number(1289, Unit::Va)));
    assert_eq!(frame.get("PTEC"), Some(&Value::Text("HP..".into())));
    let labels: Vec<&str> = frame.readings.iter().map(|r| r.label.as_str()).collect();
    assert_eq!(labels.join(" "), "ADCO OPTARIF ISOUSC HCHC HCHP PTEC IINST IMAX PAPP HHPHC MOTDETAT");
    assert!(frame.readings.iter().all(|reading| reading.is_known && reading.time.is_none()));
}

#[test]
fn the_standard_frame_says_what_it_says() {
    let frame = only_frame(STANDARD);
    assert!(frame.is_whole && frame.mode == Mode::Standard);
    assert_eq!(frame.get("EAST"), Some(&Value::Number(31_427_787, Unit::Wh)));
    assert_eq!(frame.get("PREF"), Some(&Value::Number(9, Unit::Kva)));
    assert_eq!(frame.get("NGTF"), Some(&Value::Text("TEMPO".into())));
    assert_eq!(frame.get("LTARF"), Some(&Value::Text("HP  ROUGE".into())));
    assert_eq!(frame.get("STGE"), Some(&Value::Status(StatusRegister(0x0B3A_1401))));
    assert_eq!(frame.get("PRM"), Some(&Value::Identifier("01234567890123".into())));
    let time = |label| {
        frame.readings.iter().find(|r| r.label == label).unwrap().time.unwrap().at.unwrap().to_string()
    };
    assert_eq!(time("DATE"), "2024-06-15T12:30:00Z");
    assert_eq!(time("SMAXSN"), "2024-06-15T04:46:56Z");
}
