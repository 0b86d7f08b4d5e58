//! What Prometheus is told when it asks.

use crate::limits;
use crate::sample::Sample;
use crate::tic::{Counts, Kind, Unit, Value, find_label};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The newest frame and the line's counts, shared with whoever asks.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    sample: Option<(Sample, Instant)>,
    counts: Counts,
    is_open: bool,
}

impl Board {
    fn with<T>(&self, act: impl FnOnce(&mut Seen) -> T) -> T {
        // Whoever panicked left whole values behind.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A frame came.
    pub fn frame(&self, sample: Sample, counts: &Counts) {
        self.with(|seen| {
            seen.sample = Some((sample, Instant::now()));
            seen.counts = counts.clone();
            seen.is_open = true;
        });
    }

    /// The line is open, or not.
    pub fn line(&self, is_open: bool, counts: &Counts) {
        self.with(|seen| {
            seen.counts = counts.clone();
            seen.is_open = is_open;
        });
    }

    /// All of it in Prometheus' text format (version 0.0.4). Values that are older than [`limits::STALE`] are left out: a
    /// graph with a hole is true, one that goes on is not.
    #[must_use]
    pub fn text(&self) -> String {
        self.with(|seen| {
            let mut text = String::new();
            line_metrics(&mut text, seen);
            if let Some((sample, at)) = &seen.sample {
                one(
                    &mut text,
                    ("vigie_meter_last_frame_timestamp_seconds", "gauge", "When the newest frame ended."),
                    &sample.time.as_second().to_string(),
                );
                if at.elapsed() < limits::STALE {
                    values(&mut text, sample);
                }
            }
            text
        })
    }
}

type Family = (&'static str, &'static str, &'static str);

fn head(text: &mut String, (name, kind, help): Family) {
    // Writing into a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn one(text: &mut String, family: Family, value: &str) {
    head(text, family);
    let _ = writeln!(text, "{} {value}", family.0);
}

fn line_metrics(text: &mut String, seen: &Seen) {
    let counts = &seen.counts;
    one(
        text,
        ("vigie_meter_line_open", "gauge", "Whether the serial line is there."),
        if seen.is_open { "1" } else { "0" },
    );
    one(text, ("vigie_meter_bytes_total", "counter", "Bytes heard."), &counts.bytes.to_string());
    one(text, ("vigie_meter_groups_total", "counter", "Groups that count."), &counts.groups.to_string());
    head(text, ("vigie_meter_frames_total", "counter", "Frames, by whether something of them was lost."));
    for (state, number) in [("whole", counts.frames_whole), ("partial", counts.frames_partial)] {
        let _ = writeln!(text, "vigie_meter_frames_total{{state=\"{state}\"}} {number}");
    }
    head(text, ("vigie_meter_faults_total", "counter", "Groups that did not count, by reason."));
    for (kind, number) in &counts.faults {
        let name = serde_json::to_value(kind).unwrap_or_default();
        let _ = writeln!(text, "vigie_meter_faults_total{{reason={name}}} {number}");
    }
}

/// The family of a number: Prometheus wants its unit in the name.
fn family(unit: Unit, is_counter: bool) -> Family {
    match unit {
        Unit::Wh if is_counter => ("vigie_meter_energy_watt_hours_total", "counter", "Energy counted."),
        Unit::Varh if is_counter => {
            ("vigie_meter_reactive_energy_varh_total", "counter", "Reactive energy counted.")
        }
        Unit::Wh | Unit::Varh | Unit::None => ("vigie_meter_number", "gauge", "Plain numbers."),
        Unit::W => ("vigie_meter_power_watts", "gauge", "Power."),
        Unit::Va => ("vigie_meter_apparent_power_volt_amperes", "gauge", "Apparent power."),
        Unit::Kva => (
            "vigie_meter_contract_kilovolt_amperes",
            "gauge",
            "Subscribed power, and where the breaker opens.",
        ),
        Unit::A => ("vigie_meter_current_amperes", "gauge", "Current."),
        Unit::V => ("vigie_meter_voltage_volts", "gauge", "Voltage."),
        Unit::Minutes => ("vigie_meter_notice_minutes", "gauge", "Notice of a mobile peak."),
    }
}

fn values(text: &mut String, sample: &Sample) {
    let meter = sample.meter.as_deref().unwrap_or("unknown");
    let mut families: BTreeMap<Family, Vec<String>> = BTreeMap::new();
    for reading in &sample.readings {
        let is_counter = find_label(sample.mode, &reading.label)
            .is_some_and(|label| matches!(label.kind, Kind::Counter(_)));
        let label = &reading.label;
        match &reading.value {
            Value::Number(number, unit) => {
                let family = family(*unit, is_counter);
                let line = format!("{}{{meter=\"{meter}\",label=\"{label}\"}} {number}", family.0);
                families.entry(family).or_default().push(line);
            }
            Value::Text(value) => {
                let family = ("vigie_meter_text", "gauge", "What the meter says in words; always 1.");
                let line = format!(
                    "{}{{meter=\"{meter}\",label=\"{label}\",value=\"{}\"}} 1",
                    family.0,
                    escaped(value)
                );
                families.entry(family).or_default().push(line);
            }
            Value::Status(register) => {
                let family = ("vigie_meter_status_register", "gauge", "The 32 bits of STGE.");
                let line = format!("{}{{meter=\"{meter}\"}} {}", family.0, register.0);
                families.entry(family).or_default().push(line);
            }
            Value::Identifier(_) | Value::Time => {}
        }
    }
    for (family, lines) in families {
        head(text, family);
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

/// Answers `GET /metrics` until dropped.
#[derive(Debug)]
pub struct MetricsServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl MetricsServer {
    /// Begins to answer.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn start(address: SocketAddr, board: Board) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(MetricsServer { address, task: tokio::spawn(serve(listener, board)) })
    }

    /// Where, with the port that port 0 became.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(listener: TcpListener, board: Board) {
    let places = Arc::new(Semaphore::new(limits::METRICS_CLIENTS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files: others must end first.
                tracing::warn!(%error, "cannot accept a client of the metrics");
                tokio::time::sleep(limits::REOPEN).await;
                continue;
            }
        };
        let board = board.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let answer = answer(&request, &board);
                async { Ok::<_, Infallible>(answer) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(limits::METRICS_PATIENCE);
            let served = http.serve_connection(TokioIo::new(stream), answer);
            if let Err(error) =
                tokio::time::timeout(limits::METRICS_CONNECTION, served).await.unwrap_or(Ok(()))
            {
                tracing::debug!(%error, "a client of the metrics went wrong");
            }
            drop(place);
        });
    }
}

fn answer(request: &Request<Incoming>, board: &Board) -> Response<Full<Bytes>> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => (StatusCode::OK, board.text()),
        (&Method::GET, "/") => (StatusCode::OK, "vigie meter: /metrics\n".to_owned()),
        (&Method::GET, _) => (StatusCode::NOT_FOUND, "only /metrics is here\n".to_owned()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;
    use crate::tic::{FaultKind, Listener, Ways, samples};
    use std::time::Duration;

    fn board() -> Board {
        let board = Board::default();
        let mut listener = Listener::new(Ways::default());
        let mut frames = Vec::new();
        listener.feed(&samples::standard(), Duration::ZERO, |frame| frames.push(frame));
        let mut counts = listener.counts().clone();
        counts.faults.insert(FaultKind::TooLong, 3);
        let time = "2024-06-15T12:30:00Z".parse().unwrap();
        board.frame(Sample::new(frames.remove(0), time, &Identity::Plain), &counts);
        board
    }

    #[tokio::test(start_paused = true)]
    async fn values_have_their_units_and_grow_stale() {
        let board = board();
        let text = board.text();
        for line in [
            "vigie_meter_energy_watt_hours_total{meter=\"012345678901\",label=\"EAST\"} 31427787",
            "vigie_meter_apparent_power_volt_amperes{meter=\"012345678901\",label=\"SINSTS\"} 780",
            "vigie_meter_text{meter=\"012345678901\",label=\"NGTF\",value=\"TEMPO\"} 1",
            "vigie_meter_status_register{meter=\"012345678901\"} 188355585",
            "vigie_meter_faults_total{reason=\"too-long\"} 3",
            "vigie_meter_frames_total{state=\"whole\"} 1",
            "vigie_meter_last_frame_timestamp_seconds 1718454600",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        for family in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            assert_eq!(text.matches(&format!("# TYPE {family}\n")).count(), 1, "{family}");
        }
        tokio::time::advance(limits::STALE).await;
        let later = board.text();
        assert!(!later.contains("EAST") && later.contains("vigie_meter_frames_total"), "{later}");
    }
}
