//! Targets, ports and names of services as users and files have them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_ports::ports::PortSet;
use vigie_ports::services::{NmapServices, Services};
use vigie_ports::targets::{Request, list};

fuzz_target!(|data: (&str, &str)| {
    let (text, names) = data;
    let services = Services::parse(names);
    NmapServices::parse(names);
    services.matching(text);
    if let Ok(ports) = PortSet::parse(text, &services) {
        assert!(!ports.as_slice().is_empty() && ports.as_slice().is_sorted() && ports.as_slice()[0] > 0);
        assert_eq!(PortSet::parse(&ports.to_string(), &Services::default()), Ok(ports));
    }
    let mut request = Request::default();
    if request.add(text).is_ok() && request.size() < 1000 {
        let names = request.names().into_iter().map(|name| (name, Ok(vec![([192, 0, 2, 1].into(), 0)])));
        let resolved = names.collect();
        if let Ok((list, _)) = request.resolved(&resolved) {
            assert!(list.iter().count() as u128 == list.count(1000));
        }
    }
    let _ = list::read(text.as_bytes(), "fuzz", &mut Request::default());
});
