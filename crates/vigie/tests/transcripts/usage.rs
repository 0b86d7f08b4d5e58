//! Wrong usage ends with 2 and says what is right; a hub that is not there ends with 4.

use crate::Home;

#[test]
fn wrong_usage_ends_with_2() {
    let home = Home::new();
    std::fs::write(home.path().join("file"), "").unwrap();
    for (args, told) in [
        (&["fly"][..], "unrecognized subcommand"),
        (&["up"], "<DIR>"),
        (&["up", "missing"], "cannot watch missing"),
        (&["up", "file"], "not a directory"),
        (&["up", ".", "--api", "192.0.2.1:80"], "loopback"),
        (&["hub", "--api", "0.0.0.0:7701"], "loopback"),
        (&["hub", "invite", "a/b"], "a machine's name"),
        (&["hub", "invite", "web01", "--valid", "long"], "no span of time"),
        (&["agent", "--hub", "hub:7700"], "--watch"),
        (&["agent", "--hub", "hub", "--watch", "."], "HOST:PORT"),
        (&["agent", "--hub", "hub:7700", "--watch", "missing"], "cannot watch missing"),
        (&["agent", "--hub", "hub:7700", "--watch", ".", "--state", "s"], "vigie hub invite"),
        (&["agent", "--hub", "hub:7700", "--watch", ".", "--token-file", "none"], "cannot read the token"),
        (&["agent", "--hub", "hub:7700", "--watch", ".", "--token-file", "file"], "this is not a token"),
        (&["ls", "web01:relative"], "must be absolute"),
        (&["ls", "not a machine:/srv"], "needs ./ or / in front"),
        (&["ls", "web01:/a/../b"], "`..` is not a name"),
        (&["ls", "web01:/", "--at", "yesterday"], "10m ago"),
        (&["log", "--since", "12"], "#1234"),
        (&["log", "-n", "-1"], "-1"),
        (&["restore", "web01:/srv"], "<TARGET>"),
        (&["flush", "--timeout", "30"], "no span of time"),
        (&["status", "--hub-api", "https://hub"], "plain http"),
        (&["watch", "missing"], "cannot watch missing"),
        (&["ports"], "<TARGET>"),
        (&["ports", ""], "an empty target"),
        (&["ports", "--", "-oX"], "begins with a dash"),
        (&["ports", "10.0.0.256"], "is no IPv4 address"),
        (&["ports", "10.0.0.1-0"], "is reversed"),
        (&["ports", "host:80"], "ports are given with -p"),
        (&["ports", "10.0.0.0/33"], "is no network"),
        (&["ports", "web[1-"], "bracket without its other half"),
        (&["ports", "a b"], "no name of a machine"),
        (&["ports", "http://"], "give its host only\n"),
        (&["ports", "-sS", "127.0.0.1"], "nmap's -sS is --engine syn here"),
        (&["hub", "--listen", "7700"], "such as 127.0.0.1:7700, or [::]:7700"),
        (&["ports", "127.0.0.1", "-p", "0"], "from 1 to 65535"),
        (&["ports", "127.0.0.1", "-p", "65536"], "from 1 to 65535"),
        (&["ports", "127.0.0.1", "-p", "9-1"], "is reversed"),
        (&["ports", "127.0.0.1", "-p", ""], "an empty place"),
        (&["ports", "127.0.0.1", "-p", "U:53"], "only TCP"),
        (&["ports", "127.0.0.1", "-p", "nosuchservice"], "nor the name of a TCP service"),
        (&["ports", "127.0.0.1", "--top", "0"], "--top"),
        (&["ports", "127.0.0.1", "--rate", "0"], "--rate"),
        (&["ports", "127.0.0.1", "--timeout", "2m"], "1ms to 60s"),
        (&["ports", "127.0.0.1", "--timeout", "2"], "no span of time"),
        (&["ports", "127.0.0.1", "--xml", "--grep"], "cannot be used with"),
        (&["ports", "127.0.0.1", "--xml", "--json"], "cannot be used with"),
        (&["ports", "0.0.0.0/0"], "--yes-really"),
        (&["ports", "::/0", "-p", "22"], "take more than a million years"),
        (&["ports", "10.0.0.0/16", "--all-ports"], "days"),
        (&["ports", "--targets", "missing"], "cannot read targets from missing"),
        (&["ports", "--targets", "file"], "no target"),
        (&["ports", "-"], "no target"),
        (&["ports", "127.0.0.1", "--exclude", "a b"], "cannot exclude"),
        (&["ports", "--diff", "file"], "2 values required"),
        (&["ports", "--diff", "-", "-"], "only one"),
        (&["ports", "127.0.0.1", "--from", "here", "--xml"], "cannot be used with"),
        (&["ports", "127.0.0.1", "--from", "@nobody"], "no group @nobody"),
        (&["ports", "127.0.0.1", "--from", "here", "--save"], "--baseline"),
        (&["ports", "127.0.0.1", "--from", "here", "--baseline", "missing"], "--save writes one"),
        (&["ports", "127.0.0.1", "--from", "here", "--baseline", "file"], "makes no sense"),
        (&["ports", "127.0.0.1", "--baseline", "file"], "--from"),
        (&["ports", "127.0.0.1", "--identity", "file"], "--from HOSTS"),
        (&["ports", "127.0.0.1", "--ask-target"], "--from"),
        (&["ports", "127.0.0.[1-2]", "--from", "here", "--ask-target=a"], "several targets"),
        (&["ports", "127.0.0.0/16", "--all-ports", "--from", "here", "--yes-really"], "looks at ports"),
        (&["ports", "fe80::1%1", "--from", "here"], "one link only"),
        (&["role"], "Usage"),
        (&["role", "serve", "--listen", "9999"], "--listen"),
        (&["role", "serve", "--heartbeat", "100ms"], "from 1s to 1h"),
        (&["role", "join", "hub"], "HOST:PORT"),
        (&["role", "join", "::1:9999"], "HOST:PORT"),
        (&["role", "join", "hub:0"], "HOST:PORT"),
        (&["role", "fence", "--file", "f"], "--epoch"),
        (&["role", "fence", "--file", "f", "--epoch", "0"], "--epoch"),
        (&["role", "fence", "--file", "f", "--epoch", "-1"], "-1"),
        (&["echo"], "Usage"),
        (&["echo", "serve", "--tcp", "9999"], "--tcp"),
        (&["echo", "serve", "--lang", "de"], "fr, en"),
        (&["echo", "send", "127.0.0.1", "a"], "HOST:PORT"),
        (&["echo", "send", "127.0.0.1:1"], "<TEXT>"),
        (&["echo", "send", "127.0.0.1:1", &"a".repeat(65_507), "--udp"], "holds 65507 bytes"),
        (&["cast"], "Usage"),
        (&["cast", "send", "127.0.0.1:9"], "<TEXT>..."),
        (&["cast", "send", "127.0.0.1:9", "a", "--count", "2"], "cannot be used with"),
        (&["cast", "send", "127.0.0.1:9", "--count", "2", "--size", "47"], "from 48 to 65507 bytes"),
        (&["cast", "send", "127.0.0.1:9", "--count", "2", "--rate", "99999999"], "--rate"),
        (&["cast", "send", "127.0.0.1:9", &"a".repeat(65_460)], "has room for 65459 bytes"),
        (&["cast", "listen", "239.255.0.1"], "HOST:PORT"),
        (&["ip", "-4", "-6"], "cannot be used with"),
        (&["ip", "--source", "ftp://a/"], "neither http nor https"),
        (&["ip", "--resolve", "a:b"], "HOST:PORT:ADDR"),
        (&["ip", "--source", "a", "--cacert", "missing.pem"], "cannot read certificates from missing.pem"),
        (&["ip", "--source", "a", "--cacert", "file"], "there is none in it"),
        (&["http"], "<URL>"),
        (&["http", "mailto://a"], "neither http nor https"),
        (&["http", "a", "-H", "nothing"], "is no header"),
        (&["http", "a", "-X", "a b"], "is no method"),
        (&["http", "a", "-d", "@missing"], "cannot read missing"),
        (&["repeat"], "<LACHAINE>"),
        (&["repeat", "a", "b"], "unexpected argument 'b'"),
        (&["repeat", "a", "--repete"], "--repete <N>"),
    ] {
        let said = home.run(args);
        assert_eq!(said.code, 2, "{args:?}: {said:?}");
        assert!(said.err.contains(told), "{args:?} should tell `{told}`: {}", said.err);
        assert_eq!(said.out, "", "{args:?}");
    }
    assert!(!home.path().join("s/identity.pem").exists());
}

#[test]
fn scripts_are_told_of_wrong_usage_in_json() {
    let home = Home::new();
    for (args, told) in [
        (&["--json", "fly"][..], "unrecognized subcommand 'fly'"),
        (&["flush", "--timeout", "30", "--json"], "no span of time"),
        (&["restore", "web01:/srv", "--json"], "<TARGET>"),
        (&["ls", "--json"], "required arguments"),
        (&["--json"], "missing"),
        (&["hub", "invite", "a/b", "--json"], "a machine's name"),
    ] {
        let said = home.run(args);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{args:?}: {said:?}");
        assert_eq!(said.err.lines().count(), 1, "{args:?}: {}", said.err);
        let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
        assert_eq!(error["error"]["kind"], "usage", "{args:?}: {error}");
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains(told) && !message.starts_with("error"), "{args:?}: {message}");
    }
    let help = home.run(&["ls", "--help", "--json"]);
    assert!(help.code == 0 && help.out.contains("Usage"), "{help:?}");
}

#[test]
fn a_damaged_identity_is_said_with_a_way_out() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let state = home.path().join("s");
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("identity.pem"), "-----BEGIN NONSENSE-----").unwrap();
    std::fs::set_permissions(state.join("identity.pem"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o700)).unwrap();
    let said = home.run(&["agent", "--hub", "127.0.0.1:1", "--watch", ".", "--state", "s"]);
    assert_eq!(said.code, 4, "{said:?}");
    assert!(said.err.contains("does not hold this machine's identity"), "{}", said.err);
    assert!(said.err.contains("hint: move") && said.err.contains("vigie hub invite"), "{}", said.err);
}

#[test]
fn nobody_there_ends_with_4_and_a_hint() {
    let home = Home::new();
    for args in [
        &["status"][..],
        &["log"],
        &["ls", "web01:/"],
        &["cat", "web01:/a"],
        &["restore", "web01:/a", "b"],
        &["flush"],
        &["verify"],
        &["hub", "invite", "web01"],
    ] {
        let said = home.run(args);
        assert_eq!(said.code, 4, "{args:?}: {said:?}");
        assert!(said.err.starts_with("error: cannot reach HOME/data/api.sock"), "{args:?}: {}", said.err);
        assert!(said.err.contains("\nhint: "), "{args:?}: {}", said.err);
    }
    let json = home.run(&["log", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!(error["error"]["kind"], "failed", "{error}");
    let verify = home.run(&["verify", "--data", "nothing"]);
    assert_eq!((verify.code, verify.err.as_str()), (4, "error: there is no store in nothing\n"));
}

#[test]
fn a_target_that_exists_is_refused_before_anyone_is_asked() {
    let home = Home::new();
    std::fs::create_dir_all(home.path().join("full/of")).unwrap();
    let said = home.run(&["restore", "web01:/a", "full"]);
    assert_eq!(said.code, 4, "{said:?}");
    assert!(said.err.contains("full exists and is not an empty directory"), "{}", said.err);
}
