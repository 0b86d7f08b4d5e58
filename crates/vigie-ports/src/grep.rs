//! Reports as nmap's grepable lines: one line a target for `grep`, `cut` and `awk`.

use std::io::{self, Write};

use crate::host::Host;

/// Writes what is said of one target: `Host: ADDRESS (NAME)`, then a tab and `Status: Up` or `Down`, and for one that
/// is up a second line with `Ports: PORT/STATE/PROTO//SERVICE///, …` and `Ignored State: STATE (N)`.
///
/// # Errors
///
/// If it cannot be written.
pub fn write(to: &mut dyn Write, host: &Host) -> io::Result<()> {
    let is_name = host.target != host.address.to_string();
    let name = if is_name { field(&host.target) } else { String::new() };
    let head = format!("Host: {} ({name})", host.address);
    if host.is_dead() {
        return writeln!(to, "{head}\tStatus: Down");
    }
    writeln!(to, "{head}\tStatus: Up")?;
    let ports: Vec<String> = host
        .ports
        .iter()
        .map(|port| {
            let service = field(port.service.as_deref().unwrap_or_default());
            let version = field(port.version.as_deref().unwrap_or_default());
            format!("{}/{}/{}//{service}//{version}/", port.port, port.state.nmap_word(), port.proto)
        })
        .collect();
    let mut line = head;
    if !ports.is_empty() {
        line.push_str(&format!("\tPorts: {}", ports.join(", ")));
    }
    if let Some(first) = host.others.first() {
        let count: u32 = host.others.iter().map(|others| others.count).sum();
        line.push_str(&format!("\tIgnored State: {} ({count})", first.state.nmap_word()));
    }
    writeln!(to, "{line}")
}

/// A text that cannot be taken for more than one field.
fn field(text: &str) -> String {
    let tame = |c: char| match c {
        '/' => '|',
        ',' | '(' | ')' => '.',
        c if c.is_control() => '?',
        c => c,
    };
    text.chars().map(tame).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;
    use crate::host::{Port, Verdicts};
    use crate::ports::PortSet;
    use crate::xml::host::SeenHost;

    #[test]
    fn a_line_for_each_target() {
        let port = |port, state, service: Option<&str>| Port {
            port,
            proto: "tcp".into(),
            state,
            reason: "reset".into(),
            service: service.map(str::to_owned),
            version: None,
            banner: None,
            rtt_us: None,
        };
        let seen = SeenHost { address: Some("192.0.2.1".parse().unwrap()), ..SeenHost::default() };
        let mut host = seen.into_host(&PortSet::default()).unwrap();
        let verdicts: Verdicts = [
            port(22, State::Open, Some("ssh")),
            port(80, State::Open, Some("a/b, c")),
            port(81, State::Closed, None),
            port(82, State::Closed, None),
            port(83, State::Unreachable, None),
        ]
        .into_iter()
        .map(|port| (port.port, port))
        .collect();
        host.set_ports(verdicts);
        let mut out = Vec::new();
        write(&mut out, &host).unwrap();
        host.target = "a.example\tx".into();
        host.alive = "no-answer".into();
        write(&mut out, &host).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "Host: 192.0.2.1 ()\tStatus: Up\n\
             Host: 192.0.2.1 ()\tPorts: 22/open/tcp//ssh///, 80/open/tcp//a|b. c///, 83/filtered/tcp/////\t\
             Ignored State: closed (2)\n\
             Host: 192.0.2.1 (a.example?x)\tStatus: Down\n"
        );
    }
}
