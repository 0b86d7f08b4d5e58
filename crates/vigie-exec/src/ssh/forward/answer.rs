//! What a server's reply to a request for a forwarded channel means. (RFC 4254, section 5.1)
//!
//! OpenSSH and Dropbear pass on the words of `strerror(3)`, which differ between C libraries; other servers have words of
//! their own that contain them. What no line of the table knows is never taken for an answer of the port.

use russh::ChannelOpenFailure as Reason;

/// What came of the wish to connect to a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was connected to.
    Open,
    /// It was refused, by a reset or by ICMP's port-unreachable: the server cannot tell the two apart.
    Refused,
    /// The network says that there is no way, or that it is forbidden; in the server's words.
    Unreachable(String),
    /// Nobody answered in time, ours or that of the server's kernel.
    Silent,
    /// The server may not forward there (`AllowTcpForwarding`, `PermitOpen`, a key with `restrict`).
    Prohibited,
    /// The server failed at once, without asking the network: it lacks open files or addresses, has no route, or its own
    /// firewall forbids it. OpenSSH says `open failed` to all of them.
    Failed(String),
    /// Words that the table does not know.
    Unclear(String),
    /// The connection to the server ended before the answer came.
    Lost,
    /// We were told to stop before the answer came.
    Stopped,
}

impl Answer {
    /// In one word, for scripts.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Answer::Open => "connected",
            Answer::Refused => "refused",
            Answer::Unreachable(_) => "unreachable",
            Answer::Silent => "no-response",
            Answer::Prohibited => "prohibited",
            Answer::Failed(_) => "vantage-failed",
            Answer::Unclear(_) => "unclear",
            Answer::Lost => "lost",
            Answer::Stopped => "stopped",
        }
    }
}

/// Words of C libraries (glibc, musl, BSD) and of Go, in small letters, with what they mean.
const WORDS: &[(&str, Meaning)] = &[
    ("connection refused", Meaning::Refused),
    ("no route to host", Meaning::Unreachable),
    ("host is unreachable", Meaning::Unreachable),
    ("host is down", Meaning::Unreachable),
    ("network is unreachable", Meaning::Unreachable),
    ("network unreachable", Meaning::Unreachable),
    ("permission denied", Meaning::Unreachable),
    ("timed out", Meaning::Silent),
    ("i/o timeout", Meaning::Silent),
    ("too many open files", Meaning::Failed),
    ("cannot assign requested address", Meaning::Failed),
    ("address not available", Meaning::Failed),
    ("no buffer space", Meaning::Failed),
    ("operation not permitted", Meaning::Failed),
];

#[derive(Clone, Copy)]
enum Meaning {
    Refused,
    Unreachable,
    Silent,
    Failed,
}

/// The meaning of a refusal.
pub(super) fn of_refusal(reason: &Reason, text: &str) -> Answer {
    let small = text.to_ascii_lowercase();
    match reason {
        Reason::AdministrativelyProhibited => Answer::Prohibited,
        Reason::ResourceShortage => Answer::Failed(text.to_owned()),
        _ => match WORDS.iter().find(|(words, _)| small.contains(words)) {
            Some((_, Meaning::Refused)) => Answer::Refused,
            Some((_, Meaning::Unreachable)) => Answer::Unreachable(text.to_owned()),
            Some((_, Meaning::Silent)) => Answer::Silent,
            Some((_, Meaning::Failed)) => Answer::Failed(text.to_owned()),
            None if small == "open failed" => Answer::Failed(text.to_owned()),
            None => Answer::Unclear(text.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_libraries_and_servers_mean_the_same() {
        let of = |text: &str| of_refusal(&Reason::ConnectFailed, text);
        assert_eq!(of("Connection refused"), Answer::Refused);
        assert_eq!(of("dial tcp 192.0.2.1:80: connect: connection refused"), Answer::Refused);
        for text in
            ["No route to host", "Host is unreachable", "Network is unreachable", "Network unreachable"]
        {
            assert_eq!(of(text), Answer::Unreachable(text.to_owned()));
        }
        for text in ["Connection timed out", "Operation timed out", "dial tcp 192.0.2.1:80: i/o timeout"] {
            assert_eq!(of(text), Answer::Silent);
        }
    }

    #[test]
    fn only_a_refusal_by_the_target_is_a_refusal() {
        let failed = of_refusal(&Reason::ConnectFailed, "open failed");
        assert_eq!(failed, Answer::Failed("open failed".to_owned()));
        for text in ["", "Name or service not known", "refused by policy", "Verbindungsaufbau abgelehnt"] {
            assert_eq!(of_refusal(&Reason::ConnectFailed, text), Answer::Unclear(text.to_owned()));
        }
        let prohibited = of_refusal(&Reason::AdministrativelyProhibited, "Connection refused");
        assert_eq!(prohibited, Answer::Prohibited);
        assert!(matches!(of_refusal(&Reason::ResourceShortage, "Connection refused"), Answer::Failed(_)));
    }
}
