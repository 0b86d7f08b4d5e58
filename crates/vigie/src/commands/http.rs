//! `vigie http`

use crate::connecting::{ConnectArgs, setup_failure, url};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, bytes, span};
use crate::signals::EndSignals;
use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;
use std::ffi::OsString;
use std::io::{IsTerminal, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;
use vigie_tools::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use vigie_tools::http::request::{Patience, Reply, Request, RequestError, ask};
use vigie_tools::http::{Method, Url, json};
use vigie_tools::limits::HTTP_BODY_BYTES;
use vigie_web::text::Shown;

/// Ask an HTTP service, and print what it says
///
/// The status goes to standard error and the body to standard output; JSON is indented, and --path takes one value out of
/// it. Certificates are checked.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit code 0 when the status is below 400, 1 when it is not, 4 when there is no answer.

EXAMPLES:
  vigie http https://api.chucknorris.io/jokes/random --path /value
  vigie http http://127.0.0.1:7701/v1/status -i
  vigie http https://example.org/api -X PUT -H 'Content-Type: application/json' -d '{\"on\":true}'
  vigie http https://example.org/ --resolve example.org:443:192.0.2.7     before its name leads there")]
pub(crate) struct HttpArgs {
    /// Whom to ask, and for what
    #[arg(value_name = "URL", value_parser = url)]
    url: Url,

    /// The method [default: GET; POST with --data]
    #[arg(short = 'X', long = "request", value_name = "METHOD", value_parser = method)]
    method: Option<Method>,

    /// Send this; @FILE sends a file, @- standard input. Without a Content-Type it is JSON if it reads as such, else a form
    #[arg(short, long, value_name = "DATA")]
    data: Option<OsString>,

    /// Say this, too; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,

    /// Print status and headers in front of the body
    #[arg(short, long)]
    include: bool,

    /// Print one value of the JSON: a JSON Pointer, such as /items/0/name. A string comes without its quotes
    #[arg(long, value_name = "POINTER", conflicts_with = "include")]
    path: Option<String>,

    /// Print the body byte by byte
    #[arg(long, conflicts_with = "path")]
    raw: bool,

    /// How long each attempt may take
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = crate::instant::span)]
    timeout: Duration,

    /// Ask so many times more when nobody answers, or the server asks to come back (408, 429, 502, 503, 504), waiting twice
    /// as long each time; POST and PATCH are never asked twice
    #[arg(long, value_name = "N", default_value_t = 0)]
    retries: u32,

    /// Follow a redirection so many times
    #[arg(long, value_name = "N", default_value_t = 10)]
    redirects: usize,

    /// The longest body that is taken, in bytes [default: 67108864]
    #[arg(long, value_name = "BYTES")]
    max_size: Option<usize>,

    #[command(flatten)]
    connect: ConnectArgs,
}

fn method(text: &str) -> Result<Method, String> {
    Method::from_bytes(text.to_ascii_uppercase().as_bytes()).map_err(|_| format!("`{text}` is no method"))
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let bad = || format!("`{text}` is no header, such as 'Accept: text/plain'");
    let (name, value) = text.split_once(':').ok_or_else(bad)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| bad())?;
    Ok((name, HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| bad())?))
}

/// The answer for scripts.
#[derive(Serialize)]
struct Line<'a> {
    url: &'a str,
    status: u16,
    headers: Vec<(&'a str, String)>,
    took_ms: f64,
    /// The body as it is, if it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<&'a RawValue>,
    /// The body as text, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// Its exact bytes, if they are no text either.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_b64: Option<String>,
}

impl HttpArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let mut end = EndSignals::listen()?;
        let request = self.request()?;
        let settings = self.connect.clone().settings(self.timeout, self.redirects);
        let patience =
            Patience { retries: self.retries, body_bytes_max: self.max_size.unwrap_or(HTTP_BODY_BYTES) };
        let out = &mut context.out;
        let again = |why: &str, pause: Duration| out.remark(&format!("{why}; again in {}", span(pause)));
        let reply = tokio::select! {
            reply = ask(&request, &settings, patience, again) => reply.map_err(|error| failure(&error))?,
            () = end.next() => return Err(Failure::failed("interrupted while it was waiting for the answer")),
        };
        self.print(&mut context.out, &reply)?;
        Ok(if reply.status.as_u16() < 400 { Outcome::Done } else { Outcome::Negative })
    }

    fn request(&self) -> Result<Request, Failure> {
        let body = self.data.as_ref().map(read_data).transpose()?;
        let mut headers = HeaderMap::new();
        if let Some(body) = &body {
            let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
            let kind = if is_json { "application/json" } else { "application/x-www-form-urlencoded" };
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        for (name, value) in &self.headers {
            // What the user says takes the place of what would be said by itself; several of a name all count.
            if *name == CONTENT_TYPE {
                headers.insert(name, value.clone());
            } else {
                headers.append(name, value.clone());
            }
        }
        let default = if body.is_some() { Method::POST } else { Method::GET };
        Ok(Request { method: self.method.clone().unwrap_or(default), url: self.url.clone(), headers, body })
    }

    fn print(&self, out: &mut Output, reply: &Reply) -> Result<(), Failure> {
        if out.is_json() && self.path.is_none() {
            out.json(&line(reply))?;
            out.flush()?;
            return Ok(());
        }
        if self.include {
            out.line(&format!("HTTP {}", reply.status))?;
            for (name, value) in &reply.headers {
                out.line(&format!("{name}: {}", value_text(value)))?;
            }
            out.line("")?;
        } else {
            let is_good = reply.status.as_u16() < 400;
            let status = out.paint(if is_good { Paint::Good } else { Paint::Bad }, &reply.status.to_string());
            let moved = if reply.url == self.url { String::new() } else { format!(" from {}", reply.url) };
            let size = bytes(reply.body.len() as u64);
            out.remark(&format!("{status}{moved} ({size} in {})", span(reply.took)));
        }
        match &self.path {
            Some(path) => {
                let value = json::at(&String::from_utf8_lossy(&reply.body), path);
                let value = value.map_err(|error| Failure::of(&error))?;
                out.line(&if out.is_json() { value } else { json::plain(&value) })?;
            }
            None => self.print_body(out, &reply.body)?,
        }
        out.flush()?;
        Ok(())
    }

    fn print_body(&self, out: &mut Output, body: &[u8]) -> std::io::Result<()> {
        if self.raw {
            return out.bytes(body);
        }
        let is_terminal = std::io::stdout().is_terminal();
        match std::str::from_utf8(body) {
            Ok(text) => {
                let text = json::pretty(text).unwrap_or_else(|| text.to_owned());
                // A server must not be able to write to the terminal what only programs here should.
                let text = if is_terminal { tame(&text) } else { text };
                out.bytes(text.as_bytes())?;
                let needs_end = !text.is_empty() && !text.ends_with('\n');
                if needs_end { out.line("") } else { Ok(()) }
            }
            Err(_) if is_terminal => {
                out.remark("the body is no text; redirect it into a file, or see it with --raw");
                Ok(())
            }
            Err(_) => out.bytes(body),
        }
    }
}

fn read_data(data: &OsString) -> Result<Vec<u8>, Failure> {
    let Some(name) = data.as_bytes().strip_prefix(b"@") else { return Ok(data.as_bytes().to_vec()) };
    let mut body = Vec::new();
    let read = if name == b"-" {
        std::io::stdin().read_to_end(&mut body).map(drop)
    } else {
        std::fs::File::open(OsString::from_vec(name.to_vec()))
            .and_then(|mut f| f.read_to_end(&mut body))
            .map(drop)
    };
    let name = String::from_utf8_lossy(name);
    read.map_err(|e| Failure::failed(format!("cannot read {name}")).because(&e).into_usage())?;
    Ok(body)
}

fn failure(error: &RequestError) -> Failure {
    let failure = match error {
        RequestError::Setup(error) => return setup_failure(error),
        other => Failure::of(other),
    };
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn value_text(value: &HeaderValue) -> String {
    crate::output::escaped(value.as_bytes())
}

/// Without control characters but for ends of lines and tabulators.
fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

fn line(reply: &Reply) -> Line<'_> {
    let text = std::str::from_utf8(&reply.body).ok().map(json::without_mark);
    let json = text.and_then(|text| serde_json::from_str(text).ok());
    let Shown { text, b64 } = Shown::new(if json.is_some() { &[] } else { &reply.body });
    Line {
        url: reply.url.as_str(),
        status: reply.status.as_u16(),
        headers: reply.headers.iter().map(|(name, value)| (name.as_str(), value_text(value))).collect(),
        took_ms: reply.took.as_secs_f64() * 1e3,
        json,
        body: json.is_none().then_some(text),
        body_b64: b64,
    }
}
