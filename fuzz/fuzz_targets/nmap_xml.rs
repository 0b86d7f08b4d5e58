//! nmap's XML and our JSON, as any file may hold them; and what is written of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_ports::diff::compare;
use vigie_ports::files::read;
use vigie_ports::grep;
use vigie_ports::ports::PortSet;
use vigie_ports::services::Services;
use vigie_ports::xml::{RunInfo, RunStats, Writer};

fuzz_target!(|bytes: &[u8]| {
    let Ok(reports) = read(bytes) else { return };
    assert!(compare(&reports.hosts, &reports.hosts).changes.len() <= reports.hosts.len());
    let mut out = Vec::new();
    let run = RunInfo {
        args: String::from_utf8_lossy(bytes).into_owned(),
        version: String::new(),
        start_unix: 0,
        start_text: String::new(),
        is_syn: true,
    };
    let asked = PortSet::all();
    let mut writer = Writer::start(&mut out, &run, &asked, Services::default()).unwrap();
    for host in &reports.hosts {
        writer.host(&mut out, host).unwrap();
        grep::write(&mut std::io::sink(), host).unwrap();
    }
    let stats = RunStats {
        end_unix: 0,
        end_text: String::new(),
        elapsed: std::time::Duration::ZERO,
        incomplete: false,
    };
    writer.finish(&mut out, &stats).unwrap();
    // What was written can be read, whatever was in it.
    assert_eq!(read(&out[..]).unwrap().hosts.len(), reports.hosts.len());
});
