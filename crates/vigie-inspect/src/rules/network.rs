//! Whom it talks to, and who may talk to it.

use super::{Call, Notes};
use crate::report::{Topic, Weight};
use tree_sitter::Node;

/// Constructors and functions that connect: path, places and names of host and port, usual port.
const HOST_PORT: &[(&str, &str, &str)] = &[
    ("influxdb.InfluxDBClient", "host", "port"),
    ("smtplib.SMTP", "host", "port"),
    ("smtplib.SMTP_SSL", "host", "port"),
    ("ftplib.FTP", "host", "port"),
    ("imaplib.IMAP4_SSL", "host", "port"),
    ("telnetlib.Telnet", "host", "port"),
    ("http.client.HTTPConnection", "host", "port"),
    ("http.client.HTTPSConnection", "host", "port"),
    ("redis.Redis", "host", "port"),
    ("paramiko.SSHClient.connect", "hostname", "port"),
    ("paho.mqtt.client.Client.connect", "host", "port"),
    ("pymysql.connect", "host", "port"),
    ("MySQLdb.connect", "host", "port"),
    ("psycopg2.connect", "host", "port"),
];

const URL_PREFIXES: &[&str] = &["requests.", "httpx.", "urllib.request.", "urllib2.", "aiohttp."];
const URL_FUNCTIONS: &[&str] =
    &["get", "post", "put", "delete", "head", "patch", "request", "urlopen", "urlretrieve", "Request"];

pub(super) fn look(notes: &mut Notes<'_, '_>, call: &Call<'_>) {
    let path = call.path.as_str();
    if let Some((_, host, port)) = HOST_PORT.iter().find(|known| known.0 == path) {
        host_port(notes, call, host, port);
    }
    if is_url_call(path) {
        url(notes, call);
    }
    match path {
        "socket.socket.connect" | "socket.create_connection" | "socket.socket.connect_ex" => {
            address(notes, call, "connect", "connects to");
        }
        "socket.socket.sendto" => {
            let to = call.arguments.plain.last().map_or_else(|| "?".to_owned(), |to| notes.show(*to));
            notes.add(
                call.node,
                Topic::Network,
                Weight::Note,
                "datagram",
                format!("sends datagrams to {to}"),
            );
        }
        "socket.socket.bind"
        | "http.server.HTTPServer"
        | "socketserver.TCPServer"
        | "socketserver.UDPServer"
        | "socketserver.ThreadingTCPServer"
        | "http.server.ThreadingHTTPServer" => {
            address(notes, call, "listen", "listens on");
        }
        "ssl._create_unverified_context" => insecure(notes, call.node, "takes any certificate"),
        _ => {}
    }
    let is_unverified = call.arguments.named.iter().any(|(name, value)| {
        matches!(name.as_str(), "verify" | "verify_ssl") && notes.script.of(*value) == "False"
    });
    if is_unverified && (is_url_call(path) || path.contains("lient")) {
        insecure(notes, call.node, "takes any certificate (verify=False)");
    }
}

fn is_url_call(path: &str) -> bool {
    let is_known = URL_PREFIXES.iter().any(|prefix| path.starts_with(prefix));
    is_known && path.rsplit('.').next().is_some_and(|last| URL_FUNCTIONS.contains(&last))
}

fn insecure(notes: &mut Notes<'_, '_>, node: Node<'_>, text: &str) {
    notes.add(
        node,
        Topic::Network,
        Weight::Look,
        "unverified-tls",
        format!("{text}: anybody on the way can answer"),
    );
}

fn host_port(notes: &mut Notes<'_, '_>, call: &Call<'_>, host: &str, port: &str) {
    let show =
        |notes: &Notes<'_, '_>, place, name: &str| call.arguments.get(place, name).map(|a| notes.show(a));
    let host = show(notes, 0, host).unwrap_or_else(|| "its default host".to_owned());
    let port = show(notes, 1, port).map(|port| format!(":{port}")).unwrap_or_default();
    let has_login = call.arguments.plain.len() > 2
        || ["username", "user", "password", "passwd", "token"].iter().any(|name| call.arguments.has(name));
    let without =
        if call.path == "influxdb.InfluxDBClient" && !has_login { ", without a password" } else { "" };
    let what = call.path.rsplit('.').next().unwrap_or_default();
    let text = format!("connects to {host}{port} ({what}{without})");
    notes.add(call.node, Topic::Network, Weight::Note, "connect", text);
    timeout(notes, call);
}

fn url(notes: &mut Notes<'_, '_>, call: &Call<'_>) {
    let place = usize::from(call.path.ends_with(".request"));
    let Some(url) = call.arguments.get(place, "url") else { return };
    let shown = notes.show(url);
    notes.add(call.node, Topic::Network, Weight::Note, "http", format!("asks {shown}"));
    if !call.path.ends_with(".Request") {
        timeout(notes, call);
    }
}

fn timeout(notes: &mut Notes<'_, '_>, call: &Call<'_>) {
    // A URL opener takes it at the third place.
    let has =
        call.arguments.has("timeout") || (call.path.ends_with("urlopen") && call.arguments.plain.len() > 2);
    let waits_for_ever = ["requests.", "urllib", "influxdb.", "http.client.", "smtplib.", "ftplib."];
    if !has && waits_for_ever.iter().any(|prefix| call.path.starts_with(prefix)) {
        let text = "has no timeout: a peer that stays silent holds it up for ever".to_owned();
        notes.add(call.node, Topic::Reliability, Weight::Look, "no-timeout", text);
    }
}

fn address(notes: &mut Notes<'_, '_>, call: &Call<'_>, rule: &'static str, verb: &str) {
    let Some(address) = call.arguments.plain.first() else { return };
    let shown = notes.show(*address).replace(' ', ":");
    notes.add(call.node, Topic::Network, Weight::Note, rule, format!("{verb} {shown}"));
    let port = address.named_child(1).and_then(|port| notes.script.fold(port)?.parse::<u16>().ok());
    if rule == "listen"
        && let Some(port) = port.filter(|port| (1..1024).contains(port))
    {
        notes.need(format!("root or CAP_NET_BIND_SERVICE, for port {port}"));
    }
}
