//! Where values go besides the screen.

use crate::context::Context;
use crate::failure::Failure;
use crate::places;
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use vigie_meter::sinks::influx::{Influx, Place};
use vigie_meter::sinks::metrics::{Board, MetricsServer};
use vigie_meter::sinks::mqtt::{Broker, Mqtt};
use vigie_meter::sinks::record::Form;
use vigie_meter::sinks::secret::Secret;
use vigie_meter::sinks::{Delivery, Sink};
use vigie_meter::tic::Counts;
use vigie_meter::{News, Sample};

/// Where values go.
#[derive(Args, Debug)]
#[command(next_help_heading = "Where values go")]
pub(super) struct SinkArgs {
    /// Answer Prometheus on this address: GET /metrics
    #[arg(long, value_name = "ADDR", value_parser = crate::addresses::with_port)]
    metrics: Option<SocketAddr>,

    /// Write to an InfluxDB: http://HOST:8086?db=teleinfo, or http://HOST:8086?org=ORG&bucket=BUCKET
    #[arg(long, value_name = "URL")]
    influx: Option<Place>,

    /// File of mode 0600 with USER:PASSWORD, or with `token TOKEN`
    #[arg(long, value_name = "FILE", requires = "influx")]
    influx_credentials: Option<PathBuf>,

    /// Write to InfluxDB as this script does: the same measurements, tags and types
    #[arg(long, value_enum, value_name = "SCRIPT", requires = "influx")]
    compat: Option<Compat>,

    /// Publish to an MQTT broker, with Home Assistant's discovery: mqtt://HOST:1883
    #[arg(long, value_name = "URL")]
    mqtt: Option<Broker>,

    /// File of mode 0600 with USER:PASSWORD
    #[arg(long, value_name = "FILE", requires = "mqtt")]
    mqtt_credentials: Option<PathBuf>,

    /// Where values wait while a database or broker is away [default: /var/lib/vigie-meter for root, else
    /// ~/.local/state/vigie/meter]
    #[arg(long, value_name = "DIR")]
    spool: Option<PathBuf>,

    /// Print no frames, only what goes wrong
    #[arg(short, long)]
    pub(super) quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Compat {
    /// <https://github.com/SebastienReuiller/teleinfo-linky-with-raspberry>
    #[value(name = "teleinfo.py")]
    TeleinfoPy,
}

/// Sinks that run.
pub(super) struct Sinks {
    board: Board,
    _metrics: Option<MetricsServer>,
    deliveries: Vec<(Form, Delivery)>,
    /// Frames for which even the way to the disk was too slow.
    missed: u64,
}

impl SinkArgs {
    /// Whether values go anywhere else.
    pub(super) fn is_any(&self) -> bool {
        self.metrics.is_some() || self.influx.is_some() || self.mqtt.is_some()
    }

    pub(super) async fn start(&self, context: &Context) -> Result<Sinks, Failure> {
        let board = Board::default();
        let metrics = match self.metrics {
            Some(address) => {
                let server = MetricsServer::start(address, board.clone()).await.map_err(|error| {
                    Failure::failed(format!("cannot listen on {address}")).because(&error)
                })?;
                context.out.remark(&format!("metrics on http://{}/metrics", server.address()));
                Some(server)
            }
            None => None,
        };
        let mut sinks = Sinks { board, _metrics: metrics, deliveries: Vec::new(), missed: 0 };
        if let Some(place) = &self.influx {
            let form = match self.compat {
                Some(Compat::TeleinfoPy) => {
                    Form::Compat { host: "raspberry".to_owned(), region: "linky".to_owned() }
                }
                None => Form::Line,
            };
            let secret = secret(self.influx_credentials.as_deref())?;
            let delivery = self.deliver(Influx::new(place.clone(), secret), "influx")?;
            sinks.deliveries.push((form, delivery));
        }
        if let Some(broker) = &self.mqtt {
            let secret = secret(self.mqtt_credentials.as_deref())?;
            let client = places::host_name()?;
            let delivery = self.deliver(Mqtt::start(broker.clone(), &client, secret.as_ref()), "mqtt")?;
            sinks.deliveries.push((Form::Json, delivery));
        }
        Ok(sinks)
    }

    fn deliver(&self, sink: impl Sink, name: &str) -> Result<Delivery, Failure> {
        let spool = match &self.spool {
            Some(dir) => dir.clone(),
            None => places::meter_spool()?,
        };
        Delivery::start(sink, &spool.join(name)).map_err(|error| {
            Failure::of(&error)
                .hint("values wait there while a sink is away; name another directory with --spool")
        })
    }
}

fn secret(path: Option<&Path>) -> Result<Option<Secret>, Failure> {
    path.map(Secret::read).transpose().map_err(|error| Failure::of(&error).into_usage())
}

impl Sinks {
    /// A frame came.
    pub(super) fn frame(&mut self, sample: &Sample, counts: &Counts) {
        self.board.frame(sample.clone(), counts);
        for (form, delivery) in &self.deliveries {
            let taken = form.encode(sample).is_none_or(|record| delivery.hand_over(record));
            self.missed += u64::from(!taken);
        }
    }

    /// Something else happened on the line.
    pub(super) fn news(&self, news: &News, counts: &Counts) {
        let is_closed = matches!(news, News::Gone(_) | News::Absent(_) | News::End);
        self.board.line(!is_closed, counts);
    }

    /// Sends what is left, or keeps it on disk, and says how many records were lost.
    pub(super) async fn finish(self, context: &Context) -> u64 {
        let mut lost = self.missed;
        for (_, delivery) in self.deliveries {
            let progress = delivery.finish().await;
            lost += progress.lost;
            if progress.spooled > 0 {
                let why = progress.trouble.map(|why| format!(" ({why})")).unwrap_or_default();
                let text = format!("{} frames wait on disk for the next start{why}", progress.spooled);
                context.out.warn(&text);
            }
        }
        if lost > 0 {
            context.out.warn(&format!("{lost} frames did not reach where they should go"));
        }
        lost
    }
}
