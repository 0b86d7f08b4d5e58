//! Prometheus asks, and others.

use crate::world::{http, sample};
use vigie_meter::sinks::metrics::{Board, MetricsServer};
use vigie_meter::tic::Counts;

fn request(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn values_are_given_to_who_asks_and_nothing_else() {
    let board = Board::default();
    let server = MetricsServer::start("127.0.0.1:0".parse().unwrap(), board.clone()).await.unwrap();
    let empty = http(server.address(), &request("GET", "/metrics")).await;
    assert!(empty.starts_with("HTTP/1.1 200") && empty.contains("vigie_meter_line_open 0"), "{empty}");
    board.frame(sample(1_718_454_600_000), &Counts::default());
    let told = http(server.address(), &request("GET", "/metrics")).await;
    assert!(told.contains("label=\"PAPP\"} 1289") && told.contains("text/plain; version=0.0.4"), "{told}");
    assert!(!told.contains("012345678901"), "{told}");
    assert!(http(server.address(), &request("GET", "/x")).await.starts_with("HTTP/1.1 404"));
    assert!(http(server.address(), &request("POST", "/metrics")).await.starts_with("HTTP/1.1 405"));
}
