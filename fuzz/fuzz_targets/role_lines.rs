//! The lines of the plain role protocol, as any peer may send them, and the file of an epoch.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_role::epoch_file;
use vigie_role::limits::LINE_BYTES_MAX;
use vigie_role::plain::line::{LineReader, Read, Said};

fuzz_target!(|data: (usize, &[u8])| {
    let (cut, bytes) = data;
    let mut whole = Vec::new();
    LineReader::new().push(bytes, |read| whole.push(read));
    // However the bytes come, the lines are the same, and no more than one is ever kept.
    let (head, tail) = bytes.split_at(cut % (bytes.len() + 1));
    let (mut parts, mut reader) = (Vec::new(), LineReader::new());
    for part in [head, tail] {
        reader.push(part, |read| parts.push(read));
        assert!(reader.kept() <= LINE_BYTES_MAX);
    }
    assert_eq!(whole, parts);
    for read in whole {
        let Read::Line(line) = read else { continue };
        if let Some(said) = Said::parse(&line) {
            assert_eq!(Said::parse(&said.to_string()), Some(said));
        }
    }
    if let Some(epoch) = epoch_file::decode(bytes) {
        assert_eq!(epoch_file::encode(epoch), *bytes);
    }
});
