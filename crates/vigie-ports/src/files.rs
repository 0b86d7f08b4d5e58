//! Reports out of files: our JSON lines, our XML, nmap's XML.

use std::io::{self, BufRead, Read};

use crate::host::Host;
use crate::limits::{JSON_LINE_BYTES_MAX, REPORTS_MAX};
use crate::ports::PortSet;
use crate::services::Services;
use crate::xml::{Item, Reader, XmlError};

/// What a file holds.
#[derive(Debug, Default)]
pub struct Reports {
    /// In the order of the file.
    pub hosts: Vec<Host>,
    /// What the user should know of it: an end that says the run was incomplete.
    pub notes: Vec<String>,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read it: {0}")]
    Read(#[from] io::Error),
    /// It begins with neither `{` nor `<`.
    #[error("it is neither the JSON of `vigie ports` nor XML of nmap")]
    NeitherJsonNorXml,
    /// A line is no report.
    #[error("line {line} is no report of `vigie ports`: {what}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// XML that is not what it should be.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// More reports than are compared.
    #[error("it has more than {REPORTS_MAX} targets")]
    TooMany,
}

/// Reads all reports of a file, whichever of the formats it has.
///
/// # Errors
///
/// If it is damaged, cut off or something else: half a file is not compared.
pub fn read(mut from: impl BufRead) -> Result<Reports, FileError> {
    loop {
        let bytes = from.fill_buf()?;
        let blank = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        match bytes.get(blank) {
            // A run that found no target writes nothing.
            None if bytes.is_empty() => return Ok(Reports::default()),
            None => from.consume(blank),
            Some(b'{') => return read_json(from),
            Some(b'<' | 0xef) => return read_xml(from),
            Some(_) => return Err(FileError::NeitherJsonNorXml),
        }
    }
}

fn read_json(mut from: impl BufRead) -> Result<Reports, FileError> {
    let (mut reports, mut text, mut line) = (Reports::default(), Vec::new(), 0);
    loop {
        text.clear();
        line += 1;
        if (&mut from).take(JSON_LINE_BYTES_MAX).read_until(b'\n', &mut text)? == 0 {
            return Ok(reports);
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let host = serde_json::from_slice(&text);
        reports.push(host.map_err(|error| FileError::Line { line, what: error.to_string() })?)?;
    }
}

fn read_xml(from: impl BufRead) -> Result<Reports, FileError> {
    let (mut reports, mut asked, mut reader) = (Reports::default(), PortSet::default(), Reader::new(from));
    while let Some(item) = reader.next_item()? {
        match item {
            Item::Asked { ports, .. } => {
                asked = PortSet::parse(&ports, &Services::default()).unwrap_or_default();
            }
            Item::Host(seen) => {
                if let Some(host) = seen.into_host(&asked) {
                    reports.push(host)?;
                }
            }
            Item::Finished { error: Some(error) } => {
                reports.notes.push(format!("the run was not complete: {error}"))
            }
            Item::Run { .. } | Item::Progress { .. } | Item::Finished { error: None } => {}
        }
    }
    Ok(reports)
}

impl Reports {
    fn push(&mut self, host: Host) -> Result<(), FileError> {
        if self.hosts.len() >= REPORTS_MAX {
            return Err(FileError::TooMany);
        }
        self.hosts.push(host);
        Ok(())
    }
}
