//! `vigie cast listen`

use super::{Via, failure};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, bytes, count, escaped, span};
use crate::signals::EndSignals;
use clap::Args;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use vigie_tools::cast::counter::Counts;
use vigie_tools::cast::endpoint::Endpoint;
use vigie_tools::cast::listen::{Config, Heard, Listener, Report, Stream};
use vigie_tools::limits::{CAST_RECEIVE_BUFFER, CAST_TEXTS};
use vigie_web::text::Shown;

/// Hear a group, or what comes to this machine, and count what was lost, doubled, reordered or late
///
/// Texts are printed as they come, from whatever program. What `vigie cast send` sends is counted by its numbers, each
/// stream for itself.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit code 1 when something was lost, 3 when nothing came at all.

EXAMPLES:
  vigie cast listen 239.255.0.1:5000                    until Ctrl-C
  vigie cast listen '[ff15::1]:5000' --interface eth0 --for 1min
  vigie cast listen 0.0.0.0:5000 --once --json          one measurement of whoever sends here")]
pub(crate) struct ListenArgs {
    /// A group, or an address of this machine: 239.255.0.1:5000, `[ff15::1]:5000`, 0.0.0.0:5000
    #[arg(value_name = "GROUP:PORT", value_parser = crate::addresses::host_and_any_port)]
    target: String,

    #[command(flatten)]
    via: Via,

    /// End when every stream that was heard has ended
    #[arg(long)]
    once: bool,

    /// End after this long
    #[arg(long = "for", value_name = "SPAN", value_parser = crate::instant::span)]
    time_limit: Option<Duration>,

    /// Tell what was counted so far this often; 0s never
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = crate::instant::span)]
    report: Duration,

    /// Size of the kernel's buffer, which bridges the moments in which nobody reads [default: 64 MiB, as far as allowed]
    #[arg(long, value_name = "BYTES")]
    buffer: Option<usize>,
}

/// One line for scripts.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line<'a> {
    Listening {
        address: String,
    },
    Text {
        from: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        number: Option<u64>,
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        text_b64: Option<&'a str>,
    },
    Stream {
        is_final: bool,
        from: String,
        stream: String,
        sent: Option<u64>,
        received: u64,
        bytes: u64,
        seconds: f64,
        lost: u64,
        before: u64,
        duplicated: u64,
        reordered: u64,
        reorder_extent_max: u64,
        late: u64,
        strange: u64,
        jitter_ms: f64,
        /// How often so many were lost in a row: 1, 2, 3 to 4, 5 to 8, and so on.
        bursts: &'a [u64],
        burst_max: u64,
    },
    Total {
        is_final: bool,
        streams: usize,
        plain: u64,
        uncounted: u64,
        kernel_dropped: u64,
        untold: u64,
        receive_buffer: usize,
    },
}

impl ListenArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let mut end = EndSignals::listen()?;
        let config = Config {
            at: Endpoint { target: self.target, interface: self.via.interface },
            report_every: if self.report.is_zero() { Duration::MAX } else { self.report },
            time_limit: self.time_limit,
            is_once: self.once,
            receive_buffer: self.buffer.unwrap_or(CAST_RECEIVE_BUFFER),
        };
        let listener = Listener::bind(config).map_err(|error| failure(&error))?;
        let out = &mut context.out;
        print_listening(out, &listener)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, mut heard) = mpsc::channel(CAST_TEXTS);
        let mut running = tokio::task::spawn_blocking({
            let stop = stop.clone();
            move || listener.run(&tell, &stop)
        });
        let mut printed = Ok(());
        let report = loop {
            tokio::select! {
                // What was heard is told before the end is.
                biased;
                Some(one) = heard.recv() => {
                    printed = printed.and_then(|()| print_heard(out, one));
                    if printed.is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                report = &mut running => break report.map_err(|e| Failure::of(&e))?,
                () = end.next() => stop.store(true, Ordering::Relaxed),
            }
        };
        let report = report.map_err(|error| Failure::of(&error))?;
        printed?;
        print_report(out, &report, true)?;
        Ok(outcome(&report))
    }
}

fn outcome(report: &Report) -> Outcome {
    let is_lost = report.streams.iter().any(|stream| stream.counts.lost > 0);
    let is_silent = report.plain == 0 && report.uncounted == 0 && report.streams.is_empty();
    match is_lost || report.kernel_dropped > 0 {
        true => Outcome::Negative,
        false => Outcome::partial_if(is_silent),
    }
}

fn print_listening(out: &mut Output, listener: &Listener) -> std::io::Result<()> {
    let address = listener.address().to_string();
    if out.is_json() {
        out.json(&Line::Listening { address })?;
        return out.flush();
    }
    out.remark(&format!("listening on {address}; end with Ctrl-C"));
    Ok(())
}

fn print_heard(out: &mut Output, heard: Heard) -> std::io::Result<()> {
    match heard {
        Heard::Progress(report) => return print_report(out, &report, false),
        Heard::Text { from, number, bytes } if out.is_json() => {
            let Shown { text, b64 } = Shown::new(&bytes);
            let from = from.to_string();
            out.json(&Line::Text { from, number, text: &text, text_b64: b64.as_deref() })?;
        }
        Heard::Text { from, bytes, .. } => {
            let text = escaped(bytes.strip_suffix(b"\n").unwrap_or(&bytes));
            let from = out.paint(Paint::Dim, &from.to_string());
            out.line(&format!("{from}  {text}"))?;
        }
    }
    out.flush()
}

fn print_report(out: &mut Output, report: &Report, is_final: bool) -> std::io::Result<()> {
    for stream in &report.streams {
        if out.is_json() {
            out.json(&line(stream, is_final))?;
        } else {
            print_stream(out, stream)?;
        }
    }
    let Report { streams, plain, uncounted, kernel_dropped, untold, receive_buffer } = report;
    if out.is_json() {
        let (plain, uncounted, kernel_dropped) = (*plain, *uncounted, *kernel_dropped);
        let (untold, receive_buffer, streams) = (*untold, *receive_buffer, streams.len());
        out.json(&Line::Total {
            is_final,
            streams,
            plain,
            uncounted,
            kernel_dropped,
            untold,
            receive_buffer,
        })?;
    } else {
        if *kernel_dropped > 0 {
            let dropped =
                out.paint(Paint::Bad, &format!("dropped by this kernel: {}", count(*kernel_dropped)));
            let size = bytes(*receive_buffer as u64);
            out.line(&format!("{dropped}, because nobody read them in time (buffer: {size})"))?;
        }
        for (what, number) in [
            ("without numbers", plain),
            ("not counted, of too many streams", uncounted),
            ("counted, and not printed", untold),
        ] {
            if *number > 0 && is_final {
                out.line(&format!("{what}: {}", count(*number)))?;
            }
        }
        if is_final && streams.is_empty() && *plain == 0 {
            out.line("nothing came")?;
        }
    }
    out.flush()
}

/// A stream for people: what came and how, and what is wrong with it where something is.
fn print_stream(out: &mut Output, stream: &Stream) -> std::io::Result<()> {
    let Stream { from, sent, counts, bytes: length, lasted, stream: id } = stream;
    let of = sent.map_or_else(String::new, |sent| format!(" of {}", count(sent)));
    let rate = counts.received as f64 / lasted.as_secs_f64().max(1e-9);
    let pace = if counts.received > 1 {
        format!(" in {}, {rate:.0} a second", span(*lasted))
    } else {
        String::new()
    };
    let size = bytes(*length);
    out.line(&format!("{from} {id:08x}: received {}{of} ({size}){pace}", count(counts.received)))?;
    let expected = counts.unique + counts.lost;
    let percent = counts.lost as f64 * 100.0 / expected.max(1) as f64;
    let lost = format!("lost {} ({percent:.2} %)", count(counts.lost));
    let lost = out.paint(if counts.lost > 0 { Paint::Bad } else { Paint::Good }, &lost);
    let rest = [("duplicated", counts.duplicated), ("reordered", counts.reordered), ("late", counts.late)];
    let rest: String = rest.iter().map(|(what, number)| format!(", {what} {}", count(*number))).collect();
    out.line(&format!("  {lost}{rest}; jitter {:.3} ms", counts.jitter_ns / 1e6))?;
    if counts.burst_max > 0 {
        out.line(&format!("  lost in a row: {}; the most {}", bursts(counts), count(counts.burst_max)))?;
    }
    if counts.reorder_extent_max > 0 {
        out.line(&format!("  reordered by up to {}", count(counts.reorder_extent_max)))?;
    }
    if counts.before > 0 {
        let before = count(counts.before);
        out.line(&format!("  {before} were sent before the first one was heard, or lost"))?;
    }
    if counts.strange > 0 {
        out.line(&format!("  with numbers that cannot be: {}", count(counts.strange)))?;
    }
    Ok(())
}

/// `1: 12 times, 2: 3 times, 3-4: once`.
fn bursts(counts: &Counts) -> String {
    let classes = counts.bursts.iter().enumerate().filter(|(_, times)| **times > 0);
    let text = classes.map(|(class, times)| {
        let length = match class {
            0 => "1".to_owned(),
            1 => "2".to_owned(),
            _ if class + 1 == counts.bursts.len() => format!("{} and more", (1_u64 << (class - 1)) + 1),
            _ => format!("{}-{}", (1_u64 << (class - 1)) + 1, 1_u64 << class),
        };
        format!("{length} ({}×)", count(*times))
    });
    text.collect::<Vec<_>>().join(", ")
}

fn line(stream: &Stream, is_final: bool) -> Line<'_> {
    let counts = &stream.counts;
    Line::Stream {
        is_final,
        from: stream.from.to_string(),
        stream: format!("{:08x}", stream.stream),
        sent: stream.sent,
        received: counts.received,
        bytes: stream.bytes,
        seconds: stream.lasted.as_secs_f64(),
        lost: counts.lost,
        before: counts.before,
        duplicated: counts.duplicated,
        reordered: counts.reordered,
        reorder_extent_max: counts.reorder_extent_max,
        late: counts.late,
        strange: counts.strange,
        jitter_ms: counts.jitter_ns / 1e6,
        bursts: &counts.bursts,
        burst_max: counts.burst_max,
    }
}
