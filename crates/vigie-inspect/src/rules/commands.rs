//! Which other programs it runs.

use super::{Call, Notes};
use crate::report::{Topic, Weight};

const RUN: &[&str] = &[
    "subprocess.run",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.Popen",
];
const SHELL: &[&str] = &[
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "commands.getoutput",
    "commands.getstatusoutput",
];

pub(super) fn look(notes: &mut Notes<'_, '_>, call: &Call<'_>) {
    let path = call.path.as_str();
    let has_shell =
        call.arguments.named.iter().any(|(name, value)| name == "shell" && notes.script.of(*value) == "True");
    let uses_shell = SHELL.contains(&path) || has_shell;
    let is_run = RUN.contains(&path) || SHELL.contains(&path);
    let is_exec =
        path.starts_with("os.exec") || path.starts_with("os.spawn") || path.starts_with("os.posix_spawn");
    if path == "pty.spawn" {
        let text = "gives a terminal to another program".to_owned();
        notes.add(call.node, Topic::Command, Weight::Look, "pty", text);
        return;
    }
    if !is_run && !is_exec {
        return;
    }
    let Some(command) = call.arguments.get(0, "args") else { return };
    let shown = notes.show(command);
    let is_known = notes.script.fold(command).is_some_and(|text| !text.contains('…'));
    let (weight, rule, how) = match (uses_shell, is_known) {
        (true, false) => {
            (Weight::Look, "shell-unknown", " with a shell, and what it is depends on its input")
        }
        (true, true) => (Weight::Note, "shell", " with a shell"),
        (false, false) => (Weight::Note, "command-unknown", ", which is put together at run time"),
        (false, true) => (Weight::Note, "command", ""),
    };
    notes.add(call.node, Topic::Command, weight, rule, format!("runs {shown}{how}"));
    words(notes, call, &shown);
}

fn words(notes: &mut Notes<'_, '_>, call: &Call<'_>, command: &str) {
    let has = |word: &str| command.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == word);
    if has("sudo") || has("su") || has("pkexec") {
        notes.need("the right to become root (sudo)".to_owned());
        let text = "becomes root".to_owned();
        notes.add(call.node, Topic::Privilege, Weight::Look, "sudo", text);
    }
    if has("crontab") || (has("systemctl") && has("enable")) {
        let text = "makes something start by itself".to_owned();
        notes.add(call.node, Topic::Persistence, Weight::Look, "autostart", text);
    }
    let fetches = has("curl") || has("wget");
    let pipes = command.contains('|') && (has("sh") || has("bash") || has("python") || has("python3"));
    if (fetches && pipes) || command.contains("/dev/tcp/") {
        let text = "runs what another machine sends".to_owned();
        notes.add(call.node, Topic::Dynamic, Weight::Alarm, "fetch-and-run", text);
    }
    if has("rm") && command.contains("-rf /") && !command.contains("-rf /tmp") {
        let text = "removes whole trees of this machine".to_owned();
        notes.add(call.node, Topic::File, Weight::Alarm, "remove-tree", text);
    }
}
