//! Lines of the log, across restarts of the hub for whoever follows them.

use crate::output::Output;
use std::time::Duration;
use vigie_web::client::{Bytes, Client, ClientError, Lines};
use vigie_web::messages::{ErrorKind, LogLine, LogQuery};

/// How often a hub that is gone is looked for. It is on this machine: asking costs nothing.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// An answer to a question about the log, and to the same question asked again when the hub is back.
pub(crate) struct Following {
    hub: Client,
    query: LogQuery,
    lines: Lines<LogLine>,
    /// Behind which cursor the next answer has to begin.
    cursor: Option<String>,
    /// The last line, of which the cursor is better.
    last: Option<Bytes>,
}

impl Following {
    /// Asks for the first time: a hub that is not there is an error.
    pub(crate) async fn begin(hub: Client, query: LogQuery) -> Result<Self, ClientError> {
        let (cursor, lines) = hub.log(&query).await?;
        Ok(Following { hub, query, lines, cursor, last: None })
    }

    /// The next line as it came; none at the end, which a question with `follow` does not have: it waits for the hub
    /// to come back, and goes on behind the last line. Dropping the call loses nothing but the wait.
    pub(crate) async fn next(&mut self, out: &Output) -> Result<Option<Bytes>, ClientError> {
        loop {
            let gone = match self.lines.next_raw().await {
                Ok(Some(line)) => {
                    self.last = Some(line.clone());
                    return Ok(Some(line));
                }
                Ok(None) if self.query.follow => "the hub has stopped".to_owned(),
                Err(error @ ClientError::CutOff { .. }) if self.query.follow => error.to_string(),
                other => return other,
            };
            out.warn(&format!("{gone}; waiting for it to come back"));
            self.again().await?;
            out.warn("the hub is back; going on behind the last line");
        }
    }

    /// Asks again until the hub answers.
    async fn again(&mut self) -> Result<(), ClientError> {
        if let Some(line) = self.last.take() {
            self.cursor = Some(self.lines.read(&line)?.cursor);
        }
        // What is new is wanted whole, however little of the old was.
        let query = LogQuery { after: self.cursor.clone(), newest: None, ..self.query.clone() };
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match self.hub.log(&query).await {
                Ok((_, lines)) => {
                    self.lines = lines;
                    return Ok(());
                }
                Err(ClientError::Unreachable { .. } | ClientError::CutOff { .. }) => {}
                Err(ClientError::Refused(refused)) if refused.kind == ErrorKind::Unavailable => {}
                Err(other) => return Err(other),
            }
        }
    }

    /// Reads a line that [`Following::next`] gave.
    pub(crate) fn read(&self, line: &[u8]) -> Result<LogLine, ClientError> {
        self.lines.read(line)
    }

    /// Whether another line has come already.
    pub(crate) fn has_next_line(&self) -> bool {
        self.lines.has_next_line()
    }
}
