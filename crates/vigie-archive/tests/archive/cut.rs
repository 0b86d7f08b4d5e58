//! Streams that end too early.

use crate::support::*;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use vigie_archive::{ContentState, ExtractError, Options, ReadError, Stop, survey};

fn sample() -> Vec<u8> {
    stream(|tree| {
        tree.directory(b"d", &directory()).unwrap();
        add_file(tree, b"d/small", &[1; 700]);
        add_file(tree, b"large", &vec![2; 300_000]);
        tree.file(b"bad", &file(), 600, ContentState::WHOLE, [Err::<&[u8], _>("gone")]).unwrap();
        tree.hard_link(b"second", b"large", &file()).unwrap();
        tree.other(b"link", &symlink(&[b'l'; 400])).unwrap();
    })
}

#[test]
fn a_cut_at_any_border_is_told_and_leaves_no_half_file() {
    let dir = scratch();
    let bytes = sample();
    let target = dir.path().join("target");
    for cut in (0..bytes.len()).step_by(512) {
        let end = quietly(&bytes[..cut], &target, &Options::default());
        let Err(ExtractError::Stopped { stop: Stop::Stream(ReadError::CutOff(_)), done }) = end else {
            panic!("cut at {cut}: {end:?}");
        };
        assert_eq!(done.problems.count, 0, "cut at {cut}: {done:?}");
        for (name, size) in [("d/small", 700), ("large", 300_000), ("second", 300_000)] {
            if let Ok(meta) = fs::metadata(target.join(name)) {
                assert_eq!(meta.len(), size, "{name}, cut at {cut}");
            }
        }
        if let Ok(meta) = fs::metadata(&target) {
            assert_eq!(meta.permissions().mode() & 0o7777, 0o755, "cut at {cut}");
            fs::remove_dir_all(&target).unwrap();
        }
    }
    let summary = quietly(&bytes, &target, &Options::default()).unwrap();
    assert_eq!((summary.entries, summary.damaged.count, summary.written), (7, 1, 6));
}

#[test]
fn a_cut_at_any_byte_is_told() {
    let bytes = stream(|tree| add_file(tree, b"f", b"content"));
    for cut in 0..bytes.len() {
        let (_, end) = survey(&bytes[..cut]);
        assert!(matches!(end, Err(ReadError::CutOff(_))), "cut at {cut}: {end:?}");
    }
    assert!(survey(&bytes[..]).1.is_ok());
}

#[test]
fn blocks_left_out_in_the_middle_are_told() {
    let bytes = sample();
    for from in (0..bytes.len()).step_by(512) {
        let shorter = [&bytes[..from], &bytes[from + 512..]].concat();
        assert!(survey(&shorter[..]).1.is_err(), "without the block at {from}");
    }
}

#[test]
fn an_end_without_the_closing_header_is_told() {
    let bytes = sample();
    let end = bytes.windows(10).rposition(|w| w == b"VIGIE.end=").unwrap() / 512 * 512 - 512;
    let unmarked = [&bytes[..end], &[0; 1024]].concat();
    assert!(matches!(survey(&unmarked[..]).1, Err(ReadError::Unmarked)));
}

#[test]
fn a_reader_that_fails_is_told_as_such() {
    struct Failing(Vec<u8>);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            let count = buffer.len().min(self.0.len()).min(100);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }
    let (_, end) = survey(Failing(sample()[..5000].to_vec()));
    assert!(matches!(end, Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::ConnectionReset));
    // What fails behind a stream that is whole takes nothing from it.
    assert!(survey(Failing(sample())).1.is_ok());
}
