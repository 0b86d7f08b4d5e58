//! What comes from the network to the scanner: segments, ICMP errors, ARP, echo replies, the kernel's error queue.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| vigie_ports::fuzzing::packets(bytes));
