//! One look at real targets.

use crate::haproxy::Bystander;
use crate::world::outside;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use vigie_health::{Finding, Verdict, check_once};

async fn look(spec: &str) -> Finding {
    let (_roles, receiver) = watch::channel(vigie_health::Roles::new());
    check_once(&spec.parse().unwrap(), &outside(receiver), Duration::from_secs(20)).await
}

/// A server that gives everybody the same bytes, after it has read something; without any it says nothing.
async fn says(bytes: Vec<u8>) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut silent = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            if bytes.is_empty() {
                silent.push(stream);
                continue;
            }
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(&bytes).await;
        }
    });
    (port, task)
}

#[tokio::test]
async fn tcp_is_connected_refused_or_cannot_be_found() {
    let target = Bystander::start().await;
    let at = target.address;
    assert_eq!(look(&format!("tcp:{at}")).await.verdict, Verdict::Ok);
    target.close().await;
    let refused = look(&format!("tcp:{at}")).await;
    assert_eq!(refused.verdict, Verdict::Critical);
    assert!(refused.detail.contains("Connection refused"), "{refused:?}");
    let nobody = look("tcp:no-such-host.invalid:80").await;
    assert_eq!(nobody.verdict, Verdict::Unknown, "{nobody:?}");
}

#[tokio::test]
async fn http_statuses_bodies_and_worse() {
    let body = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall is ok".as_bytes();
    let (port, _ok) = says(body.to_vec()).await;
    let verdict = async |options: &str, port: u16| {
        look(&format!("{options} http://127.0.0.1:{port}/health")).await.verdict
    };
    assert_eq!(verdict("", port).await, Verdict::Ok);
    assert_eq!(verdict("[body=is ok]", port).await, Verdict::Ok);
    assert_eq!(verdict("[body=is bad]", port).await, Verdict::Critical);
    assert_eq!(verdict("[status=204]", port).await, Verdict::Critical);
    let (port, _moved) =
        says(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    assert_eq!(verdict("", port).await, Verdict::Ok);
    assert_eq!(verdict("[status=200-299]", port).await, Verdict::Critical);
    let (port, _fails) = says(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    assert_eq!(verdict("", port).await, Verdict::Critical);
    let (port, _mail) = says(b"220 mail.example.org ESMTP\r\n".to_vec()).await;
    assert_eq!(verdict("", port).await, Verdict::Critical);
    let (port, _short) = says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut".to_vec()).await;
    assert_eq!(verdict("[body=never]", port).await, Verdict::Critical);
    let (port, _silent) = says(Vec::new()).await;
    let found = look(&format!("[timeout=200ms] http://127.0.0.1:{port}/")).await;
    assert_eq!((found.verdict, found.detail.as_str()), (Verdict::Critical, "no answer within 200ms"));
}

#[tokio::test]
async fn a_text_in_a_long_body_is_found_up_to_the_bound() {
    let limit = vigie_health::limits::BODY_BYTES_MAX;
    for (at, verdict) in [(limit - 6, Verdict::Ok), (limit, Verdict::Critical)] {
        let mut answer = b"HTTP/1.0 200 OK\r\n\r\n".to_vec();
        answer.extend(std::iter::repeat_n(b'x', at));
        answer.extend_from_slice(b"needle");
        answer.extend(std::iter::repeat_n(b'x', limit));
        let (port, _task) = says(answer).await;
        assert_eq!(
            look(&format!("[body=needle] http://127.0.0.1:{port}/")).await.verdict,
            verdict,
            "at {at}"
        );
    }
}

#[tokio::test]
async fn exit_codes_are_those_of_nagios() {
    for (line, verdict, detail) in [
        ("0 DISK OK | /=5", Verdict::Ok, "DISK OK"),
        ("1 low", Verdict::Warning, "low"),
        ("2 full", Verdict::Critical, "full"),
        ("3 what?", Verdict::Unknown, "what?"),
        ("4 x", Verdict::Critical, "exit code 4: x"),
        ("127 nope: not found", Verdict::Unknown, "exit code 127: nope: not found"),
        ("signal 11", Verdict::Critical, "ended by signal 11: 11"),
        ("timeout so far", Verdict::Critical, "not done within 20s: so far"),
        ("lost no processes left", Verdict::Unknown, "no processes left: no processes left"),
    ] {
        let found = look(&format!("exec:{line}")).await;
        assert_eq!((found.verdict, found.detail.as_str()), (verdict, detail), "{line}");
    }
}
