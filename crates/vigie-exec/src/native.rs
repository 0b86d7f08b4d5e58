//! Tools that print JSON when asked to: the best reader of an output is whoever wrote it.

use std::path::Path;

/// How a tool is asked for JSON.
struct Native {
    program: &'static str,
    /// Only with this as the first word that is no option; none: with anything.
    words: &'static [&'static str],
    /// What asks for JSON, right behind the program's name.
    ask: &'static [&'static str],
    /// Short options that say how the output is to look: whoever gives one has decided.
    decided_short: &'static str,
    /// Long options that do.
    decided_long: &'static [&'static str],
}

const fn native(program: &'static str, ask: &'static [&'static str], decided_short: &'static str) -> Native {
    const LONG: &[&str] =
        &["--json", "--raw", "--pairs", "--list", "--parse", "--extended", "--help", "--version"];
    Native { program, words: &[], ask, decided_short, decided_long: LONG }
}

/// Tools of Debian 12, tried one by one. `ss` knows no JSON there.
const NATIVE: &[Native] = &[
    Native { decided_long: &["-json", "-Version", "-help"], ..native("ip", &["-j"], "jV") },
    Native { decided_long: &["-json", "-Version", "-help"], ..native("bridge", &["-j"], "jV") },
    Native { decided_long: &["-json", "-Version", "-help"], ..native("tc", &["-j"], "jV") },
    // Sizes in bytes: `1.8T` is no number.
    native("lsblk", &["-J", "-b"], "JPrlTDhV"),
    native("findmnt", &["-J"], "JPrlDhVx"),
    native("lscpu", &["-J"], "JpehV"),
    native("lsns", &["-J"], "JrlhV"),
    native("lslocks", &["-J"], "JrhV"),
    native("lsmem", &["-J"], "JPrhV"),
    native("lsipc", &["-J"], "JerlnhV"),
    Native {
        words: &[
            "list-units",
            "list-unit-files",
            "list-timers",
            "list-sockets",
            "list-jobs",
            "list-machines",
            "list-automounts",
            "list-paths",
        ],
        decided_long: &["--output", "--plain", "--help", "--version"],
        ..native("systemctl", &["--output=json"], "oh")
    },
    Native {
        decided_long: &[
            "--output",
            "--follow",
            "--list-boots",
            "--disk-usage",
            "--fields",
            "--field",
            "--help",
            "--version",
        ],
        ..native("journalctl", &["-o", "json"], "ofFNh")
    },
];

/// The arguments with which the same command prints JSON; none when it cannot, or was already told how to print.
#[must_use]
pub fn asked_for_json(program: &str, args: &[String]) -> Option<Vec<String>> {
    let name = Path::new(program).file_name()?.to_str()?;
    let native = NATIVE.iter().find(|native| native.program == name)?;
    if args.iter().any(|arg| native.decides(arg)) {
        return None;
    }
    let word = args.iter().find(|arg| !arg.starts_with('-'));
    if !native.words.is_empty() && !word.is_some_and(|word| native.words.contains(&word.as_str())) {
        return None;
    }
    let ask = native.ask.iter().map(|arg| (*arg).to_owned());
    Some(ask.chain(args.iter().cloned()).collect())
}

// === impl Native ===

impl Native {
    fn decides(&self, arg: &str) -> bool {
        let long = arg.split('=').next().unwrap_or(arg);
        if self.decided_long.contains(&long) {
            return true;
        }
        let Some(short) = arg.strip_prefix('-').filter(|rest| !rest.starts_with('-')) else { return false };
        // iproute2 has long options with one dash: of `-brief` the letters are no options.
        if self.decided_long.contains(&"-json") && short.len() > 1 {
            return false;
        }
        short.contains(|c| self.decided_short.contains(c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Option<String> {
        let mut words = line.split(' ').map(str::to_owned);
        let program = words.next()?;
        asked_for_json(&program, &words.collect::<Vec<_>>()).map(|args| args.join(" "))
    }

    #[test]
    fn whoever_can_is_asked() {
        assert_eq!(asked("ip addr").as_deref(), Some("-j addr"));
        assert_eq!(asked("/sbin/ip -br link").as_deref(), Some("-j -br link"));
        assert_eq!(asked("lsblk").as_deref(), Some("-J -b"));
        assert_eq!(asked("systemctl --all list-units").as_deref(), Some("--output=json --all list-units"));
        assert_eq!(asked("journalctl -n 3").as_deref(), Some("-o json -n 3"));
    }

    #[test]
    fn whoever_was_told_how_to_print_or_cannot_is_left_alone() {
        for line in [
            "ip -j addr",
            "lsblk -P",
            "lsblk --json",
            "systemctl restart x",
            "systemctl",
            "journalctl -fu x",
            "ss -t",
            "ls",
        ] {
            assert_eq!(asked(line), None, "{line}");
        }
    }
}
