//! Datagrams of a stream: there is one way to write a header, and no order of them breaks the counter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_tools::cast::counter::Counter;
use vigie_tools::cast::datagram::Header;

fuzz_target!(|data: &[u8]| {
    if let Some((header, content)) = Header::decode(data) {
        assert_eq!([&header.encode()[..], content].concat(), data);
    }
    let mut counter = Counter::new(0);
    let mut received = 0;
    for numbers in data.chunks_exact(9) {
        let (kind, number) = (numbers[0], u64::from_le_bytes(numbers[1..].try_into().unwrap()));
        // Mostly near each other, as in a stream.
        let number = if kind & 1 == 0 { number % (4 * 65_536) } else { number };
        counter.add(number, number, u64::from(kind));
        received += 1;
    }
    let (so_far, counts) = (counter.so_far(None, true), counter.finish(None, true));
    assert_eq!((so_far.lost, so_far.unique), (counts.lost, counts.unique));
    assert_eq!(counts.unique + counts.duplicated + counts.late, counts.received);
    assert_eq!(counts.received + counts.strange, received);
});
