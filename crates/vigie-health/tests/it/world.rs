//! A health service with what it is given, and ways to ask it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use vigie_health::answers::OnSecondaire;
use vigie_health::limits::SILENCE;
use vigie_health::monitor::Pace;
use vigie_health::{
    CommandEnd, CommandReport, CommandRun, Config, HealthService, Outside, Role, RoleSeen, Roles, RunCommand,
    State,
};
use vigie_model::SystemClock;

/// Answers every command with what stands on its line: `CODE TEXT`.
#[derive(Debug)]
pub(crate) struct Echo;

#[async_trait::async_trait]
impl RunCommand for Echo {
    async fn run(&self, run: CommandRun) -> CommandReport {
        let (code, text) = run.line.split_once(' ').unwrap();
        let end = match code {
            "timeout" => CommandEnd::TimedOut,
            "lost" => CommandEnd::Lost(text.to_owned()),
            "signal" => CommandEnd::Signalled(text.parse().unwrap()),
            code => CommandEnd::Exited(code.parse().unwrap()),
        };
        CommandReport { end, stdout: text.as_bytes().to_vec(), stderr: Vec::new() }
    }
}

pub(crate) fn outside(roles: watch::Receiver<Roles>) -> Outside {
    Outside { commands: Arc::new(Echo), roles }
}

/// A health service on a free port.
pub(crate) struct World {
    pub(crate) roles: watch::Sender<Roles>,
    pub(crate) service: HealthService,
    pub(crate) address: SocketAddr,
    dir: Arc<tempfile::TempDir>,
    checks: Vec<String>,
    policy: OnSecondaire,
}

impl World {
    pub(crate) async fn start(checks: &[String], policy: OnSecondaire) -> World {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        World::start_at(any, checks.to_vec(), policy, watch::Sender::default(), dir).await
    }

    async fn start_at(
        listen: SocketAddr,
        checks: Vec<String>,
        policy: OnSecondaire,
        roles: watch::Sender<Roles>,
        dir: Arc<tempfile::TempDir>,
    ) -> World {
        let two = 2.try_into().unwrap();
        let pace = Pace {
            interval: Duration::from_millis(50),
            time_limit: Duration::from_secs(10),
            rise: two,
            fall: two,
        };
        let config = Config {
            listen,
            silence: SILENCE,
            checks: checks.iter().map(|text| text.parse().unwrap()).collect(),
            pace,
            on_secondaire: policy,
            state: dir.path().join("state"),
        };
        let outside = outside(roles.subscribe());
        let service = HealthService::start(config, &outside, Arc::new(SystemClock::default())).unwrap();
        let address = service.listening();
        World { roles, service, address, dir, checks, policy }
    }

    /// The same service in its next life, on the same port and the same directory.
    pub(crate) async fn restart(self) -> World {
        let World { roles, service, address, dir, checks, policy } = self;
        drop(service);
        // Its port is free once its task is gone.
        crate::eventually("the port is free", || async {
            std::net::TcpListener::bind(address).map(drop).map_err(|e| e.to_string())
        })
        .await;
        World::start_at(address, checks, policy, roles, dir).await
    }

    pub(crate) fn role(&self, group: &str, role: Option<Role>, epoch: u64) {
        let seen = RoleSeen { group: group.into(), role, epoch: Some(epoch), lease: None };
        self.roles.send_modify(|roles| {
            roles.insert(group.into(), seen);
        });
    }

    /// Waits until the checks say so.
    pub(crate) async fn until(&self, state: State) {
        let mut health = self.service.health();
        let found = tokio::time::timeout(crate::PATIENCE, health.wait_for(|health| health.state() == state));
        assert!(found.await.is_ok(), "never {state:?}");
    }

    /// Sends bytes, and gives all that comes back.
    pub(crate) async fn ask(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    }

    /// Asks over HTTP; the status and the body.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let said = self.ask(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await;
        status_and_body(&said)
    }
}

pub(crate) fn status_and_body(said: &str) -> (u16, String) {
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {said:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
