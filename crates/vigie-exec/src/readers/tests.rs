//! Outputs as tools print them, and what must come of them.

use super::*;
use serde_json::json;

fn auto(text: &str) -> Reading {
    read(text, Ask::Auto)
}

fn as_json(row: &Row) -> Value {
    serde_json::to_value(row).unwrap()
}

#[test]
fn a_name_of_two_words_is_one_column() {
    let reading = auto(
        "Filesystem     1K-blocks     Used Available Use% Mounted on\n\
         udev             8118668        0   8118668   0% /dev\n\
         /dev/vda       264212084 51325744  43960144  54% /\n\
         tmpfs                  4        0         4   0% /mnt/my disk\n",
    );
    assert_eq!(reading.fields, ["Filesystem", "1K-blocks", "Used", "Available", "Use%", "Mounted on"]);
    assert_eq!(
        as_json(&reading.rows[2]),
        json!({"Filesystem": "tmpfs", "1K-blocks": 4, "Used": 0, "Available": 4, "Use%": "0%", "Mounted on": "/mnt/my disk"})
    );
}

#[test]
fn the_same_with_short_mount_points_only() {
    let reading = auto("Filesystem  Size Mounted on\nudev        7.8G /\ntmpfs       1.6G /a\n");
    assert_eq!(reading.fields, ["Filesystem", "Size", "Mounted on"]);
    assert_eq!(reading.rows[1].get("Mounted on"), Some(&json!("/a")));
}

#[test]
fn a_last_column_keeps_its_blanks_and_touching_ones_are_told_by_words() {
    let reading = auto(
        "USER       PID %CPU    VSZ   RSS TTY      STAT START   TIME COMMAND\n\
         root         1  0.4  49444 17688 ?        S<Ll Nov25   1:20 /sbin/init --a  b\n\
         root       102  0.0 1234567890 123456 ?   S    Nov25   0:00 [kthreadd]\n",
    );
    assert_eq!(reading.format, Format::Table, "{reading:?}");
    assert_eq!(reading.rows[0].get("COMMAND"), Some(&json!("/sbin/init --a  b")));
    assert_eq!(reading.rows[1].get("VSZ"), Some(&json!(1_234_567_890)));
    assert_eq!(reading.rows[1].get("RSS"), Some(&json!(123_456)));
}

#[test]
fn labels_without_a_header_are_a_column() {
    let reading = auto(
        "               total        used        free\n\
         Mem:        24684084      688336     6601360\n\
         Swap:              0           0           0\n",
    );
    assert_eq!(reading.fields, ["label", "total", "used", "free"]);
    assert_eq!(as_json(&reading.rows[1]), json!({"label": "Swap:", "total": 0, "used": 0, "free": 0}));
}

#[test]
fn an_empty_cell_stays_empty_and_nothing_shifts() {
    let reading =
        auto("NAME    STATUS  PORTS  CREATED\nweb     up             now\ndb              5432   then\n");
    assert_eq!(
        as_json(&reading.rows[0]),
        json!({"NAME": "web", "STATUS": "up", "PORTS": null, "CREATED": "now"})
    );
    assert_eq!(
        as_json(&reading.rows[1]),
        json!({"NAME": "db", "STATUS": null, "PORTS": 5432, "CREATED": "then"})
    );
}

#[test]
fn two_tables_are_two() {
    let reading = auto(
        "Active Internet connections (servers and established)\n\
         Proto Recv-Q Send-Q Local Address           Foreign Address         State\n\
         tcp        0      0 127.0.0.1:46317         0.0.0.0:*               LISTEN\n\
         udp        0      0 127.0.0.1:53            0.0.0.0:*\n\
         Active UNIX domain sockets (servers and established)\n\
         Proto RefCnt Flags       Type       State         I-Node   Path\n\
         unix  2      [ ACC ]     STREAM     LISTENING     17       /run/x y\n",
    );
    assert_eq!(reading.rows.len(), 3, "{reading:?}");
    assert_eq!(reading.rows[1].get("State"), Some(&Value::Null));
    assert_eq!(reading.rows[0].get("Local Address"), Some(&json!("127.0.0.1:46317")));
    let unix = &reading.rows[2];
    assert_eq!(unix.get("table"), Some(&json!("Active UNIX domain sockets (servers and established)")));
    assert_eq!(unix.get("Path"), Some(&json!("/run/x y")));
    assert_eq!(unix.get("Flags"), Some(&json!("[ ACC ]")));
}

#[test]
fn what_stands_over_a_ruler_is_the_header() {
    let reading = auto(
        "Desired=Unknown/Install/Remove/Purge/Hold\n\
         | Status=Not/Inst/Conf-files\n\
         ||/ Name           Version   Architecture Description\n\
         +++-==============-=========-============-=================\n\
         ii  adduser        3.134     all          add and remove users\n\
         ii  apt            2.6.1     amd64        commandline package manager\n",
    );
    assert_eq!(reading.fields, ["||/", "Name", "Version", "Architecture", "Description"]);
    assert_eq!(reading.rows[1].get("Description"), Some(&json!("commandline package manager")));
    assert_eq!(reading.warnings.len(), 1);
}

#[test]
fn wide_characters_and_frames_keep_their_columns() {
    let reading = auto("NOM     VILLE   N\nÉlodie  東京    1\nBo      Paris   20\n");
    assert_eq!(as_json(&reading.rows[0]), json!({"NOM": "Élodie", "VILLE": "東京", "N": 1}));
    let reading = auto(
        "+----+-------+\n| id | name  |\n+----+-------+\n|  1 | a  b  |\n|  2 |       |\n+----+-------+\n",
    );
    assert_eq!(as_json(&reading.rows[0]), json!({"id": 1, "name": "a  b"}));
    assert_eq!(as_json(&reading.rows[1]), json!({"id": 2, "name": null}));
}

#[test]
fn pairs_keep_duplicates_records_and_lines_without_a_key() {
    let reading = auto(
        "Id=a.service\nMainPID=12\nExecStart={ path=/x ; }\nExecStart={ path=/y ; }\nVersion=1.10\n\nId=b.service\nEnv=\n",
    );
    assert_eq!((reading.format, reading.rows.len()), (Format::KeyValue, 2));
    assert_eq!(
        as_json(&reading.rows[0]),
        json!({"Id": "a.service", "MainPID": 12, "ExecStart": ["{ path=/x ; }", "{ path=/y ; }"], "Version": "1.10"})
    );
    assert_eq!(reading.rows[1].get("Env"), Some(&json!("")));
    let os = auto("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n");
    assert_eq!(os.rows[0].get("PRETTY_NAME"), Some(&json!("Debian GNU/Linux 12")));
}

#[test]
fn blocks_of_keys_with_colons() {
    let reading =
        auto("Architecture:        x86_64\nCPU op-mode(s):      32-bit, 64-bit\nCPU(s):              2\n");
    assert_eq!((reading.format, reading.rows.len()), (Format::Blocks, 1));
    assert_eq!(reading.rows[0].get("CPU(s)"), Some(&json!(2)));
    assert_ne!(auto("12:30:01 up 4 days\n12:31:01 up 4 days\n").format, Format::Blocks);
}

#[test]
fn separated_text_has_rows_of_one_length() {
    let reading = auto("name;n;price\n\"a;b\";1;1,5\nc;2;2,75\nd;3;3\n");
    assert_eq!(reading.format, Format::Separated);
    assert_eq!(as_json(&reading.rows[0]), json!({"name": "a;b", "n": 1, "price": "1,5"}));
    assert_eq!(auto("Well, that is it\nand then, no more of it\n").format, Format::Raw);
}

#[test]
fn json_is_the_whole_text_or_not_json() {
    assert_eq!(auto("[{\"a\": 1}]\n").format, Format::Json);
    assert_eq!(auto("{\"a\": 1}\n{\"a\": 2}\n").documents.len(), 2);
    assert_eq!(read("{\"a\": 1", Ask::Json).format, Format::Raw);
    assert_eq!(auto("42\n").format, Format::Lines);
}

#[test]
fn a_doubtful_reading_is_not_given_out() {
    // Touching columns whose words do not fit: the middle cell is missing in one row.
    let reading = auto("AA   BB   CC\n1111111111 2 3\n1 33333333333\n");
    assert!(matches!(reading.format, Format::Raw | Format::Lines), "{reading:?}");
    assert!(reading.rows.iter().all(|row| row.get("BB").is_none()));
}

#[test]
fn nothing_panics_and_no_character_is_lost() {
    let pieces = [
        "", " ", "\n", "\t", "=", ":", ": ", ",", "{", "[", "\"", "a", "É", "東", "\u{301}", "0", "|", "+--",
        "│", "\0", "  ",
    ];
    let mut seed = 1_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..12 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
        }
        for ask in [Ask::Auto, Ask::Json, Ask::KeyValue, Ask::Table, Ask::Lines, Ask::Raw] {
            let reading = read(&text, ask);
            assert!((0.0..=1.0).contains(&reading.confidence), "{text:?}");
        }
    }
}

#[test]
fn headers_over_headers_and_pairs_in_one_line() {
    let reading = auto(
        "procs -----------memory---------- ---swap-- -----io----\n\
         \x20r  b   swpd   free   buff  cache   si   so    bi    bo\n\
         \x205  0      0 6601212 157772 17647068    0    0  1929  5212\n",
    );
    assert_eq!(reading.rows[0].get("free"), Some(&json!(6_601_212)), "{reading:?}");
    assert_eq!(auto("a=1 b=2\n").format, Format::Lines);
    assert_eq!(
        auto("kernel.ostype = Linux\nvm.swappiness = 60\n").rows[0].get("vm.swappiness"),
        Some(&json!(60))
    );
    assert_eq!(auto("  File: /\n  Size: 4096   Blocks: 8\nDevice: fe00h   Inode: 2\n").format, Format::Lines);
}

#[test]
fn rows_without_a_header_are_not_given_one() {
    for text in [
        "acl\t2.3.1-3\napt\t2.6.1\nbash\t5.2.15\n",
        "alpha\tbeta\ngamma\tdelta\n",
        "bin   dev  etc\nhome  lib  opt\n",
    ] {
        let reading = auto(text);
        assert!(reading.rows.iter().all(|row| row.0.len() < 2), "{reading:?}");
    }
}

/// Each of these would take hours, were every name compared with every other, or every place of a line with every line.
#[test]
fn what_a_machine_makes_up_takes_no_longer_than_what_a_tool_prints() {
    let count = 200_000;
    let pairs: String = (0..count).map(|n| format!("k{n}=1\n")).collect();
    assert_eq!(read(&pairs, Ask::Auto).rows[0].0.len(), count);
    let blocks: String = (0..count).map(|n| format!("k{n}: 1\n")).collect();
    assert_eq!(read(&blocks, Ask::Auto).fields.len(), count);
    let names: Vec<String> = (0..count).map(|n| format!("x{n}")).collect();
    let separated = format!("{}\n{}1\n", names.join(","), "1,".repeat(count - 1));
    assert_eq!(read(&separated, Ask::Table).format, Format::Raw, "one line is little to tell CSV by");
    let wide = format!("{}\n{}\n", "AB  C ".repeat(count), "ab  1 ".repeat(count));
    assert_eq!(read(&wide, Ask::Auto).format, Format::Lines);
    let one_long = format!("A B\n{}{}x\n", "1 2\n".repeat(count), " ".repeat(1 << 20));
    assert_eq!(read(&one_long, Ask::Auto).format, Format::Lines);
}

#[test]
fn columns_of_one_name_are_told_apart() {
    let reading = auto("NAME  SIZE  SIZE  SIZE\na     1     2     3\nb     4     5     6\n");
    assert_eq!(reading.fields, ["NAME", "SIZE", "SIZE 2", "SIZE 3"]);
    assert_eq!(as_json(&reading.rows[1]), json!({"NAME": "b", "SIZE": 4, "SIZE 2": 5, "SIZE 3": 6}));
    let reading = auto("table  rows\nusers  3\nroles  4\n\ntable  rows\nposts  5\nwords  6\n");
    assert_eq!(reading.fields, ["table of the text", "table", "rows"]);
    assert_eq!(reading.rows[2].get("table"), Some(&json!("posts")));
}

#[test]
fn what_holds_nul_is_no_table_and_its_digits_are_not_put_together() {
    let text = ". {q\ter\t/#\u{8}q`\n\t6\0\0\u{0}6\0\0\u{0}5 z\tq\ter\t/\n";
    assert_eq!(auto(text).format, Format::Lines);
}

#[test]
fn more_lines_than_may_be_rows_stay_text_and_that_is_said() {
    let most = "y\n".repeat(ROW_LINES_MAX);
    let reading = read(&most, Ask::Lines);
    assert_eq!((reading.format, reading.rows.len()), (Format::Lines, ROW_LINES_MAX));
    for line in ["y\n", "a,b\n", "a=1\n"] {
        let text = line.repeat(ROW_LINES_MAX + 1);
        for ask in [Ask::Auto, Ask::Lines, Ask::Table, Ask::KeyValue] {
            let reading = read(&text, ask);
            assert_eq!((reading.format, reading.rows.len()), (Format::Raw, 0), "{line} {ask:?}");
            assert!(reading.warnings[0].contains("more than 1048576 lines"), "{:?}", reading.warnings);
        }
    }
    let json = format!("[{}1]", "1,\n".repeat(ROW_LINES_MAX));
    assert_eq!(auto(&json).format, Format::Json);
}
