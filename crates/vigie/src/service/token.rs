//! The token with which a machine enrols. It never stands on a command line, where every user could read it.

use crate::failure::Failure;
use std::io::Read;
use std::path::Path;
use vigie_wire::Token;

/// The environment variable that may hold the token.
const VARIABLE: &str = "VIGIE_TOKEN";

/// Longest text that is read: far above the longest token.
const TEXT_BYTES_MAX: u64 = 4096;

/// Reads the token from the file, from standard input for `-`, or from the environment; none when there is
/// none.
pub(crate) fn read(file: Option<&Path>) -> Result<Option<Token>, Failure> {
    let text = match file {
        Some(path) if path == Path::new("-") => read_from(&mut std::io::stdin().lock(), "standard input")?,
        Some(path) => {
            let name = path.display().to_string();
            let mut file = std::fs::File::open(path)
                .map_err(|e| Failure::usage(format!("cannot read the token from {name}")).because(&e))?;
            read_from(&mut file, &name)?
        }
        None => match std::env::var(VARIABLE) {
            Ok(text) if !text.is_empty() => text,
            _ => return Ok(None),
        },
    };
    Token::parse(&text).map(Some).map_err(|e| {
        Failure::usage(e.to_string()).hint("it is the one line that `vigie hub invite` prints on the hub")
    })
}

fn read_from(from: &mut dyn Read, name: &str) -> Result<String, Failure> {
    let mut text = String::new();
    from.take(TEXT_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|e| Failure::usage(format!("cannot read the token from {name}")).because(&e))?;
    Ok(text)
}
