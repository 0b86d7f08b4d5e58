//! A program at a terminal of its own, and a person who types.

use crate::server::eventually;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, tcgetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

/// A terminal in which a program runs.
pub(crate) struct Terminal {
    /// What the person has before them.
    hands: File,
    /// What the program has.
    line: File,
    before: Termios,
    child: Child,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Starts it in a session of its own, with this as its controlling terminal.
    pub(crate) fn start(command: &Command) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let line = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let before = tcgetattr(&line).unwrap();
        let mut inside = Command::new("setsid");
        inside.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside.stdin(line.try_clone().unwrap());
        inside.stdout(line.try_clone().unwrap()).stderr(line.try_clone().unwrap());
        let child = inside.spawn().unwrap();
        let hands = File::from(master);
        let seen = Arc::new(Mutex::new(Vec::new()));
        std::thread::spawn({
            let (mut eyes, seen) = (hands.try_clone().unwrap(), Arc::clone(&seen));
            move || {
                let mut piece = [0; 4096];
                while let Ok(read @ 1..) = eyes.read(&mut piece) {
                    seen.lock().unwrap().extend_from_slice(&piece[..read]);
                }
            }
        });
        Terminal { hands, line, before, child, seen }
    }

    /// All that was shown so far.
    pub(crate) fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// Waits until it shows this.
    pub(crate) fn shows(&self, text: &str) {
        eventually(&format!("the terminal shows `{text}`"), || self.seen().contains(text).then_some(()));
    }

    /// Types something.
    pub(crate) fn types(&self, keys: &str) {
        (&self.hands).write_all(keys.as_bytes()).unwrap();
    }

    /// Ctrl-C, as a person does it.
    pub(crate) fn interrupt(&self) {
        self.types("\x03");
    }

    /// Whether what is typed is shown.
    pub(crate) fn echoes(&self) -> bool {
        tcgetattr(&self.line).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit code, if it has ended.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(|status| status.code().unwrap_or(-1))
    }

    /// Waits for its end. The terminal must then be as it was before: echo, lines and signals, nothing bright, the cursor
    /// shown.
    pub(crate) fn ends(mut self) -> (i32, String) {
        let code = eventually("it ends", || self.ended());
        let now = tcgetattr(&self.line).unwrap();
        assert_eq!(now.local_modes, self.before.local_modes, "{}", self.seen());
        assert_eq!(now.input_modes, self.before.input_modes, "{}", self.seen());
        assert_eq!(now.output_modes, self.before.output_modes, "{}", self.seen());
        // Behind this, all that it has written is there.
        (&self.line).write_all(b"<end>").unwrap();
        self.shows("<end>");
        let seen = self.seen();
        for (on, off) in [("\x1b[?25l", "\x1b[?25h"), ("\x1b[?1049h", "\x1b[?1049l")] {
            assert!(seen.rfind(on) <= seen.rfind(off), "{on:?} is left: {seen:?}");
        }
        if let Some(bright) = seen.rfind("\x1b[1").or(seen.rfind("\x1b[3")) {
            assert!(seen.rfind("\x1b[0m") > Some(bright), "a colour is left: {seen:?}");
        }
        (code, seen)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Gone already, when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
