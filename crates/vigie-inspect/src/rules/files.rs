//! Which files and devices it uses.

use super::{Call, Notes};
use crate::report::{Topic, Weight};

/// Functions that change a file: path, place of its name, what they do.
const CHANGES: &[(&str, usize, &str)] = &[
    ("os.remove", 0, "removes"),
    ("os.unlink", 0, "removes"),
    ("os.rmdir", 0, "removes"),
    ("os.rename", 1, "renames to"),
    ("os.replace", 1, "replaces"),
    ("os.mkdir", 0, "makes"),
    ("os.makedirs", 0, "makes"),
    ("os.chmod", 0, "changes the rights of"),
    ("os.chown", 0, "changes the owner of"),
    ("os.symlink", 1, "makes the link"),
    ("shutil.rmtree", 0, "removes with all below it"),
    ("shutil.copy", 1, "copies to"),
    ("shutil.copyfile", 1, "copies to"),
    ("shutil.move", 1, "moves to"),
    ("logging.FileHandler", 0, "appends to"),
    ("logging.handlers.RotatingFileHandler", 0, "appends to"),
    ("logging.handlers.TimedRotatingFileHandler", 0, "appends to"),
    ("sqlite3.connect", 0, "keeps a database in"),
];

/// Where things start by themselves, or let somebody in.
const STARTERS: &[&str] = &[
    "/etc/cron",
    "/var/spool/cron",
    "/etc/systemd",
    "/lib/systemd",
    "/etc/rc.local",
    "/etc/init.d",
    ".bashrc",
    ".profile",
    ".zshrc",
    "/etc/profile",
    "authorized_keys",
    "/etc/ld.so.preload",
    "autostart/",
];

pub(super) fn look(notes: &mut Notes<'_, '_>, call: &Call<'_>) {
    match call.path.as_str() {
        "open" | "io.open" | "codecs.open" | "os.open" => open(notes, call),
        "logging.basicConfig" => log_file(notes, call),
        "serial.Serial" => serial(notes, call),
        "smbus.SMBus" | "smbus2.SMBus" => device(notes, call, "/dev/i2c-*", "i2c"),
        path if path.starts_with("RPi.GPIO.setup") => device(notes, call, "/dev/gpiomem", "gpio"),
        path => {
            if let Some((_, place, verb)) = CHANGES.iter().find(|known| known.0 == path)
                && let Some(name) = call.arguments.plain.get(*place)
            {
                let shown = notes.show(*name);
                notes.add(call.node, Topic::File, Weight::Note, "change", format!("{verb} {shown}"));
                written(notes, call, &shown);
            }
        }
    }
}

fn open(notes: &mut Notes<'_, '_>, call: &Call<'_>) {
    let Some(name) = call.arguments.get(0, "file") else { return };
    let mode = call.arguments.get(1, "mode").and_then(|mode| notes.script.fold(mode)).unwrap_or_default();
    let shown = notes.show(name);
    if let Some(device_path) = Some(&shown).filter(|path| path.starts_with("/dev/") && !is_harmless(path)) {
        device(notes, call, device_path, group_of(device_path));
        return;
    }
    let is_written = mode.contains(['w', 'a', 'x', '+']);
    let verb = match mode.chars().find(|c| "wax+".contains(*c)) {
        Some('a') => "appends to",
        Some(_) => "writes",
        None => "reads",
    };
    notes.add(
        call.node,
        Topic::File,
        Weight::Note,
        if is_written { "write" } else { "read" },
        format!("{verb} {shown}"),
    );
    if is_written {
        written(notes, call, &shown);
    } else if ["/etc/shadow", "id_rsa", "id_ed25519", ".aws/credentials", ".netrc"]
        .iter()
        .any(|s| shown.contains(s))
    {
        notes.add(call.node, Topic::Privilege, Weight::Look, "secret", format!("reads a secret: {shown}"));
    }
}

fn is_harmless(path: &str) -> bool {
    matches!(
        path,
        "/dev/null"
            | "/dev/zero"
            | "/dev/urandom"
            | "/dev/random"
            | "/dev/stdin"
            | "/dev/stdout"
            | "/dev/stderr"
    )
}

fn log_file(notes: &mut Notes<'_, '_>, call: &Call<'_>) {
    let Some((_, name)) = call.arguments.named.iter().find(|(name, _)| name == "filename") else { return };
    let shown = notes.show(*name);
    notes.add(call.node, Topic::File, Weight::Note, "write", format!("appends its log to {shown}"));
    written(notes, call, &shown);
    let text = format!("{shown} grows for ever: nothing rotates it");
    notes.add(call.node, Topic::Reliability, Weight::Note, "no-rotation", text);
}

fn serial(notes: &mut Notes<'_, '_>, call: &Call<'_>) {
    let Some(port) = call.arguments.get(0, "port") else { return };
    let shown = notes.show(port);
    let setting = |place, name: &str| call.arguments.get(place, name).map(|a| notes.script.of(a).to_owned());
    let baud = setting(1, "baudrate").map(|baud| format!("{baud} baud")).unwrap_or_default();
    let bits = setting(2, "bytesize").unwrap_or_default();
    let parity = setting(3, "parity").unwrap_or_default();
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_lowercase();
    let parts: Vec<String> =
        [baud, last(&bits), last(&parity)].into_iter().filter(|p| !p.is_empty()).collect();
    let how = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    notes.add(call.node, Topic::Device, Weight::Note, "serial", format!("uses the serial line {shown}{how}"));
    notes.need(format!("group dialout, for {shown}"));
    if last(&bits) == "sevenbits" && matches!(last(&parity).as_str(), "" | "parity_none") {
        let text =
            "seven bits without parity: a line with parity (7E1) brings framing errors, or damage unseen"
                .to_owned();
        notes.add(call.node, Topic::Reliability, Weight::Look, "serial-parity", text);
    }
}

fn group_of(device: &str) -> &'static str {
    if device.starts_with("/dev/tty") || device.starts_with("/dev/serial") {
        "dialout"
    } else if device.starts_with("/dev/i2c") {
        "i2c"
    } else if device.starts_with("/dev/gpio") {
        "gpio"
    } else if device.starts_with("/dev/video") {
        "video"
    } else {
        "disk or root"
    }
}

fn device(notes: &mut Notes<'_, '_>, call: &Call<'_>, path: &str, group: &str) {
    notes.add(call.node, Topic::Device, Weight::Note, "device", format!("uses the device {path}"));
    notes.need(format!("group {group}, for {path}"));
    if ["/dev/sd", "/dev/nvme", "/dev/mem", "/dev/kmem"].iter().any(|start| path.starts_with(start)) {
        notes.add(
            call.node,
            Topic::Device,
            Weight::Look,
            "raw-device",
            format!("reaches below the file system: {path}"),
        );
    }
}

/// What follows from a file being written.
fn written(notes: &mut Notes<'_, '_>, call: &Call<'_>, path: &str) {
    if STARTERS.iter().any(|starter| path.contains(starter)) {
        let text = format!("changes what starts by itself, or who may log in: {path}");
        notes.add(call.node, Topic::Persistence, Weight::Look, "starter", text);
    }
    if let Some(owned) = ["/etc", "/usr", "/boot", "/root", "/bin", "/sbin", "/lib", "/opt", "/sys"]
        .iter()
        .find(|dir| path.starts_with(&format!("{dir}/")))
    {
        notes.need(format!("root, to write below {owned}"));
    } else if path.starts_with("/var/") && !path.starts_with("/var/tmp/") {
        let dir = path.rsplit_once('/').map_or(path, |(dir, _)| dir);
        notes.need(format!("a directory {dir} that it may write to"));
    }
}
