//! `xtask role-web`: the smallest server that answers HTTP; HAProxy's back ends in the bench.

use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// A server for `cargo xtask bench roles`: answers every request with 200 and the end of the connection.
#[derive(clap::Args)]
pub(crate) struct WebArgs {
    /// The port of loopback to listen on.
    #[arg(long)]
    port: u16,
}

pub(crate) fn run(args: &WebArgs) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", args.port)).context("cannot listen")?;
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            // Who goes away early, does.
            let _gone = answer(stream);
        });
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    // Up to the empty line; who closes before it gets no answer.
    while line.trim_end() != "" || line.is_empty() {
        line.clear();
        if request.read_line(&mut line)? == 0 {
            return Ok(());
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
}
