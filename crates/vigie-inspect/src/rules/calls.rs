//! Code that is not in the text, and rights.

use super::{Call, Notes};
use crate::report::{Topic, Weight};
use tree_sitter::Node;

const DECODERS: &[&str] = &[
    "base64.b64decode",
    "base64.b32decode",
    "base64.b85decode",
    "binascii.unhexlify",
    "bytes.fromhex",
    "codecs.decode",
    "marshal.loads",
    "zlib.decompress",
    "lzma.decompress",
    "bz2.decompress",
];
const FETCHERS: &[&str] =
    &["requests.get", "requests.post", "urllib.request.urlopen", "urllib2.urlopen", "socket.socket.recv"];

pub(super) fn look(notes: &mut Notes<'_, '_>, call: &Call<'_>) {
    match call.path.as_str() {
        "eval" | "exec" | "builtins.eval" | "builtins.exec" => evaluated(notes, call),
        "compile" => {
            notes.add(call.node, Topic::Dynamic, Weight::Note, "compile", "compiles text to code".to_owned())
        }
        "__import__" | "importlib.import_module" => {
            let Some(name) = call.arguments.plain.first() else { return };
            let shown = notes.show(*name);
            let weight = if notes.script.fold(*name).is_some() { Weight::Note } else { Weight::Look };
            notes.add(call.node, Topic::Dynamic, weight, "import", format!("imports {shown} by name"));
        }
        "pickle.load" | "pickle.loads" | "cPickle.loads" | "cPickle.load" | "shelve.open" | "dill.loads" => {
            let text = "reads objects that can bring code with them (pickle)".to_owned();
            notes.add(call.node, Topic::Dynamic, Weight::Look, "pickle", text);
        }
        "marshal.loads" | "marshal.load" => {
            notes.add(call.node, Topic::Dynamic, Weight::Look, "marshal", "reads compiled code".to_owned());
        }
        "yaml.load" if !call.arguments.has("Loader") && call.arguments.plain.len() < 2 => {
            let text = "reads YAML that can bring code with it: safe_load does not".to_owned();
            notes.add(call.node, Topic::Dynamic, Weight::Look, "yaml", text);
        }
        "os.setuid" | "os.setgid" | "os.seteuid" | "os.setresuid" => {
            notes.need("root, to change who it runs as".to_owned());
            notes.add(
                call.node,
                Topic::Privilege,
                Weight::Look,
                "setuid",
                "changes who it runs as".to_owned(),
            );
        }
        "os.dup2" => {
            let target = call.arguments.plain.first().map(|n| notes.script.of(*n)).unwrap_or_default();
            let dials = ["socket", "connect("].iter().all(|word| notes.script.text.contains(word));
            if target.contains("fileno") && dials {
                let text = "connects a program's input and output to a socket: a shell for somebody far away"
                    .to_owned();
                notes.add(call.node, Topic::Hidden, Weight::Alarm, "reverse-shell", text);
            }
        }
        path if path.starts_with("ctypes.") && path.contains("LL") => {
            notes.add(call.node, Topic::Dynamic, Weight::Note, "ctypes", "calls native code".to_owned());
        }
        "datetime.datetime.utcnow" | "datetime.utcnow" => {
            let text =
                "utcnow() gives a time without its zone, and is deprecated since Python 3.12".to_owned();
            notes.add(call.node, Topic::Reliability, Weight::Note, "utcnow", text);
        }
        _ => {}
    }
}

fn evaluated(notes: &mut Notes<'_, '_>, call: &Call<'_>) {
    let inner = call.arguments.plain.first().map(|code| inside(notes, *code)).unwrap_or_default();
    if inner.iter().any(|path| DECODERS.contains(&path.as_str())) {
        let text = "decodes hidden text and runs it".to_owned();
        notes.add(call.node, Topic::Hidden, Weight::Alarm, "decode-and-run", text);
    } else if inner.iter().any(|path| FETCHERS.contains(&path.as_str())) {
        let text = "runs what another machine sends".to_owned();
        notes.add(call.node, Topic::Dynamic, Weight::Alarm, "fetch-and-run", text);
    } else {
        notes.add(call.node, Topic::Dynamic, Weight::Look, "eval", "runs text as code".to_owned());
    }
}

/// What is called within an expression, and within what its names were made by.
fn inside(notes: &Notes<'_, '_>, node: Node<'_>) -> Vec<String> {
    let mut paths = Vec::new();
    let mut waiting = vec![node];
    while let Some(node) = waiting.pop() {
        if node.kind() == "call" {
            paths.push(notes.script.called(node));
        }
        if node.kind() == "identifier" {
            paths.push(notes.script.path_of(notes.script.of(node)));
        }
        let mut cursor = node.walk();
        waiting.extend(node.named_children(&mut cursor));
    }
    paths
}
