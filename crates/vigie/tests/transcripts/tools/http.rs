//! One request: what is sent, what is printed, what goes wrong; through tinyproxy, and to a server with TLS of Python's.

use super::ip::tinyproxy;
use super::stand_in::StandIn;
use crate::Home;
use crate::talking::Talking;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

const JSON: &str = r#"{"b":1.50,"a":["x\n",{}]}"#;

fn json() -> StandIn {
    StandIn::says("200 OK", "Content-Type: application/json\r\n", JSON)
}

#[test]
fn the_body_is_printed_and_json_is_indented() {
    let home = Home::new();
    let server = json();
    let url = server.url("/");
    let said = home.run(&["http", &url]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "{\n  \"b\": 1.50,\n  \"a\": [\n    \"x\\n\",\n    {}\n  ]\n}\n")
    );
    assert!(said.err.starts_with("200 OK (25 B in "), "{said:?}");
    assert_eq!(home.run(&["http", &url, "--raw"]).out, JSON);
    assert_eq!(home.run(&["http", &url, "--path", "/b"]).out, "1.50\n");
    assert_eq!(home.run(&["http", &url, "--path", "/a/0"]).out, "x\n\n");
    assert_eq!(home.run(&["http", &url, "--path", "/a/0", "--json"]).out, "\"x\\n\"\n");
    let none = home.run(&["http", &url, "--path", "/c"]);
    assert!(none.code == 4 && none.err.ends_with("error: there is no /c\n"), "{none:?}");
    let head = home.run(&["http", &url, "-i"]).out;
    assert!(
        head.starts_with("HTTP 200 OK\ncontent-length: 25\ncontent-type: application/json\n\n{\n"),
        "{head}"
    );
    let line = home.run(&["http", &url, "--json"]).out;
    assert!(line.contains("\"status\":200") && line.contains(&format!("\"json\":{JSON}")), "{line}");
}

#[test]
fn what_is_said_is_sent() {
    let home = Home::new();
    // The request comes back as the body.
    let mirror = StandIn::with(|mut stream, request| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.len());
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(request.as_bytes()));
    });
    let url = mirror.url("/a?b=c");
    let said = home.run(&["http", &url, "-d", "{\"on\":true}", "-H", "X-Key: k", "-X", "put"]).out;
    assert!(said.starts_with("PUT /a?b=c HTTP/1.1\r\n"), "{said}");
    assert!(said.contains("content-type: application/json\r\n") && said.contains("x-key: k\r\n"), "{said}");
    assert!(said.ends_with("\r\n\r\n{\"on\":true}\n"), "{said}");
    std::fs::write(home.path().join("form"), "a=b").unwrap();
    let said = home.run(&["http", &url, "-d", "@form"]).out;
    assert!(said.starts_with("POST ") && said.contains("x-www-form-urlencoded"), "{said}");
    let named = format!("http://service.example:{}/", mirror.port());
    let resolve = format!("service.example:{}:127.0.0.1", mirror.port());
    let said = home.run(&["http", &named, "--resolve", &resolve, "--no-proxy"]).out;
    assert!(said.contains("host: service.example:"), "{said}");
}

#[test]
fn a_bad_status_is_a_finding_and_no_answer_a_failure() {
    let home = Home::new();
    let missing = StandIn::says("404 Not Found", "", "no such page");
    let said = home.run(&["http", &missing.url("/")]);
    assert_eq!((said.code, said.out.as_str()), (1, "no such page\n"), "{said:?}");
    let circle = StandIn::says("302 Found", "Location: /\r\n", "");
    let said = home.run(&["http", &circle.url("/"), "--redirects", "3"]);
    assert!(said.code == 4 && said.err.contains("hint: the server leads in circles"), "{said:?}");
    assert_eq!(circle.asked(), 4);
    let long = StandIn::says("200 OK", "", &"a".repeat(10_000_000));
    let said = home.run(&["http", &long.url("/"), "--max-size", "1000"]);
    assert!(said.code == 4 && said.err.contains("is longer than 1000 bytes"), "{said:?}");
    let cut = StandIn::raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc".to_vec());
    let said = home.run(&["http", &cut.url("/")]);
    assert_eq!((said.code, said.out.as_str()), (4, ""), "half a body is none: {said:?}");
    let mute = StandIn::with(|stream, _| std::mem::forget(stream));
    let said = home.run(&["http", &mute.url("/"), "--timeout", "100ms"]);
    assert!(
        said.code == 4 && said.err.contains("it took too long") && said.err.contains("--timeout"),
        "{said:?}"
    );
    let said = home.run(&["http", "http://user:secret@127.0.0.1:1/"]);
    assert!(said.code == 4 && said.err.contains("hint: nobody listens there"), "{said:?}");
    assert!(!said.err.contains("secret"), "{said:?}");
    // The server is well; nobody is where the proxy should be.
    let well = json();
    let said = home.run(&["http", &well.url("/"), "--proxy", "http://user:secret@127.0.0.1:1"]);
    assert!(said.code == 4 && said.err.contains("by way of the proxy http://127.0.0.1:1"), "{said:?}");
    assert!(said.err.contains("hint: does the proxy run") && !said.err.contains("secret"), "{said:?}");
}

#[test]
fn a_busy_server_is_asked_again_unless_it_could_do_something_twice() {
    let home = Home::new();
    let times = AtomicUsize::new(0);
    let busy = StandIn::with(move |mut stream, _| {
        let answer: &[u8] = if times.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
        } else {
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"
        };
        let _ = stream.write_all(answer);
    });
    let said = home.run(&["http", &busy.url("/"), "--retries", "1"]);
    assert_eq!((said.code, said.out.as_str(), busy.asked()), (0, "done\n", 2), "{said:?}");
    assert!(said.err.starts_with("503 Service Unavailable; again in 0 ms\n200 OK"), "{said:?}");
    let said = home.run(&["http", &busy.url("/"), "--retries", "1", "-d", "a"]);
    assert_eq!((said.code, busy.asked()), (1, 3), "{said:?}");
}

#[test]
fn tinyproxy_is_gone_through_when_asked() {
    let home = Home::new();
    let (_proxy, port) = tinyproxy(&home);
    let server = json();
    let proxy = format!("http://127.0.0.1:{port}");
    let said = home.run(&["http", &server.url("/"), "--proxy", &proxy, "-i"]);
    assert!(said.code == 0 && said.out.contains("\nvia: 1.1 ") && said.out.contains("tinyproxy"), "{said:?}");
    let said = home.run(&["http", &server.url("/"), "--no-proxy", "-i"]);
    assert!(said.code == 0 && !said.out.contains("via:"), "{said:?}");
    let dead = StandIn::says("200 OK", "", "");
    let said = home.run(&["http", "http://127.0.0.1:1/", "--proxy", &proxy]);
    assert_eq!((said.code, dead.asked()), (1, 0), "tinyproxy says that it cannot: {said:?}");
}

/// Python's server with a certificate of openssl's, for these names and days.
fn tls_server(home: &Home, name: &str, days: &str) -> (Talking, u16) {
    let make = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            "/CN=x",
        ])
        .args(["-keyout", "key.pem", "-out", "cert.pem", "-days", days])
        .args([
            "-addext",
            &format!("subjectAltName=DNS:{name}"),
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .current_dir(home.path())
        .output()
        .unwrap_or_else(|e| panic!("cannot start openssl: {e}; cargo xtask setup installs it"));
    assert!(make.status.success(), "{}", String::from_utf8_lossy(&make.stderr));
    let program = "import http.server, ssl\n\
         class Quiet(http.server.BaseHTTPRequestHandler):\n\
         \x20   def do_GET(self):\n\
         \x20       self.send_response(200); self.send_header('Content-Length', '4')\n\
         \x20       self.end_headers(); self.wfile.write(b'safe')\n\
         \x20   def log_message(self, *args): pass\n\
         server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Quiet)\n\
         context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
         context.load_cert_chain('cert.pem', 'key.pem')\n\
         server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)\n\
         print(server.server_address[1], flush=True)\n\
         server.serve_forever()\n";
    let mut server = Talking::start(Command::new("python3").args(["-c", program]).current_dir(home.path()));
    let port = server.line().trim().parse().unwrap();
    (server, port)
}

#[test]
fn certificates_are_checked_and_what_is_wrong_is_told() {
    let home = Home::new();
    let (_server, port) = tls_server(&home, "safe.example", "30");
    let ask = |name: &str, more: &[&str]| {
        let (url, resolve) = (format!("https://{name}:{port}/"), format!("{name}:{port}:127.0.0.1"));
        home.run(&[&["http", &url, "--resolve", &resolve, "--no-proxy"], more].concat())
    };
    let said = ask("safe.example", &["--cacert", "cert.pem"]);
    assert_eq!((said.code, said.out.as_str()), (0, "safe\n"), "{said:?}");
    let said = ask("safe.example", &[]);
    assert!(said.code == 4 && said.err.contains("nobody who is trusted here has signed"), "{said:?}");
    assert!(said.err.contains("--cacert FILE"), "{said:?}");
    let said = ask("other.example", &["--cacert", "cert.pem"]);
    assert!(said.code == 4 && said.err.contains("the server's certificate is for another name"), "{said:?}");
    // As a web server without TLS does it.
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", plain.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut stream = plain.accept().unwrap().0;
        // Closing with the greeting unread would reset the connection.
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    });
    let said = home.run(&["http", &url]);
    assert!(
        said.code == 4 && said.err.contains("does the server speak TLS on this port at all?"),
        "{said:?}"
    );
}
