//! `POST drain`, `POST undrain` and `GET status` where load balancers are answered.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use vigie_health::answers::OnSecondaire;
use vigie_health::limits::SILENCE;
use vigie_health::monitor::Pace;
use vigie_health::{CommandReport, CommandRun, Config, HealthService, Outside, Roles, RunCommand};
use vigie_model::SystemClock;
use vigie_web::client::{Client, ClientError, Place};
use vigie_web::messages::{DrainReport, DrainRequest, ErrorKind, FlushRequest};
use vigie_web::server::{Listen, Running, serve_health};

/// There are no commands in these tests.
#[derive(Debug)]
struct Nobody;

#[async_trait::async_trait]
impl RunCommand for Nobody {
    async fn run(&self, run: CommandRun) -> CommandReport {
        panic!("{run:?}")
    }
}

struct World {
    client: Client,
    dir: tempfile::TempDir,
    _api: Running,
}

impl World {
    async fn start() -> World {
        let dir = tempfile::tempdir().unwrap();
        let pace = Pace {
            interval: Duration::from_secs(1),
            time_limit: Duration::from_secs(1),
            rise: 1.try_into().unwrap(),
            fall: 1.try_into().unwrap(),
        };
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            silence: SILENCE,
            checks: Vec::new(),
            pace,
            on_secondaire: OnSecondaire::Down,
            state: dir.path().join("state"),
        };
        let (_, roles) = watch::channel(Roles::new());
        let outside = Outside { commands: Arc::new(Nobody), roles };
        let service = HealthService::start(config, &outside, Arc::new(SystemClock::default())).unwrap();
        let socket = dir.path().join("health.sock");
        let listen = Listen { socket: socket.clone(), tcp: None };
        let api = serve_health(&listen, Arc::new(service)).await.unwrap();
        World { client: Client::new(Place::Socket(socket)), dir, _api: api }
    }
}

#[tokio::test]
async fn a_drain_is_told_kept_and_ended() {
    let world = World::start().await;
    let status = world.client.status().await.unwrap();
    assert_eq!((&status["part"], &status["ready"]), (&"health".into(), &true.into()), "{status}");
    let reason = Some("new kernel".to_owned());
    let drained = world.client.drain(&DrainRequest { reason: reason.clone() }).await.unwrap();
    assert!(drained.drained && drained.changed && drained.reason == reason, "{drained:?}");
    assert!(world.dir.path().join("state/drain.json").exists());
    let again = world.client.drain(&DrainRequest::default()).await.unwrap();
    assert_eq!(again, DrainReport { changed: false, ..drained });
    let status = world.client.status().await.unwrap();
    assert_eq!((&status["drained"]["reason"], &status["ready"]), (&"new kernel".into(), &false.into()));
    let ended = world.client.undrain().await.unwrap();
    assert_eq!(ended, DrainReport { changed: true, ..DrainReport::default() });
    assert_eq!(world.client.undrain().await.unwrap(), DrainReport::default());
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused() {
    let world = World::start().await;
    std::fs::create_dir(world.dir.path().join("state/drain.json.new")).unwrap();
    match world.client.drain(&DrainRequest::default()).await {
        Err(ClientError::Refused(error)) => {
            assert_eq!(error.kind, ErrorKind::Internal);
            assert!(error.message.contains("drain.json.new"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert!(world.client.status().await.unwrap()["drained"].is_null());
    match world.client.flush(&FlushRequest::default()).await {
        Err(ClientError::Refused(error)) => assert_eq!(error.kind, ErrorKind::Unsupported),
        other => panic!("{other:?}"),
    }
}
