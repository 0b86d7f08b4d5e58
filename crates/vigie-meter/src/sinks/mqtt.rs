//! MQTT, with Home Assistant's discovery.
//!
//! | topic | retained | says |
//! |---|---|---|
//! | `vigie/meter/METER` | no | each frame, as the JSON of `vigie meter --json` |
//! | `vigie/meter/status/CLIENT` | yes | `online`, or `offline` (also as last will) |
//! | `homeassistant/sensor/vigie_METER/LABEL/config` | yes | what Home Assistant needs to know of a label |

use super::delivery::{Sink, SinkError};
use super::secret::Secret;
use crate::limits;
use crate::tic::{Kind, Label, Mode, Unit, find_label};
use async_trait::async_trait;
use rumqttc::{AsyncClient, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, QoS};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

/// Where Home Assistant says that it has begun anew.
const BIRTH: &str = "homeassistant/status";

/// Home Assistant shows a value as unknown when none came for so long, in seconds.
const EXPIRE_SECONDS: u32 = 120;

/// A broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    host: String,
    port: u16,
}

/// Why a URL names no broker.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a broker: mqtt://HOST, or mqtt://HOST:1883 (user and password go into a file)")]
pub struct BadBroker(String);

impl std::str::FromStr for Broker {
    type Err = BadBroker;

    fn from_str(text: &str) -> Result<Self, BadBroker> {
        let bad = || BadBroker(text.to_owned());
        let uri: hyper::Uri = text.parse().map_err(|_| bad())?;
        let authority = uri.authority().ok_or_else(bad)?;
        let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        if uri.scheme_str() != Some("mqtt") || !is_bare || authority.as_str().contains('@') {
            return Err(bad());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Ok(Broker { host, port: authority.port_u16().unwrap_or(1883) })
    }
}

/// A broker, and what it was told.
#[derive(Debug)]
pub struct Mqtt {
    broker: Broker,
    options: MqttOptions,
    status_topic: String,
    connection: Connection,
    /// Whether a message is on its way whose fate is not known.
    in_doubt: bool,
    /// Which labels of which meters were announced, and in which life of link and Home Assistant.
    announced: HashSet<(String, String)>,
    announced_in: u64,
}

/// A connection that comes back by itself.
#[derive(Debug)]
struct Connection {
    client: AsyncClient,
    acks: mpsc::Receiver<()>,
    link: watch::Receiver<Link>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Clone, Debug, Default)]
struct Link {
    is_up: bool,
    /// Grows whenever everything must be announced anew.
    life: u64,
    trouble: String,
}

impl Connection {
    fn start(options: MqttOptions, status_topic: &str) -> Self {
        let (client, events) = AsyncClient::new(options, limits::MQTT_QUEUE);
        let (ack, acks) = mpsc::channel(limits::MQTT_QUEUE);
        let (link, seen) = watch::channel(Link::default());
        let greeting = Greeting { client: client.clone(), status_topic: status_topic.to_owned() };
        let task = tokio::spawn(drive(events, greeting, ack, link));
        Connection { client, acks, link: seen, _task: AbortOnDropHandle::new(task) }
    }
}

impl Mqtt {
    /// Begins to connect; `client` is this program's name at the broker, unique there.
    #[must_use]
    pub fn start(broker: Broker, client: &str, secret: Option<&Secret>) -> Self {
        let client_id: String =
            client.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        let mut options = MqttOptions::new(format!("vigie-{client_id}"), &broker.host, broker.port);
        options.set_keep_alive(Duration::from_secs(15)).set_clean_session(true);
        options.set_max_packet_size(limits::ANSWER_BYTES, limits::MQTT_BYTES);
        let status_topic = format!("vigie/meter/status/{client_id}");
        options.set_last_will(LastWill::new(&status_topic, "offline", QoS::AtLeastOnce, true));
        match secret {
            Some(Secret::Login { user, password }) => {
                options.set_credentials(user, password);
            }
            Some(Secret::Token(token)) => {
                options.set_credentials("token", token);
            }
            None => {}
        }
        let connection = Connection::start(options.clone(), &status_topic);
        Mqtt {
            broker,
            options,
            status_topic,
            connection,
            in_doubt: false,
            announced: HashSet::new(),
            announced_in: 0,
        }
    }

    async fn connected(&mut self) -> Result<u64, SinkError> {
        if std::mem::take(&mut self.in_doubt) {
            // A late answer to what was given up must not be taken for one to what follows.
            self.connection = Connection::start(self.options.clone(), &self.status_topic);
            self.announced.clear();
        }
        let link = &mut self.connection.link;
        let waited = tokio::time::timeout(limits::MQTT_CONNECT, link.wait_for(|link| link.is_up)).await;
        let life = waited.ok().and_then(Result::ok).map(|link| link.life);
        life.ok_or_else(|| SinkError::Later(self.connection.link.borrow().trouble.clone()))
    }

    /// Publishes, and waits until the broker has it.
    async fn publish(&mut self, topic: &str, retain: bool, payload: Vec<u8>) -> Result<(), SinkError> {
        let gone = || SinkError::Later("the connection has ended".to_owned());
        let Connection { client, acks, link, .. } = &mut self.connection;
        self.in_doubt = true;
        client.publish(topic, QoS::AtLeastOnce, retain, payload).await.map_err(|_| gone())?;
        tokio::select! {
            ack = acks.recv() => ack.ok_or_else(gone)?,
            down = link.wait_for(|link| !link.is_up) => {
                return Err(down.map_or_else(|_| gone(), |link| SinkError::Later(link.trouble.clone())));
            }
        }
        self.in_doubt = false;
        Ok(())
    }

    async fn announce(&mut self, frame: &Value, meter: &str, life: u64) -> Result<(), SinkError> {
        if self.announced_in != life {
            self.announced.clear();
            self.announced_in = life;
        }
        let mode = if frame["mode"] == "standard" { Mode::Standard } else { Mode::Historic };
        let Some(values) = frame["values"].as_object() else { return Ok(()) };
        for name in values.keys() {
            let key = (meter.to_owned(), name.clone());
            let Some(label) = find_label(mode, name) else { continue };
            if self.announced.contains(&key) {
                continue;
            }
            if let Some(config) = discovery(meter, label, &self.status_topic) {
                let topic = format!("homeassistant/sensor/vigie_{meter}/{}/config", object_id(name));
                self.publish(&topic, true, config.to_string().into_bytes()).await?;
            }
            self.announced.insert(key);
        }
        Ok(())
    }
}

/// What Home Assistant calls an object: letters, digits, `_` and `-`.
fn object_id(label: &str) -> String {
    label.replace('+', "_plus_")
}

/// What Home Assistant needs to know of a label; none for what is no value to show.
fn discovery(meter: &str, label: &Label, status_topic: &str) -> Option<Value> {
    let (class, state, unit) = match label.kind {
        Kind::Counter(Unit::Wh) => (Some("energy"), Some("total_increasing"), Some("Wh")),
        Kind::Counter(_) => (None, Some("total_increasing"), Some("varh")),
        Kind::Number { unit, .. } => match unit {
            Unit::Va => (Some("apparent_power"), Some("measurement"), Some("VA")),
            Unit::W => (Some("power"), Some("measurement"), Some("W")),
            Unit::A => (Some("current"), Some("measurement"), Some("A")),
            Unit::V => (Some("voltage"), Some("measurement"), Some("V")),
            Unit::Kva => (None, None, Some("kVA")),
            _ => (None, None, None),
        },
        Kind::Identifier(_) | Kind::Time => return None,
        Kind::Word(_) | Kind::Code(_) | Kind::Text(_) | Kind::Status => (None, None, None),
    };
    let name = label.name;
    let mut config = json!({
        "name": format!("{} ({name})", label.meaning),
        "unique_id": format!("vigie_{meter}_{}", object_id(name)),
        "state_topic": topic_of(meter),
        "value_template": format!(
            "{{{{ value_json['values']['{name}']['value'] if '{name}' in value_json['values'] else this.state }}}}"
        ),
        "availability_topic": status_topic,
        "expire_after": EXPIRE_SECONDS,
        "device": {
            "identifiers": [format!("vigie_{meter}")],
            "name": format!("Electricity meter {meter}"),
            "manufacturer": "Enedis",
        },
    });
    for (key, value) in [("device_class", class), ("state_class", state), ("unit_of_measurement", unit)] {
        if let Some(value) = value {
            config[key] = value.into();
        }
    }
    Some(config)
}

fn topic_of(meter: &str) -> String {
    format!("vigie/meter/{meter}")
}

#[async_trait]
impl Sink for Mqtt {
    fn name(&self) -> String {
        format!("MQTT broker on {}:{}", self.broker.host, self.broker.port)
    }

    fn batch(&self) -> usize {
        limits::MQTT_BATCH
    }

    async fn send(&mut self, records: &[Vec<u8>]) -> Result<(), SinkError> {
        let life = self.connected().await?;
        for record in records {
            let frame: Value =
                serde_json::from_slice(record).map_err(|error| SinkError::Never(error.to_string()))?;
            // A frame whose meter was lost with its group cannot be told from another's.
            let meter = frame["meter"].as_str().unwrap_or("unknown").to_owned();
            self.announce(&frame, &meter, life).await?;
            self.publish(&topic_of(&meter), false, record.clone()).await?;
        }
        Ok(())
    }

    async fn close(&mut self) {
        if self.connection.link.borrow().is_up && !self.in_doubt {
            let topic = self.status_topic.clone();
            // Without this, the broker would say it for us a little later.
            let _ = self.publish(&topic, true, b"offline".to_vec()).await;
            let _ = self.connection.client.disconnect().await;
            let _ = self.connection.link.wait_for(|link| !link.is_up).await;
        }
    }
}

/// What is said at the start of each connection.
struct Greeting {
    client: AsyncClient,
    status_topic: String,
}

impl Greeting {
    fn say(&self) {
        // The queue is empty at the start of a connection, or the next one says it.
        let _ = self.client.try_publish(&self.status_topic, QoS::AtMostOnce, true, "online");
        let _ = self.client.try_subscribe(BIRTH, QoS::AtMostOnce);
    }
}

/// Keeps the connection, for ever.
async fn drive(mut events: EventLoop, greeting: Greeting, ack: mpsc::Sender<()>, link: watch::Sender<Link>) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                greeting.say();
                link.send_modify(|link| (link.is_up, link.life) = (true, link.life + 1));
            }
            // With no room, nobody waits for it.
            Ok(Event::Incoming(Packet::PubAck(_))) => drop(ack.try_send(())),
            Ok(Event::Incoming(Packet::Publish(publish)))
                if publish.topic == BIRTH && publish.payload == b"online"[..] =>
            {
                link.send_modify(|link| link.life += 1);
            }
            Ok(Event::Outgoing(Outgoing::Disconnect)) => link.send_modify(|link| link.is_up = false),
            Ok(_) => {}
            Err(error) => {
                // What was under way is sent again by whoever waits for it, on a connection of its own.
                events.clean();
                events.pending.clear();
                link.send_modify(|link| (link.is_up, link.trouble) = (false, error.to_string()));
                tokio::time::sleep(limits::RETRY.0).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_named_without_a_password() {
        let broker = |host: &str, port| Broker { host: host.into(), port };
        assert_eq!("mqtt://localhost".parse::<Broker>().unwrap(), broker("localhost", 1883));
        assert_eq!("mqtt://[::1]:1884/".parse::<Broker>().unwrap(), broker("::1", 1884));
        for text in ["", "localhost", "mqtts://h", "mqtt://u:p@h", "mqtt://h/topic", "http://h"] {
            assert!(text.parse::<Broker>().is_err(), "{text}");
        }
    }

    #[test]
    fn two_meters_never_share_an_id() {
        let label = find_label(Mode::Historic, "HCHP").unwrap();
        let one = discovery("aaa", label, "s").unwrap();
        let other = discovery("bbb", label, "s").unwrap();
        assert_eq!(one["unique_id"], "vigie_aaa_HCHP");
        assert_ne!(one["unique_id"], other["unique_id"]);
        assert_eq!(
            (&one["device_class"], &one["state_class"]),
            (&json!("energy"), &json!("total_increasing"))
        );
        assert_eq!(one["unit_of_measurement"], "Wh");
        assert_eq!(discovery("aaa", find_label(Mode::Historic, "ADCO").unwrap(), "s"), None);
    }
}
