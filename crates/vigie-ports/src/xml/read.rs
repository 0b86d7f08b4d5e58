//! nmap's XML as it comes, one item after the other: a run of days needs no more memory than its largest host.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use quick_xml::events::{BytesStart, Event};

use crate::limits::{XML_ELEMENT_BYTES_MAX, XML_PORTS_OF_HOST_MAX};
use crate::xml::host::{Extra, SeenHost, SeenPort};

/// Something complete.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// The head: the command line, and the version of who wrote it.
    Run {
        /// The command line.
        args: String,
        /// The version.
        version: String,
    },
    /// Which TCP ports are scanned, as ranges.
    Asked {
        /// `syn`, `connect` and others.
        kind: String,
        /// As ranges.
        ports: String,
    },
    /// How far a part of the work is.
    Progress {
        /// The name of the part.
        task: String,
        /// 0 to 100.
        percent: f64,
    },
    /// A target that is done.
    Host(Box<SeenHost>),
    /// The end of the run.
    Finished {
        /// What went wrong, if something did.
        error: Option<String>,
    },
}

/// Why there is no next item.
#[derive(Debug, thiserror::Error)]
pub enum XmlError {
    /// It cannot be read.
    #[error("cannot read it: {0}")]
    Read(#[from] io::Error),
    /// It is not XML, or not well formed.
    #[error("it is damaged near byte {at}: {what}")]
    Damaged {
        /// Where, from 0.
        at: u64,
        /// What is wrong.
        what: String,
    },
    /// It is XML, but not nmap's.
    #[error("it is not nmap's XML: it begins with <{0}>")]
    NotNmap(String),
    /// It ends before it is complete.
    #[error("it is cut off after {0} bytes")]
    CutOff(u64),
}

/// Reads items.
pub struct Reader<R> {
    xml: quick_xml::Reader<Bounded<R>>,
    buffer: Vec<u8>,
    /// Whether the first element was seen to be nmap's.
    is_nmap: bool,
    /// Whether the last element was closed.
    ended: bool,
    host: Option<Box<SeenHost>>,
    port: Option<SeenPort>,
}

impl<R> std::fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("is_nmap", &self.is_nmap)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl<R: BufRead> Reader<R> {
    /// Begins to read.
    pub fn new(from: R) -> Self {
        let xml = quick_xml::Reader::from_reader(Bounded { from, left: XML_ELEMENT_BYTES_MAX });
        Reader { xml, buffer: Vec::new(), is_nmap: false, ended: false, host: None, port: None }
    }

    /// The next item; `None` after the end of a complete document.
    ///
    /// # Errors
    ///
    /// If there is none because the text is damaged or cut off. Items before it are good.
    pub fn next_item(&mut self) -> Result<Option<Item>, XmlError> {
        loop {
            self.buffer.clear();
            self.xml.get_mut().left = XML_ELEMENT_BYTES_MAX;
            let mut buffer = std::mem::take(&mut self.buffer);
            let event = self.xml.read_event_into(&mut buffer);
            let at = self.xml.buffer_position();
            let item = match event {
                Err(quick_xml::Error::Io(error)) => {
                    return Err(io::Error::new(error.kind(), error.to_string()).into());
                }
                Err(quick_xml::Error::Syntax(_)) if self.is_at_end()? => {
                    return Err(XmlError::CutOff(at));
                }
                Err(error) => return Err(XmlError::Damaged { at, what: error.to_string() }),
                Ok(Event::Eof) if self.ended => return Ok(None),
                Ok(Event::Eof) => return Err(XmlError::CutOff(at)),
                Ok(Event::Start(element)) => self.begin(&element, at)?,
                Ok(Event::Empty(element)) => {
                    let begun = self.begin(&element, at)?;
                    let ended = self.end(element.local_name().as_ref());
                    begun.or(ended)
                }
                Ok(Event::End(element)) => self.end(element.local_name().as_ref()),
                Ok(_) => None,
            };
            self.buffer = buffer;
            if item.is_some() {
                return Ok(item);
            }
        }
    }

    /// Whether no byte is left.
    fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.xml.get_mut().fill_buf()?.is_empty())
    }

    fn begin(&mut self, element: &BytesStart<'_>, at: u64) -> Result<Option<Item>, XmlError> {
        let name = element.local_name();
        let name: &str = name.as_ref();
        if !self.is_nmap && name != "nmaprun" {
            let shown: String = name.chars().take(40).collect();
            return Err(XmlError::NotNmap(shown));
        }
        let mut attributes = attributes(element, at)?;
        let mut take = |key: &str| attributes.remove(key).unwrap_or_default();
        match name {
            "nmaprun" => {
                self.is_nmap = true;
                return Ok(Some(Item::Run { args: take("args"), version: take("version") }));
            }
            "scaninfo" if take("protocol") == "tcp" => {
                return Ok(Some(Item::Asked { kind: take("type"), ports: take("services") }));
            }
            "taskprogress" => {
                let percent = take("percent").parse().ok().filter(|p: &f64| p.is_finite()).unwrap_or(0.0);
                return Ok(Some(Item::Progress { task: take("task"), percent: percent.clamp(0.0, 100.0) }));
            }
            "finished" => {
                let error = (take("exit") == "error").then(|| take("errormsg"));
                return Ok(Some(Item::Finished { error }));
            }
            "host" => {
                let host = SeenHost { timed_out: take("timedout") == "true", ..SeenHost::default() };
                self.host = Some(Box::new(host));
            }
            "port" => {
                let number = take("portid").parse().ok().filter(|_| take("protocol") == "tcp");
                self.port = number.map(SeenPort::new);
            }
            _ => self.detail(name, take),
        }
        Ok(None)
    }

    /// What belongs to a host or a port.
    fn detail(&mut self, name: &str, mut take: impl FnMut(&str) -> String) {
        let Some(host) = &mut self.host else { return };
        match (name, &mut self.port) {
            ("status", _) => (host.status, host.reason) = (take("state"), take("reason")),
            ("address", _) => {
                if let Ok(address) = take("addr").parse() {
                    host.address = Some(address);
                }
            }
            ("hostname", _) => {
                let name = take("name");
                if take("type") == "user" || host.name.is_none() {
                    host.name = Some(name).filter(|name| !name.is_empty());
                }
            }
            ("state", Some(port)) => (port.state, port.reason) = (take("state"), take("reason")),
            ("service", Some(port)) => {
                let texts = [take("product"), take("version"), take("extrainfo")];
                let texts: Vec<String> = texts.into_iter().filter(|text| !text.is_empty()).collect();
                port.service = Some(take("name")).filter(|name| !name.is_empty());
                port.version = (take("method") == "probed" && !texts.is_empty()).then(|| texts.join(" "));
                port.is_tls = take("tunnel") == "ssl";
            }
            ("extraports", _) => {
                let count = take("count").parse().unwrap_or(0);
                host.extras.push(Extra { state: take("state"), count, reasons: Vec::new() });
            }
            ("extrareasons", _) => {
                let (protocol, reason, ports) = (take("proto"), take("reason"), take("ports"));
                let is_tcp = protocol.is_empty() || protocol == "tcp";
                if let Some(extra) = host.extras.last_mut().filter(|_| is_tcp) {
                    extra.reasons.push((reason, ports));
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) -> Option<Item> {
        match name {
            "port" => {
                if let (Some(host), Some(port)) = (&mut self.host, self.port.take())
                    && host.ports.len() < XML_PORTS_OF_HOST_MAX
                {
                    host.ports.push(port);
                }
                None
            }
            "host" => self.host.take().map(Item::Host),
            "nmaprun" => {
                self.ended = true;
                None
            }
            _ => None,
        }
    }
}

fn attributes(element: &BytesStart<'_>, at: u64) -> Result<BTreeMap<String, String>, XmlError> {
    let damaged = |what: String| XmlError::Damaged { at, what };
    let mut all = BTreeMap::new();
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|error| damaged(error.to_string()))?;
        let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0);
        let value = value.map_err(|error| damaged(error.to_string()))?;
        all.insert(attribute.key.as_ref().to_owned(), value.into_owned());
    }
    Ok(all)
}

/// Ends with an error when one element is longer than any honest one.
struct Bounded<R> {
    from: R,
    left: u64,
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::other(format!("an element is longer than {XML_ELEMENT_BYTES_MAX} bytes")));
        }
        let bytes = self.from.fill_buf()?;
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        Ok(&bytes[..most])
    }

    fn consume(&mut self, amount: usize) {
        self.left -= (amount as u64).min(self.left);
        self.from.consume(amount);
    }
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(to)?;
        self.consume(read);
        Ok(read)
    }
}
