//! Layouts of well-known tools that have neither header nor keys. Every line must fit, whoever printed it.

use super::{Format, Reading, Row, values};
use regex::Regex;
use std::sync::LazyLock;

struct Known {
    name: &'static str,
    /// One line; its named groups are the fields. (None would be a pattern that does not compile: a test looks.)
    line: LazyLock<Option<Regex>>,
    /// Lines that say nothing of their own.
    skip: Option<LazyLock<Option<Regex>>>,
    /// Whether there must be such a line: where its own lines alone could be anything.
    needs_skipped: bool,
    /// Text after text must fit, so that one line may be enough.
    sure: f64,
}

static KNOWN: [Known; 9] = [
    Known {
        name: "mount",
        line: LazyLock::new(|| {
            Regex::new(r"^(?<source>.+) on (?<target>/.*) type (?<fstype>\S+) \((?<options>[^()]*)\)(?: \[(?<label>.*)\])?$").ok()
        }),
        skip: None,
        needs_skipped: false,
        sure: 0.97,
    },
    Known {
        name: "passwd",
        line: LazyLock::new(|| {
            Regex::new(r"^(?<name>[^:\s]+):(?<password>[^:]*):(?<uid>\d+):(?<gid>\d+):(?<gecos>[^:]*):(?<home>/[^:]*):(?<shell>(?:/[^:]*)?)$").ok()
        }),
        skip: None,
        needs_skipped: false,
        sure: 0.98,
    },
    Known {
        name: "group",
        line: LazyLock::new(|| {
            Regex::new(r"^(?<name>[^:\s]+):(?<password>[^:]*):(?<gid>\d+):(?<members>[^:\s]*)$").ok()
        }),
        skip: None,
        needs_skipped: false,
        sure: 0.95,
    },
    Known {
        name: "id",
        line: LazyLock::new(|| {
            Regex::new(r"^uid=(?<uid>\d+)(?:\((?<user>[^)]*)\))? gid=(?<gid>\d+)(?:\((?<group>[^)]*)\))?(?: groups=(?<groups>\S+))?(?: context=(?<context>\S+))?$").ok()
        }),
        skip: None,
        needs_skipped: false,
        sure: 0.99,
    },
    Known {
        name: "ls",
        line: LazyLock::new(|| {
            Regex::new(r"^(?<mode>[-bcCdDlMnpPs?][-rwxsStT]{9}[.+@]?)\s+(?<links>\d+)\s+(?<owner>\S+)\s+(?<group>\S+)\s+(?:(?<size>[\d.,]+[KMGTPE]?)|(?<device>\d+,\s*\d+))\s+(?<modified>[A-Z][a-z]{2}\s+\d{1,2}\s+(?:\d{4}|\d\d:\d\d)|\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d(?:\.\d+)? [-+]\d{4})?) (?<name>.+)$").ok()
        }),
        skip: Some(LazyLock::new(|| Regex::new(r"^total [\d.,]+[KMGTPE]?$").ok())),
        needs_skipped: false,
        sure: 0.95,
    },
    Known {
        name: "uptime",
        line: LazyLock::new(|| {
            Regex::new(r"^\s*(?<time>\d\d:\d\d:\d\d) up (?<up>.+?),\s+(?:(?<users>\d+) users?,\s+)?load average: (?<load_1m>[\d.]+), (?<load_5m>[\d.]+), (?<load_15m>[\d.]+)$").ok()
        }),
        skip: None,
        needs_skipped: false,
        sure: 0.98,
    },
    Known {
        name: "who",
        line: LazyLock::new(|| {
            Regex::new(r"^(?<user>\S+)\s+[-+? ]?\s*(?<line>\S+)\s+(?<time>\d{4}-\d\d-\d\d \d\d:\d\d|[A-Z][a-z]{2}\s+\d{1,2} \d\d:\d\d)(?:\s+\((?<from>[^)]*)\))?$").ok()
        }),
        skip: None,
        needs_skipped: false,
        sure: 0.92,
    },
    Known {
        name: "last",
        line: LazyLock::new(|| {
            Regex::new(r"^(?<user>\S+)\s+(?<line>system boot|system down|\(to lvl \S+\)|\S+)\s+(?:(?<from>\S+)\s+)?(?<login>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d(?::\d\d \d{4})?)(?:\s+-)?\s+(?<logout>gone - no logout|still running|still logged in|crash|down|\d\d:\d\d|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})(?:\s+\((?<duration>(?:\d+\+)?\d\d:\d\d)\))?\s*$").ok()
        }),
        skip: Some(LazyLock::new(|| Regex::new(r"^\S+ begins .+$").ok())),
        needs_skipped: false,
        sure: 0.95,
    },
    Known {
        name: "w",
        line: LazyLock::new(|| {
            Regex::new(r"^(?<user>\S+)\s+(?<line>\S+)\s+(?<from>\S+)\s+(?<login>\S+)\s+(?<idle>\S+)\s+(?<jcpu>\S+)\s+(?<pcpu>\S+)\s+(?<what>\S.*)$").ok()
        }),
        skip: Some(LazyLock::new(|| {
            Regex::new(r"^USER\s+TTY\s+FROM\s+LOGIN@\s+IDLE\s+JCPU\s+PCPU\s+WHAT$|^ \d\d:\d\d:\d\d up .*load average: [\d., ]+$").ok()
        })),
        needs_skipped: true,
        sure: 0.95,
    },
];

/// The first layout that every line fits.
pub(super) fn read(text: &str) -> Option<Reading> {
    KNOWN.iter().find_map(|known| known.read(text))
}

// === impl Known ===

impl Known {
    fn read(&self, text: &str) -> Option<Reading> {
        let pattern = self.line.as_ref()?;
        let skip = self.skip.as_ref().and_then(|skip| skip.as_ref());
        let skipped = |line: &str| line.is_empty() || skip.is_some_and(|skip| skip.is_match(line));
        let mut columns: Vec<(&str, Vec<&str>)> =
            pattern.capture_names().flatten().map(|name| (name, Vec::new())).collect();
        let mut count = 0;
        for line in text.lines().filter(|line| !skipped(line)) {
            let found = pattern.captures(line)?;
            for (name, cells) in &mut columns {
                cells.push(found.name(name).map_or("", |cell| cell.as_str()));
            }
            count += 1;
        }
        if count == 0 || (self.needs_skipped && !text.lines().any(|line| !line.is_empty() && skipped(line))) {
            return None;
        }
        if self.name == "ls" {
            split_links(&mut columns)?;
        }
        let columns: Vec<(&str, Vec<serde_json::Value>)> =
            columns.into_iter().map(|(name, cells)| (name, values::column(cells.into_iter()))).collect();
        let row = |at: usize| {
            Row(columns.iter().map(|(name, cells)| ((*name).to_owned(), cells[at].clone())).collect())
        };
        Some(Reading::of_rows(Format::Known(self.name), self.sure, (0..count).map(row).collect()))
    }
}

/// Takes the targets of symbolic links off their names. A target is as long as the link says, so that names with
/// arrows in them stay whole; none when that is not told in bytes, and the arrows are several.
fn split_links(columns: &mut Vec<(&str, Vec<&str>)>) -> Option<()> {
    let cells = |name: &str| columns.iter().find(|(known, _)| *known == name).map(|(_, cells)| cells.clone());
    let (modes, sizes, mut names) = (cells("mode")?, cells("size")?, cells("name")?);
    let mut targets = vec![""; names.len()];
    for (((name, target), mode), size) in names.iter_mut().zip(&mut targets).zip(modes).zip(sizes) {
        if !mode.starts_with('l') {
            continue;
        }
        let mut arrows = name.match_indices(" -> ").map(|(at, arrow)| (at, at + arrow.len()));
        let length = size.parse::<usize>().ok();
        let (end, begin) =
            match (arrows.clone().find(|(_, begin)| Some(name.len() - begin) == length), arrows.next()) {
                (Some(arrow), _) => arrow,
                // Of some file systems links have no length.
                (None, Some(arrow)) if arrows.next().is_none() => arrow,
                (None, None) => continue,
                _ => return None,
            };
        (*name, *target) = (&name[..end], &name[begin..]);
    }
    if let Some((_, cells)) = columns.iter_mut().find(|(known, _)| *known == "name") {
        *cells = names;
    }
    columns.push(("link_target", targets));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::{Ask, read};
    use super::*;
    use serde_json::{Value, json};

    fn first(text: &str) -> (Format, Value) {
        let reading = read(text, Ask::Auto);
        (reading.format, serde_json::to_value(&reading.rows[0]).unwrap())
    }

    #[test]
    fn every_pattern_compiles() {
        for known in &KNOWN {
            assert!(known.line.is_some(), "{}", known.name);
            assert!(known.skip.as_ref().is_none_or(|skip| skip.is_some()), "{}", known.name);
        }
    }

    #[test]
    fn lines_of_well_known_tools() {
        let (format, row) = first("/dev/sda 1 on /mnt/a on b type ext4 (rw,relatime) [data]\n");
        assert_eq!(format, Format::Known("mount"));
        assert_eq!(row["options"], "rw,relatime");
        let (_, row) = first("root:x:0:0:root:/root:/bin/bash\nsync:x:4:65534:sync:/bin:\n");
        assert_eq!((&row["uid"], &row["shell"]), (&json!(0), &json!("/bin/bash")));
        let (_, row) = first("uid=1000(ada) gid=1000(ada) groups=1000(ada),27(sudo)\n");
        assert_eq!(
            row,
            json!({"uid": 1000, "user": "ada", "gid": 1000, "group": "ada", "groups": "1000(ada),27(sudo)", "context": null})
        );
        let (_, row) = first(" 01:53:38 up 4 days,  4:51,  2 users,  load average: 0.61, 0.58, 0.59\n");
        assert_eq!(
            (&row["up"], &row["users"], &row["load_1m"]),
            (&json!("4 days,  4:51"), &json!(2), &json!(0.61))
        );
        let (_, row) = first("ada      pts/0        2026-11-26 01:53 (10.0.0.7)\n");
        assert_eq!((&row["line"], &row["from"]), (&json!("pts/0"), &json!("10.0.0.7")));
        let listed = "total 80\nlrwxrwxrwx   1 root root     7 May 20  2025 bin -> usr/bin\n\
                      crw-rw-rw-  1 root root  1, 3 Nov 25 21:01 null\n-rw-r--r-- 1 a b 512 Nov 25 21:01 two words\n";
        let reading = read(listed, Ask::Auto);
        let names: Vec<&Value> = reading.rows.iter().filter_map(|row| row.get("name")).collect();
        assert_eq!(names, ["bin", "null", "two words"]);
        assert_eq!(reading.rows[0].get("link_target"), Some(&json!("usr/bin")));
        assert_eq!(reading.rows[1].get("device"), Some(&json!("1, 3")));
    }

    #[test]
    fn names_with_arrows_and_blanks_stay_whole() {
        let line = |mode: &str, size: usize, name: &str| format!("{mode} 1 a b {size} Nov 25 21:01 {name}\n");
        let (file, link) = ("-rw-r--r--", "lrwxrwxrwx");
        let listed =
            [line(file, 3, " a -> b "), line(link, 1, "a -> b -> c"), line(link, 6, "d -> e -> f")].concat();
        let reading = read(&listed, Ask::Auto);
        let pairs: Vec<_> = reading
            .rows
            .iter()
            .map(|row| (row.get("name").unwrap(), row.get("link_target").unwrap()))
            .collect();
        let wanted = [(" a -> b ", Value::Null), ("a -> b", json!("c")), ("d", json!("e -> f"))];
        for ((name, target), (wanted_name, wanted_target)) in pairs.iter().zip(&wanted) {
            assert_eq!((*name, *target), (&json!(wanted_name), wanted_target));
        }
    }

    #[test]
    fn lines_of_last() {
        let text = "grace    pts/0        10.0.0.7         Mon Nov  2 09:21 - 10:45  (01:23)\n\
                    ada      tty1                          Mon Nov  2 08:25    gone - no logout\n\
                    reboot   system boot  6.1.0-32-amd64   Mon Nov  2 08:15   still running\n\n\
                    wtmp begins Mon Nov  2 08:15:03 2026\n";
        let reading = read(text, Ask::Auto);
        assert_eq!((reading.format, reading.rows.len()), (Format::Known("last"), 3));
        assert_eq!(reading.rows[0].get("duration"), Some(&json!("01:23")));
        assert_eq!(reading.rows[1].get("from"), Some(&Value::Null));
        assert_eq!(reading.rows[2].get("line"), Some(&json!("system boot")));
    }

    #[test]
    fn one_line_that_does_not_fit_is_enough() {
        assert_eq!(read("root:x:0:0:root:/root:/bin/bash\nnobody\n", Ask::Auto).format, Format::Lines);
    }
}
