//! Servers that do not behave, where no real one can be made to: small ones of our own, and ways to a real one that fail.

use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey, run_stream,
};
use russh::{Channel, ChannelId, Disconnect};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

/// A listener on all addresses that does this with everybody.
pub(crate) fn listener(act: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || listener.incoming().flatten().for_each(act));
    port
}

/// A listener that takes no connection: its queue is full, and the kernel drops who knocks, as if the machine were off.
pub(crate) struct Dead {
    listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Dead {
    pub(crate) fn new() -> Dead {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        // `listen(2)` with 0 still lets one wait.
        let queue = vec![TcpStream::connect(("127.0.0.1", port)).unwrap()];
        Dead { listener, _queue: queue }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }
}

/// A way to a server that passes everything until a file is there, and then nothing, without a word.
pub(crate) fn gagged(server: SocketAddr, gag: &Path) -> u16 {
    let gag = gag.to_owned();
    listener(move |stream| {
        let there = TcpStream::connect(server).unwrap();
        for (from, to) in [(&stream, &there), (&there, &stream)] {
            let (from, to, gag) = (from.try_clone().unwrap(), to.try_clone().unwrap(), gag.clone());
            thread::spawn(move || pass(from, to, &gag));
        }
    })
}

fn pass(mut from: TcpStream, mut to: TcpStream, gag: &Path) {
    let mut piece = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        if !gag.exists() && to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    // The end, too, passes only while anything does.
    if !gag.exists() {
        let _ = to.shutdown(Shutdown::Write);
    }
}

/// A way to a server on which, after so many bytes of what the server says, comes garbage.
pub(crate) fn garbled(server: SocketAddr, after: usize) -> u16 {
    listener(move |mut stream| {
        let there = TcpStream::connect(server).unwrap();
        let (mut mine, mut theirs) = (stream.try_clone().unwrap(), there.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut mine, &mut theirs));
        thread::spawn(move || {
            // Whoever hangs up has heard enough.
            let _ = std::io::copy(&mut there.take(after as u64), &mut stream);
            let _ = stream.write_all(&[0x5a; 64 * 1024]);
        });
    })
}

/// What a server of our own does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It never says whether we are let in.
    NeverLetsIn,
    /// It never answers the request for a session.
    NeverOpens,
    /// It never answers the request to run a command.
    NeverAnswers,
    /// It closes the session of a running command without telling how that ended.
    ClosesWithoutStatus,
    /// It says goodbye while a command runs.
    LeavesInTheMiddle,
}

/// A server of our own, which runs nothing.
pub(crate) struct Pretender {
    /// It ends with this.
    _runtime: tokio::runtime::Runtime,
    pub(crate) port: u16,
}

impl Pretender {
    /// With the host key in a file.
    pub(crate) fn start(manner: Manner, key: &Path) -> Pretender {
        let key = russh::keys::load_secret_key(key, None).unwrap();
        let config = Arc::new(Config { keys: vec![key], ..Config::default() });
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("0.0.0.0:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let client = Client { manner, unanswered: Vec::new() };
                if let Ok(session) = run_stream(Arc::clone(&config), stream, client).await {
                    tokio::spawn(session);
                }
            }
        });
        Pretender { _runtime: runtime, port }
    }
}

struct Client {
    manner: Manner,
    /// Dropping one would answer it.
    unanswered: Vec<ChannelOpenHandle>,
}

impl Handler for Client {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, _: &str, _: PublicKeyOffer<'_>) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        if self.manner == Manner::NeverLetsIn {
            std::future::pending::<()>().await;
        }
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        match self.manner {
            Manner::NeverOpens => self.unanswered.push(reply),
            _ => reply.accept().await,
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        if self.manner == Manner::NeverAnswers {
            return Ok(());
        }
        session.channel_success(channel)?;
        session.data(channel, "so far\n")?;
        match self.manner {
            Manner::LeavesInTheMiddle => session.disconnect(Disconnect::ByApplication, "goodbye", ""),
            _ => session.close(channel),
        }
    }
}
