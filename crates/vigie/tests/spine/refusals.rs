//! What is refused, with which exit code, and that a refusal harms nothing.

use crate::process::{Process, eventually};
use crate::tree::sh;
use crate::world::{VIGIE, World};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

#[test]
fn restores_that_would_harm_are_refused() {
    let world = World::start();
    let mut alpha = world.agent("alpha");
    sh(&alpha.root, "echo content > file && mkdir dir && echo in > dir/in");
    world.enrol(&mut alpha);

    let target = world.path("target");
    std::fs::create_dir(&target).unwrap();
    let restore = |more: &[&str]| {
        let mut args = vec!["restore".into(), alpha.place(), target.clone().into_os_string()];
        args.extend(more.iter().map(Into::into));
        world.run(args)
    };
    assert_eq!(restore(&[]).code, 0, "an empty directory is as good as none");
    std::fs::write(target.join("file"), "mine").unwrap();
    std::fs::write(target.join("other"), "mine too").unwrap();
    assert_eq!(restore(&[]).code, 4, "an existing target is not overwritten");
    assert_eq!(std::fs::read(target.join("file")).unwrap(), b"mine");
    assert_eq!(restore(&["--force"]).code, 0);
    assert_eq!(
        std::fs::read(target.join("file")).unwrap(),
        b"content\n",
        "what has the same name is replaced"
    );
    assert_eq!(std::fs::read(target.join("other")).unwrap(), b"mine too", "nothing is deleted");

    let fresh = world.path("fresh");
    let to_fresh = |place| world.run(["restore".into(), place, fresh.clone().into_os_string()]).code;
    assert_eq!(to_fresh(alpha.at("no-such-file")), 4);
    assert_eq!(to_fresh("nobody:/srv".into()), 4);
    assert!(!fresh.exists(), "a refused restore leaves nothing behind");
    assert_eq!(world.run(["restore"]).code, 2, "wrong usage");
    assert_eq!(world.run(["flush", "nobody"]).code, 4);

    alpha.stop();
    let said = world.run(["flush", "alpha", "--timeout", "1s"]);
    assert_eq!(said.code, 3, "a machine that is away has not flushed: {}", said.err);
}

#[test]
fn machines_that_do_not_belong_are_refused() {
    let world = World::start();
    let mut alpha = world.agent("alpha");
    let root = alpha.root.clone();
    let token = world.invite("alpha");
    let refused = |more: &[&str]| {
        let mut command = Command::new(VIGIE);
        command.args(["agent", "--hub", &world.address().to_string(), "--watch"]).arg(&root);
        command.arg("--state").arg(world.path("refused-state")).args(more);
        let output = world.path("refused.out");
        let mut process = Process::start(&mut command, &output);
        let status = eventually("a refused agent ends", || process.ended());
        (status.code(), process.printed())
    };
    let with_token = |token: &str| {
        let file = world.path("token");
        std::fs::write(&file, token).unwrap();
        file.to_str().unwrap().to_owned()
    };

    let (code, said) = refused(&["--token-file", &with_token(&token), "--name", "other"]);
    assert_eq!(code, Some(2), "the token's name is the machine's: {said}");
    let (code, said) = refused(&["--token-file", &with_token("not a token")]);
    assert_eq!(code, Some(2), "{said}");
    let missing = world.path("no-such-directory");
    let (code, said) = refused(&["--token-file", &with_token(&token), "--watch", missing.to_str().unwrap()]);
    assert_eq!(code, Some(2), "a root that does not exist is refused before anything starts: {said}");

    let file = with_token(&token);
    world.start_agent(&mut alpha, &["--token-file".as_ref(), file.as_ref()]);
    world.flush(&alpha);
    let (code, said) = refused(&["--token-file", &file]);
    assert_eq!(code, Some(4), "a token works once: {said}");
    assert!(said.contains("already used") && said.contains("hint: make a new one"), "{said}");
}

#[test]
fn one_data_directory_has_one_hub() {
    let world = World::start();
    let mut command = Command::new(VIGIE);
    command.arg("hub").arg("--data").arg(world.data()).args(["--listen", "127.0.0.1:0"]);
    let mut second = Process::start(&mut command, &world.path("second.out"));
    let status = eventually("the second hub ends", || second.ended());
    assert_eq!(status.code(), Some(4), "{}", second.printed());
    assert!(second.printed().contains(world.data().to_str().unwrap()), "it says which directory is taken");
    assert_eq!(world.run(["status"]).code, 0, "the first one is unharmed");
}

#[test]
fn garbage_on_the_agents_port_harms_nobody() {
    let world = World::start();
    let mut alpha = world.agent("alpha");
    world.enrol(&mut alpha);
    let long = [0x5a; 1 << 16];
    for garbage in
        [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &[0; 4096], &[0xff; 4096], b"\x16\x03\x01\xff\xff", &long]
    {
        let mut stream = TcpStream::connect(world.address()).unwrap();
        stream.set_read_timeout(Some(crate::process::PATIENCE)).unwrap();
        // The hub may close before all is written: that is what it should do.
        let _ = stream.write_all(garbage);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    std::fs::write(alpha.root.join("after"), "still here").unwrap();
    world.flush(&alpha);
    assert_eq!(world.ok(["cat".into(), alpha.at("after")]), "still here");
}
