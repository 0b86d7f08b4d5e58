//! Lines that are pseudo-terminals: found, busy, absent, unplugged, silent, noisy.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use vigie_meter::simulate::{Pty, dress};
use vigie_meter::tic::{Frame, Mode, Parity, Ways, samples};
use vigie_meter::{Device, DeviceError, LineConfig, News, listen};

type Listening = JoinHandle<Result<(), DeviceError>>;

/// Begins to listen, and hands out the news.
fn hear(path: &Path, wait: bool) -> (mpsc::UnboundedReceiver<News>, Listening) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let config = LineConfig { path: path.to_owned(), ways: Ways::default(), wait };
    let task = tokio::spawn(listen(config, move |news, _| sender.send(news).is_ok()));
    (receiver, task)
}

async fn frame(news: &mut mpsc::UnboundedReceiver<News>) -> Frame {
    loop {
        if let News::Frame(frame) = news.recv().await.unwrap() {
            return frame;
        }
    }
}

async fn until(news: &mut mpsc::UnboundedReceiver<News>, mut wanted: impl FnMut(&News) -> bool) -> News {
    loop {
        let next = news.recv().await.unwrap();
        if wanted(&next) {
            return next;
        }
    }
}

fn dressed(bytes: &[u8]) -> Vec<u8> {
    dress(bytes, Parity::Even, 0, &mut 0)
}

#[tokio::test]
async fn both_modes_are_read_from_a_pseudo_terminal() {
    for (mode, bytes) in [(Mode::Historic, samples::historic()), (Mode::Standard, samples::standard())] {
        let pty = Pty::open().unwrap();
        let (mut news, _task) = hear(pty.path(), false);
        until(&mut news, |news| *news == News::Opened).await;
        pty.send(&dressed(&bytes)).unwrap();
        until(&mut news, |news| *news == News::Found(mode, Parity::Even)).await;
        let frame = frame(&mut news).await;
        assert!(frame.is_whole && frame.mode == mode, "{frame:?}");
    }
}

#[tokio::test]
async fn a_line_that_another_has_is_busy_and_an_absent_one_is_absent() {
    let pty = Pty::open().unwrap();
    let first = Device::open(pty.path(), Mode::Historic).unwrap();
    let second = Device::open(pty.path(), Mode::Historic).unwrap_err();
    assert!(matches!(second, DeviceError::Busy { .. }), "{second}");
    drop(first);
    assert!(Device::open(pty.path(), Mode::Historic).is_ok());
    assert!(Device::open(Path::new("/dev/no such line"), Mode::Historic).unwrap_err().is_absent());
    let null = Device::open(Path::new("/dev/null"), Mode::Historic).unwrap_err();
    assert!(matches!(null, DeviceError::NoLine { .. }));
}

#[tokio::test]
async fn a_plug_that_is_pulled_in_mid_frame_and_put_back_costs_that_frame_only() {
    let dir = tempfile::tempdir().unwrap();
    let link: PathBuf = dir.path().join("linky");
    let pty = Pty::open().unwrap();
    symlink(pty.path(), &link).unwrap();
    let (mut news, task) = hear(&link, false);
    until(&mut news, |news| *news == News::Opened).await;
    let bytes = dressed(&samples::historic());
    pty.send(&bytes).unwrap();
    assert!(frame(&mut news).await.is_whole);
    pty.send(&bytes[..70]).unwrap();
    std::fs::remove_file(&link).unwrap();
    drop(pty);
    assert!(matches!(until(&mut news, |news| matches!(news, News::Gone(_))).await, News::Gone(_)));
    until(&mut news, |news| matches!(news, News::Absent(_))).await;
    let back = Pty::open().unwrap();
    symlink(back.path(), &link).unwrap();
    until(&mut news, |news| *news == News::Opened).await;
    back.send(&bytes).unwrap();
    let again = frame(&mut news).await;
    assert!(again.is_whole, "{again:?}");
    assert!(!task.is_finished());
}

#[tokio::test]
async fn a_device_may_come_later_when_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("linky");
    let (_, refused) = hear(&link, false);
    assert!(refused.await.unwrap().unwrap_err().is_absent());
    let (mut news, _task) = hear(&link, true);
    until(&mut news, |news| matches!(news, News::Absent(_))).await;
    let pty = Pty::open().unwrap();
    symlink(pty.path(), &link).unwrap();
    until(&mut news, |news| *news == News::Opened).await;
}

#[tokio::test(start_paused = true)]
async fn silence_is_told() {
    let pty = Pty::open().unwrap();
    let (mut news, _task) = hear(pty.path(), false);
    let silent = until(&mut news, |news| matches!(news, News::Silent { .. })).await;
    assert!(matches!(silent, News::Silent { bytes: 0, .. }), "{silent:?}");
}

#[tokio::test]
async fn a_recording_is_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("frames");
    std::fs::write(&file, [samples::historic(), samples::historic()].concat()).unwrap();
    let (mut news, task) = hear(&file, false);
    assert!(frame(&mut news).await.is_whole && frame(&mut news).await.is_whole);
    assert_eq!(news.recv().await, Some(News::End));
    task.await.unwrap().unwrap();
}
