//! What HAProxy makes of each line: the rules that our answers rest on, measured on the real one.

use crate::eventually;
use crate::haproxy::{Bystander, Haproxy};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// An agent that says the very bytes it was given.
struct Parrot {
    line: Arc<Mutex<Vec<u8>>>,
    asked: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<u8>>>,
    port: u16,
    _task: JoinSet<()>,
}

impl Parrot {
    async fn start() -> Parrot {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (line, asked, heard) =
            (Arc::<Mutex<Vec<u8>>>::default(), Arc::default(), Arc::<Mutex<Vec<u8>>>::default());
        let mut task = JoinSet::new();
        let (said, count, hears) = (line.clone(), Arc::<AtomicUsize>::clone(&asked), heard.clone());
        task.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let line = said.lock().unwrap().clone();
                // HAProxy may have gone when a test ends.
                let _ = stream.write_all(&line).await;
                let _ = stream.shutdown().await;
                let mut sent = Vec::new();
                let _ = stream.read_to_end(&mut sent).await;
                *hears.lock().unwrap() = sent;
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Parrot { line, asked, heard, port, _task: task }
    }

    /// Says this from now on, and waits until HAProxy has asked after it had heard it.
    async fn say(&self, line: &[u8]) {
        *self.line.lock().unwrap() = line.to_vec();
        let before = self.asked.load(Ordering::SeqCst);
        // The answer under way may be the old one, and the next one may still be on its way.
        eventually("HAProxy has asked again", || async {
            let asked = self.asked.load(Ordering::SeqCst);
            (asked >= before + 3).then_some(()).ok_or_else(|| format!("{asked} times"))
        })
        .await;
    }
}

struct Table {
    parrot: Parrot,
    haproxy: Haproxy,
    _server: Bystander,
}

impl Table {
    async fn start(more: &str) -> Table {
        let (parrot, server) = (Parrot::start().await, Bystander::start().await);
        let backends = format!(
            "backend web\n  server s1 127.0.0.1:{} weight 100 check inter 100ms agent-check agent-port {} \
             agent-inter 50ms {more}",
            server.address.port(),
            parrot.port
        );
        let haproxy = Haproxy::start(&backends).await;
        Table { parrot, haproxy, _server: server }
    }

    async fn row(&self, line: &str, wanted: &[(&str, &str)]) {
        self.parrot.say(line.as_bytes()).await;
        eprintln!("{line:?} → {wanted:?}");
        self.haproxy.until("web/s1", wanted).await;
    }
}

#[tokio::test]
async fn haproxy_every_row_of_the_table() {
    let table = Table::start("").await;
    let row = async |line: &str, wanted: &[(&str, &str)]| table.row(line, wanted).await;
    row("up ready 50%\n", &[("status", "UP"), ("weight", "50"), ("last_agt", "via agent : up")]).await;
    row(
        "down # role=secondaire\n",
        &[("status", "DOWN (agent)"), ("last_agt", "via agent : down (role=secondaire)")],
    )
    .await;
    row("up ready 100%\n", &[("status", "UP"), ("weight", "100")]).await;
    // `weight:` is of later versions: 2.6 knows `maxconn:` and takes the other for a description.
    row("up ready weight:50% maxconn:7\n", &[("status", "UP"), ("weight", "100"), ("slim", "7")]).await;
    // Without the blanks around # it is one unknown word.
    row("fail#disk full\n", &[("status", "UP"), ("last_agt", "agent reports an error : fail#disk")]).await;
    row("fail # disk full\n", &[("status", "DOWN (agent)"), ("last_agt", "via agent : fail (disk full)")])
        .await;
    row("up ready\n", &[("status", "UP")]).await;
    // Of a line without its end nothing can be said: depending on when it reads, HAProxy ignores it, or takes it together with
    // what its buffer held before.
    row("0%\n", &[("status", "UP"), ("weight", "0")]).await;
    row("100%\n", &[("status", "UP"), ("weight", "100")]).await;
    row(
        "up\tready,100% # principal epoch=7\n",
        &[("status", "UP"), ("last_agt", "via agent : up (principal epoch=7)")],
    )
    .await;
    row("UP,READY\r\n", &[("status", "UP"), ("last_agt", "via agent : UP")]).await;
    // The last of a kind wins.
    row("up down # last\n", &[("status", "DOWN (agent)"), ("last_agt", "via agent : down (last)")]).await;
    row("up ready\n", &[("status", "UP")]).await;
}

#[tokio::test]
async fn haproxy_keeps_administration_until_ready() {
    let table = Table::start("").await;
    let row = async |line: &str, wanted: &[(&str, &str)]| table.row(line, wanted).await;
    row("up ready\n", &[("status", "UP")]).await;
    row("drain\n", &[("status", "DRAIN (agent)")]).await;
    row("up\n", &[("status", "DRAIN (agent)"), ("last_agt", "via agent : up")]).await;
    row("ready\n", &[("status", "UP")]).await;
    row("maint\n", &[("status", "MAINT"), ("check_status", "")]).await;
    row("up\n", &[("status", "MAINT"), ("last_agt", "via agent : up")]).await;
    row("up ready\n", &[("status", "UP")]).await;
    // Health is kept apart from administration, under both of its words.
    row("down drain # a\n", &[("status", "DOWN (agent)"), ("last_agt", "via agent : down (a)")]).await;
    row("up maint # b\n", &[("status", "MAINT"), ("last_agt", "via agent : up (b)")]).await;
    row("up drain # c\n", &[("status", "DRAIN (agent)"), ("last_agt", "via agent : up (c)")]).await;
    row(
        "stopped # stopping\n",
        &[("status", "DOWN (agent)"), ("last_agt", "via agent : stopped (stopping)")],
    )
    .await;
    // `stopped` has not ended the drain.
    row("up\n", &[("status", "DRAIN (agent)"), ("last_agt", "via agent : up")]).await;
    row("up ready\n", &[("status", "UP")]).await;
}

#[tokio::test]
async fn haproxy_nothing_said_changes_nothing() {
    let mut table = Table::start("").await;
    let silent = [("agent_status", "CHECKED"), ("agent_desc", "No status change")];
    for (line, status) in [("up ready 50%\n", "UP"), ("down drain # x\n", "DOWN (agent)")] {
        table.row(line, &[("status", status)]).await;
        let weight = [("status", status), ("weight", "50")];
        table.row("\n", &[&weight[..], &silent].concat()).await;
        // A description counts only with a word of health.
        table.row("# looking\n", &[&weight[..], &silent].concat()).await;
        table.row("", &[&weight[..], &[("agent_status", "L7RSP")]].concat()).await;
    }
    // Neither does an agent that is gone.
    table.parrot._task.abort_all();
    while table.parrot._task.join_next().await.is_some() {}
    table.haproxy.until("web/s1", &[("status", "DOWN (agent)"), ("agent_status", "L4CON")]).await;
}

#[tokio::test]
async fn haproxy_agent_send_comes_as_it_is() {
    let table = Table::start("agent-send \"web/s1\\n\"").await;
    table.row("up ready\n", &[("status", "UP"), ("last_agt", "via agent : up")]).await;
    assert_eq!(*table.parrot.heard.lock().unwrap(), b"web/s1\n");
}
