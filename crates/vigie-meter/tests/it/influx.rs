//! A real InfluxDB 1.6, stopped and started again.

use crate::world::{Peer, free_port, http, listens, program, reached, sample};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use vigie_meter::sinks::Delivery;
use vigie_meter::sinks::influx::Influx;
use vigie_meter::sinks::record::Form;
use vigie_meter::sinks::secret::Secret;

/// A moment within what InfluxDB keeps for ever.
const START_MS: i64 = 1_718_454_600_000;

struct World {
    dir: tempfile::TempDir,
    port: u16,
    with_login: bool,
}

impl World {
    fn new(with_login: bool) -> Self {
        World { dir: tempfile::tempdir().unwrap(), port: free_port(), with_login }
    }

    async fn start(&self) -> Option<Peer> {
        let influxd = program("influxd")?;
        let dir = |name: &str| self.dir.path().join(name);
        let peer = Peer::start(
            Command::new(influxd)
                .env("INFLUXDB_HTTP_BIND_ADDRESS", format!("127.0.0.1:{}", self.port))
                .env("INFLUXDB_BIND_ADDRESS", "127.0.0.1:0")
                .env("INFLUXDB_META_DIR", dir("meta"))
                .env("INFLUXDB_DATA_DIR", dir("data"))
                .env("INFLUXDB_DATA_WAL_DIR", dir("wal"))
                .env("INFLUXDB_HTTP_AUTH_ENABLED", self.with_login.to_string())
                .env("INFLUXDB_REPORTING_DISABLED", "true")
                .env("INFLUXDB_MONITOR_STORE_ENABLED", "false"),
        );
        listens(self.port).await;
        Some(peer)
    }

    fn deliver(&self, secret: Option<Secret>, spool: &Path) -> Delivery {
        let place = format!("http://127.0.0.1:{}?db=power", self.port).parse().unwrap();
        Delivery::start(Influx::new(place, secret), spool).unwrap()
    }

    async fn query(&self, statement: &str, method: &str) -> String {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let statement = statement.replace(' ', "%20").replace('"', "%22").replace('\'', "%27");
        let login = if self.with_login { "&u=admin&p=secret" } else { "" };
        let path = format!("/query?db=power&epoch=s&q={statement}{login}");
        http(
            address,
            &format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        )
        .await
    }
}

fn give(delivery: &Delivery, form: &Form, turns: std::ops::Range<i64>) {
    for turn in turns {
        assert!(delivery.hand_over(form.encode(&sample(START_MS + 1500 * turn)).unwrap()));
    }
}

#[tokio::test]
async fn a_database_that_is_stopped_and_started_again_misses_no_point_needs_influxdb() {
    let world = World::new(false);
    let Some(peer) = world.start().await else { return };
    let spool = tempfile::tempdir().unwrap();
    let delivery = world.deliver(None, spool.path());
    give(&delivery, &Form::Line, 0..20);
    reached(&delivery, |p| p.sent == 20).await;
    drop(peer);
    give(&delivery, &Form::Line, 20..60);
    reached(&delivery, |p| p.trouble.is_some() && p.spooled == 40).await;
    // This program, too, may end while the database is away.
    assert_eq!(delivery.finish().await.spooled, 40);
    let delivery = world.deliver(None, spool.path());
    give(&delivery, &Form::Line, 60..80);
    reached(&delivery, |p| p.spooled == 60).await;
    let _peer = world.start().await.unwrap();
    reached(&delivery, |p| p.sent == 60 && p.spooled == 0).await;
    assert_eq!(delivery.finish().await.lost, 0);
    let answer = world.query("SELECT count(PAPP), sum(PAPP) FROM teleinfo", "GET").await;
    assert!(answer.contains(&format!("[0,80,{}]", 80 * 1289)), "{answer}");
}

#[tokio::test]
async fn wrong_credentials_lose_nothing_either_needs_influxdb() {
    let world = World::new(true);
    let Some(_peer) = world.start().await else { return };
    world.query("CREATE USER admin WITH PASSWORD 'secret' WITH ALL PRIVILEGES", "POST").await;
    let spool = tempfile::tempdir().unwrap();
    let login = |password: &str| Secret::Login { user: "admin".into(), password: password.into() };
    let delivery = world.deliver(Some(login("wrong")), spool.path());
    give(&delivery, &Form::Line, 0..3);
    reached(&delivery, |p| p.trouble.as_ref().is_some_and(|why| why.contains("401")) && p.spooled == 3).await;
    assert_eq!(delivery.finish().await.spooled, 3);
    let delivery = world.deliver(Some(login("secret")), spool.path());
    reached(&delivery, |p| p.sent == 3 && p.spooled == 0).await;
    let answer = world.query("SELECT count(PAPP) FROM teleinfo", "GET").await;
    assert!(answer.contains("[0,3]"), "{answer}");
}

#[tokio::test]
async fn compatible_points_can_be_asked_for_as_those_of_the_script_needs_influxdb() {
    let world = World::new(false);
    let Some(_peer) = world.start().await else { return };
    let spool = tempfile::tempdir().unwrap();
    let delivery = world.deliver(None, spool.path());
    let form = Form::Compat { host: "raspberry".into(), region: "linky".into() };
    give(&delivery, &form, 0..2);
    reached(&delivery, |p| p.sent == 2).await;
    let series = world.query("SHOW SERIES", "GET").await;
    for label in ["OPTARIF", "ISOUSC", "HCHC", "HCHP", "PTEC", "IINST", "IMAX", "PAPP", "HHPHC", "MOTDETAT"] {
        assert!(series.contains(&format!("\"{label},host=raspberry,region=linky\"")), "{label}: {series}");
    }
    assert!(!series.contains("ADCO"), "{series}");
    let answer = world.query("SELECT value FROM PAPP", "GET").await;
    // Whole seconds, as the script has them.
    assert!(answer.contains("[[1718454600,1289],[1718454601,1289]]"), "{answer}");
    let types = world.query("SHOW FIELD KEYS FROM HCHC, PTEC", "GET").await;
    assert!(types.contains("[\"value\",\"integer\"]") && types.contains("[\"value\",\"string\"]"), "{types}");
}
