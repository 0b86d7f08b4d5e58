//! Every kind of frame: golden bytes, round trip, and what damage does to it.

use super::*;
use crate::limits::{
    FRAME_BYTES_MAX, OFFER_BLOCKS_MAX, PIECE_BYTES_MAX, RECORDS_PER_FRAME_MAX, TEXT_BYTES_MAX,
};
use bytes::BytesMut;
use std::time::Duration;
use vigie_model::{AgentRecord, BlockKind, Digest, Incarnation, MachineId, StoredKind, Stream, UnixNanos};

/// One frame of each kind with its bytes in version 1. These lines never change; new fields get new lines.
fn golden() -> Vec<(Frame, String)> {
    let sixteen = |byte: &str| byte.repeat(16);
    let thirty_two = |byte: &str| byte.repeat(32);
    let versions = Versions { min: 1, max: 2 };
    let head = BlockHead {
        digest: Digest([0xdd; 32]),
        kind: StoredKind::LIST,
        codec: 1,
        raw_len: 0x0102,
        stored_len: 3,
    };
    vec![
        (
            Frame::Hello(Hello {
                versions,
                features: vec!["a-b".into()],
                instance: InstanceId([0x11; 16]),
                incarnation: Incarnation(5),
                software: "vigie 1".into(),
                boot: [0x22; 16],
            }),
            format!(
                "4000000001 0801 1002 1a03612d62 2210{} 290500000000000000 32077669676965 2031 3a10{}",
                sixteen("11"),
                sixteen("22")
            ),
        ),
        (
            Frame::Welcome(Welcome {
                version: 1,
                features: vec![],
                hub: MachineId([0x33; 16]),
                last: Some(LastRecord {
                    incarnation: Incarnation(5),
                    n: RecordNo(300),
                    observed: UnixNanos(-2),
                }),
                block_credit: 1 << 20,
                record_credit: 7,
            }),
            format!(
                "3200000002 0801 1a10{} 2215 090500000000000000 10ac02 19feffffffffffffff 28808040 3007",
                sixteen("33")
            ),
        ),
        (
            Frame::Refuse(Refuse { code: RefuseCode::TokenUsed, reason: "no".into() }),
            "0700000003 0805 12026e6f".into(),
        ),
        (Frame::Close(Close { code: CloseCode::Other(77), reason: String::new() }), "0300000004 084d".into()),
        (Frame::Ping { token: 1 }, "0a00000005 090100000000000000".into()),
        (Frame::Pong { token: 0 }, "0100000006".into()),
        (
            Frame::Enroll(Enroll {
                versions,
                secret: [0x44; 32],
                name: "web01".into(),
                csr: vec![0x30, 0x00],
            }),
            format!("3200000008 0801 1002 1a20{} 22057765623031 2a023000", thirty_two("44")),
        ),
        (
            Frame::Enrolled(Enrolled { machine: MachineId([0x55; 16]), chain: vec![vec![1], vec![2, 3]] }),
            format!("1a00000009 0a10{} 120101 12020203", sixteen("55")),
        ),
        (
            Frame::Records(Records {
                first_n: RecordNo(300),
                records: vec![AgentRecord {
                    observed: UnixNanos(1),
                    stream: Stream(7),
                    kind: 2,
                    version: 3,
                    payload: b"xy".to_vec(),
                }],
            }),
            "1900000010 08ac02 1213 090100000000000000 1007 1802 2003 2a027879".into(),
        ),
        (Frame::Ack { n: RecordNo(300) }, "0400000011 08ac02".into()),
        (Frame::Credit { blocks: 65_536, records: 1 }, "0700000012 08808004 1001".into()),
        (
            Frame::Offer(Offer {
                id: 9,
                blocks: vec![(BlockKind::Data, Digest([0xaa; 32])), (BlockKind::List, Digest([0xbb; 32]))],
            }),
            format!("4700000013 0809 1242 00{} 01{}", thirty_two("aa"), thirty_two("bb")),
        ),
        (Frame::Need(Need::new(9, [true, false])), "0600000014 0809 120101".into()),
        (
            Frame::BlockStart(BlockStart { head, piece: Bytes::from_static(b"ab") }),
            format!("2d00000015 {} 01 01 02010000 03000000 6162", thirty_two("dd")),
        ),
        (Frame::BlockMore(Bytes::from_static(b"c")), "0200000016 63".into()),
        (
            Frame::Request(Request {
                id: 4,
                capability: "renew".into(),
                deadline: Duration::from_millis(300),
                window: 4 << 20,
                body: Bytes::from_static(b"q"),
            }),
            "1500000020 0804 120572656e6577 18ac02 220171 2880808002".into(),
        ),
        (
            Frame::Reply(Reply { id: 4, more: true, result: Ok(Bytes::from_static(b"r")) }),
            "0800000021 0804 1001 1a0172".into(),
        ),
        (
            Frame::Reply(Reply { id: 4, more: false, result: Err(Failure::new(FailureCode::Busy, "b")) }),
            "0a00000021 0804 2205 0803 120162".into(),
        ),
        (Frame::Cancel { id: 4 }, "0300000022 0804".into()),
        (Frame::Grant { id: 4, bytes: 300 }, "0600000023 0804 10ac02".into()),
        (
            Frame::Notice(Notice { name: "n".into(), body: Bytes::from_static(b"o") }),
            "0700000024 0a016e 12016f".into(),
        ),
    ]
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|p| u8::from_str_radix(&String::from_iter(p), 16).unwrap()).collect()
}

fn encoded(frame: &Frame) -> BytesMut {
    let mut out = BytesMut::new();
    encode(frame, &mut out).unwrap();
    out
}

#[test]
fn golden_bytes_and_round_trip() {
    for (frame, hex) in golden() {
        let bytes = unhex(&hex);
        assert_eq!(encoded(&frame)[..], bytes[..], "{frame:?}");
        assert_eq!(decode_frame(&bytes), Ok(Decoded::Frame(frame, bytes.len())));
    }
}

#[test]
fn every_kind_has_golden_bytes() {
    for kind in Kind::ALL {
        assert!(golden().iter().any(|(frame, _)| frame.kind() == *kind), "{}", kind.name());
        assert_eq!(Kind::from_number(*kind as u8), Some(*kind));
        assert!((*kind as u8) < MAY_SKIP_FROM && kind.body_max() < FRAME_BYTES_MAX);
    }
}

#[test]
fn a_cut_frame_is_not_yet_a_frame_and_a_cut_body_is_none() {
    for (frame, hex) in golden() {
        let whole = unhex(&hex);
        for cut in 0..whole.len() {
            match decode_frame(&whole[..cut]) {
                Ok(Decoded::Needs(bytes)) => assert!(bytes > cut && bytes <= whole.len()),
                other => panic!("{frame:?} cut at {cut}: {other:?}"),
            }
            // The same with a length that says that this is all.
            if cut >= 5 {
                let mut short = whole[..cut].to_vec();
                short[..4].copy_from_slice(&(cut as u32 - 4).to_le_bytes());
                assert_ne!(decode_frame(&short), Ok(Decoded::Frame(frame.clone(), cut)));
            }
        }
    }
}

#[test]
fn flipped_bits_never_panic_and_never_read_beyond_the_frame() {
    for (_, hex) in golden() {
        let whole = unhex(&hex);
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bad = whole.clone();
                bad[at] ^= 1 << bit;
                match decode_frame(&bad) {
                    Ok(Decoded::Frame(_, used) | Decoded::Skip(_, used)) => assert!(used <= bad.len()),
                    Ok(Decoded::Needs(bytes)) => assert!(bytes > bad.len()),
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
        }
    }
}

#[test]
fn lengths_beyond_the_limits_are_refused_from_the_header_alone() {
    for kind in Kind::ALL {
        let header = |len: usize| [&(len as u32).to_le_bytes()[..], &[*kind as u8]].concat();
        let max = 1 + kind.body_max();
        assert_eq!(decode_frame(&header(max)), Ok(Decoded::Needs(4 + max)), "{}", kind.name());
        let refused = FrameError::TooLong { kind: *kind as u8, len: max + 1, max };
        assert_eq!(decode_frame(&header(max + 1)), Err(refused));
    }
    assert_eq!(decode_frame(&[0, 0, 0, 0, 5]), Err(FrameError::Empty));
    assert!(matches!(decode_frame(&[0xff; 5]), Err(FrameError::TooLong { .. })));
}

#[test]
fn unknown_kinds_are_skipped_or_refused_by_their_number() {
    assert_eq!(decode_frame(&[3, 0, 0, 0, 127, 1, 2]), Err(FrameError::UnknownKind(127)));
    assert_eq!(decode_frame(&[3, 0, 0, 0, 128, 1, 2]), Ok(Decoded::Skip(128, 7)));
    assert_eq!(decode_frame(&[3, 0, 0, 0, 128, 1]), Ok(Decoded::Needs(7)));

    let mut buffer = BytesMut::from(&[2, 0, 0, 0, 200, 9][..]);
    buffer.extend_from_slice(&encoded(&Frame::Cancel { id: 1 }));
    let decoder = Decoder { frame_max: FRAME_BYTES_MAX };
    assert_eq!(decoder.take(&mut buffer), Ok(Ok(Frame::Cancel { id: 1 })));
    assert_eq!(decoder.take(&mut buffer), Ok(Err(5)));
}

#[test]
fn unknown_fields_are_ignored() {
    // A ping with its token and a field 15 of bytes.
    let bytes = unhex("0e00000005 090100000000000000 7a026869");
    assert_eq!(decode_frame(&bytes), Ok(Decoded::Frame(Frame::Ping { token: 1 }, bytes.len())));
}

/// Wraps a body that the encoder would not write.
fn raw(kind: Kind, body: &[u8]) -> Vec<u8> {
    [&(1 + body.len() as u32).to_le_bytes()[..], &[kind as u8], body].concat()
}

fn why_not(kind: Kind, body: &[u8]) -> String {
    match decode_frame(&raw(kind, body)) {
        Err(FrameError::Body { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn records_are_counted_before_memory_is_taken() {
    let body = |count| [&[8, 1][..], &[0x12, 0].repeat(count)].concat();
    assert!(why_not(Kind::Records, &body(RECORDS_PER_FRAME_MAX + 1)).contains("more than 4096 records"));
    assert!(why_not(Kind::Records, &body(1 << 20)).contains("more than 4096 records"));
    assert!(why_not(Kind::Records, &body(0)).contains("no record"));
    assert!(matches!(
        decode_frame(&raw(Kind::Records, &body(RECORDS_PER_FRAME_MAX))),
        Ok(Decoded::Frame(Frame::Records(_), _))
    ));
    assert!(why_not(Kind::Records, &[0x12, 0]).contains("impossible numbers"), "n begins at 1");
}

#[test]
fn blocks_beyond_the_limits_are_refused() {
    let (frame, _) = golden().into_iter().find(|(f, _)| f.kind() == Kind::BlockStart).unwrap();
    let good = encoded(&frame)[5..].to_vec();
    let with = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        why_not(Kind::BlockStart, &bad)
    };
    assert_eq!(with(32, &[3]), "it names a block of an unknown kind");
    assert_eq!(with(34, &(256 * 1024 + 1u32).to_le_bytes()), "its block is larger than any may be");
    assert_eq!(with(38, &[0xff; 4]), "its block's stored form is larger than any may be");
    assert_eq!(with(38, &[1, 0, 0, 0]), "it has more bytes than its block");
    assert_eq!(why_not(Kind::BlockStart, &good[..41]), "its head is cut off");
    assert_eq!(why_not(Kind::BlockMore, &[]), "it has no bytes");
}

#[test]
fn offers_and_answers_must_fit_each_other() {
    let digests = |count| Offer { id: 1, blocks: vec![(BlockKind::Data, Digest([1; 32])); count] };
    let mut out = BytesMut::new();
    assert!(encode(&Frame::Offer(digests(OFFER_BLOCKS_MAX)), &mut out).is_ok());
    assert!(matches!(decode_frame(&out), Ok(Decoded::Frame(..))));
    let (before, too_many) = (out.len(), Frame::Offer(digests(2 * OFFER_BLOCKS_MAX)));
    assert!(matches!(encode(&too_many, &mut out), Err(FrameError::TooLong { .. })));
    assert_eq!(out.len(), before, "nothing of a refused frame was written");

    let (offer, mut bundle) = (digests(1), BytesMut::new());
    encode(&Frame::Offer(offer), &mut bundle).unwrap();
    let kind = bundle.len() - 1 - Digest::LEN;
    bundle[kind] = 2;
    assert_eq!(
        why_not(Kind::Offer, &bundle[5..]),
        "it names a block of an unknown kind",
        "nobody asks for bundles"
    );

    let need = Need::new(1, (0..10).map(|i| i % 3 == 0));
    assert_eq!((0..16).filter(|i| need.wants(*i)).collect::<Vec<_>>(), [0, 3, 6, 9]);
    assert!(
        need.answers(10) && need.answers(16) && !need.answers(9) && !need.answers(17) && !need.answers(8)
    );
}

#[test]
fn texts_of_a_peer_cannot_rewrite_a_terminal() {
    let refuse = Refuse { code: RefuseCode::Version, reason: "a\u{1b}[2Jb\n".into() };
    match decode_frame(&encoded(&Frame::Refuse(refuse))) {
        Ok(Decoded::Frame(Frame::Refuse(refuse), _)) => assert_eq!(refuse.reason, "a [2Jb "),
        other => panic!("{other:?}"),
    }
    let long = Frame::Refuse(Refuse { code: RefuseCode::Version, reason: "é".repeat(TEXT_BYTES_MAX) });
    match decode_frame(&encoded(&long)) {
        Ok(Decoded::Frame(Frame::Refuse(refuse), _)) => assert_eq!(refuse.reason.len(), TEXT_BYTES_MAX),
        other => panic!("{other:?}"),
    }
    assert!(why_not(Kind::Notice, &unhex("0a0320414a")).contains("not a plain word"));
}

#[test]
fn a_call_is_bounded_where_it_is_read() {
    let no_deadline = unhex("0804 120178 2880808002");
    assert_eq!(why_not(Kind::Request, &no_deadline), "its deadline is none or too far");
    let no_window = unhex("0804 120178 1801");
    assert_eq!(why_not(Kind::Request, &no_window), "its window is too small for a part of an answer");
    assert_eq!(why_not(Kind::Reply, &unhex("1001 2200")), "more is to follow a failure");
}

#[test]
fn a_whole_piece_fits_its_frame_and_one_byte_more_does_not() {
    let mut out = BytesMut::new();
    assert!(encode(&Frame::BlockMore(vec![0; PIECE_BYTES_MAX].into()), &mut out).is_ok());
    assert!(encode(&Frame::BlockMore(vec![0; PIECE_BYTES_MAX + 1].into()), &mut out).is_err());
}

#[test]
fn versions_meet_at_the_newest_both_speak() {
    let range = |min, max| Versions { min, max };
    assert_eq!(range(1, 3).common(range(2, 9)), Some(3));
    assert_eq!(range(2, 9).common(range(1, 3)), Some(3));
    assert_eq!(range(1, 1).common(range(2, 3)), None);
    assert!(why_not(Kind::Hello, &[8, 2, 16, 1]).contains("not a range"));
}

#[test]
fn a_record_weighs_no_less_than_its_bytes() {
    for payload in [0, 1, 127, 128, 16_384, 1_000_000] {
        let record = AgentRecord {
            observed: UnixNanos(-1),
            stream: Stream(u16::MAX),
            kind: u16::MAX,
            version: u16::MAX,
            payload: vec![1; payload],
        };
        let weight = Records::weight(&record);
        let frame = |count| {
            encoded(&Frame::Records(Records { first_n: RecordNo(1), records: vec![record.clone(); count] }))
                .len()
        };
        assert!(frame(2) - frame(1) <= weight && weight <= frame(2) - frame(1) + 16);
    }
}
