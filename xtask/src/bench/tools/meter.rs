//! The meter: every flipped bit, and a database that is away for a minute.

use super::Bench;
use crate::bench::report::{Row, Target};
use crate::bench::running::Running;
use crate::bench::series::{Series, Unit};
use crate::shell;
use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long frames come before the database ends, how long it is away, and how long it has for what waited.
const BEFORE: Duration = Duration::from_secs(10);
const AWAY: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the test that flips every bit of both reference frames: it fails at the first wrong value.
pub(super) fn flips() -> Result<Vec<Row>> {
    let mut test = shell::cargo();
    test.args(["test", "--quiet", "--package", "vigie-meter", "--test", "it", "every_flipped_bit"]);
    shell::run(&mut test)?;
    let what = "meter, wrong values of all single flips of both reference frames";
    Ok(vec![Row::alone(what, Series::of(Unit::Count, 0), Target::AtMost(0.0))])
}

/// Frames at real pace into a real InfluxDB that ends and comes back: points it lacks at the end.
pub(super) fn outage(bench: &mut Bench) -> Result<Vec<Row>> {
    let dir = bench.dir.join("meter");
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let database = start_influx(&dir, port)?;
    let line = dir.join("linky");
    let mut simulate = Command::new(&bench.vigie);
    simulate.args(["meter", "simulate", "--link"]).arg(&line);
    let simulated = Running::start(&mut simulate, &dir.join("simulate.log"))?;
    until("the simulated meter is there", || Ok(line.exists()))?;
    let url = format!("http://127.0.0.1:{port}?db=power");
    let printed = dir.join("printed");
    let mut meter = Command::new(&bench.vigie);
    meter
        .args(["meter", "--json", "--influx", &url, "--device"])
        .arg(&line)
        .arg("--spool")
        .arg(dir.join("spool"));
    let file = std::fs::File::create(&printed).context("cannot write what is printed")?;
    meter.stdout(file).stderr(Stdio::null());
    let meter = Running::with_streams(&mut meter)?;
    std::thread::sleep(BEFORE);
    database.stop()?;
    std::thread::sleep(AWAY);
    let _database = start_influx(&dir, port)?;
    std::thread::sleep(BEFORE);
    // No more frames: what waits is delivered, and then nothing is.
    simulated.signal(Signal::TERM)?;
    let points = || -> Result<usize> {
        let text = std::fs::read_to_string(&printed).context("cannot read what was printed")?;
        Ok(text.lines().filter(|line| line.contains("\"PAPP\"")).count())
    };
    let there = || count(&bench.vigie, port);
    let start = Instant::now();
    while there()? < points()? && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(500));
    }
    let (expected, found) = (points()?, there()?);
    drop(meter);
    if expected < 40 {
        bail!("only {expected} frames came in {AWAY:?} and more");
    }
    bench.remark(format!("InfluxDB away for {} s: {found} of {expected} points arrived", AWAY.as_secs()));
    let what = "meter, points that InfluxDB lacks after 60 s away";
    let missing = expected.abs_diff(found) as u64;
    Ok(vec![Row::alone(what, Series::of(Unit::Count, missing), Target::AtMost(0.0))])
}

fn start_influx(dir: &Path, port: u16) -> Result<Running> {
    let mut influxd = Command::new("influxd");
    influxd
        .env("INFLUXDB_HTTP_BIND_ADDRESS", format!("127.0.0.1:{port}"))
        .env("INFLUXDB_BIND_ADDRESS", "127.0.0.1:0")
        .env("INFLUXDB_META_DIR", dir.join("meta"))
        .env("INFLUXDB_DATA_DIR", dir.join("data"))
        .env("INFLUXDB_DATA_WAL_DIR", dir.join("wal"))
        .env("INFLUXDB_REPORTING_DISABLED", "true")
        .env("INFLUXDB_MONITOR_STORE_ENABLED", "false");
    let running = Running::start(&mut influxd, &dir.join("influxd.log"))?;
    until("InfluxDB listens", || Ok(TcpStream::connect(("127.0.0.1", port)).is_ok()))?;
    Ok(running)
}

/// Points of the database.
fn count(vigie: &Path, port: u16) -> Result<usize> {
    let query = "/query?db=power&q=SELECT%20count(PAPP)%20FROM%20teleinfo";
    let mut ask = Command::new(vigie);
    ask.args(["http", &format!("http://127.0.0.1:{port}{query}")]);
    let answer: serde_json::Value =
        serde_json::from_slice(&shell::output(&mut ask)?).context("InfluxDB's answer is no JSON")?;
    // Nothing was written yet: there is no such series.
    let counted = answer.pointer("/results/0/series/0/values/0/1").and_then(serde_json::Value::as_u64);
    Ok(counted.unwrap_or_default() as usize)
}

fn until(what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is_so()? {
        if start.elapsed() > PATIENCE {
            bail!("waited in vain until {what}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
