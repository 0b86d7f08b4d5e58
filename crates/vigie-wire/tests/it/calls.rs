//! Calls over a link in memory, with a loop at each end as a session has it.

use bytes::Bytes;
use std::time::Duration;
use tokio::task::JoinHandle;
use vigie_model::MachineId;
use vigie_wire::frame::Request;
use vigie_wire::limits::{CALL_BODY_BYTES_MAX, CALLS_MAX, REQUESTS_BYTES_MAX};
use vigie_wire::{Caller, Calls, Cut, FailureCode, Frame, IncomingCall, Link, Peer, memory_pair};

const LONG: Duration = Duration::from_secs(60);
const HUB: Peer = Peer::Hub { hub: MachineId([0; 16]) };

/// Runs one end: every incoming call goes to `answer`.
fn run<A, F>(link: Link, answer: A) -> (Caller, JoinHandle<()>)
where
    A: Fn(IncomingCall) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut calls = Calls::new();
    let caller = calls.caller();
    let task = tokio::spawn(async move {
        let (mut reader, mut writer) = link.split();
        loop {
            tokio::select! {
                frame = reader.next() => match frame {
                    Ok(Some(frame)) => match calls.take(frame) {
                        Ok(Some(call)) => {
                            tokio::spawn(answer(call));
                        }
                        Ok(None) => {}
                        Err(other) => panic!("{other:?} came, and nobody sends that here"),
                    },
                    _ => return,
                },
                frame = calls.next_frame() => {
                    if writer.send(&frame).await.is_err() || writer.flush().await.is_err() {
                        return;
                    }
                }
            }
        }
    });
    (caller, task)
}

async fn echo(mut call: IncomingCall) {
    let body = call.body().clone();
    match call.capability() {
        "echo" => call.finish(body).await.unwrap(),
        "thrice" => {
            call.part(body.clone()).await.unwrap();
            call.part(body.clone()).await.unwrap();
            call.finish(body).await.unwrap();
        }
        "flood" => {
            let part = Bytes::from(vec![1; 1 << 20]);
            for _ in 0..64 {
                if call.part(part.clone()).await.is_err() {
                    return;
                }
            }
            call.finish(Bytes::new()).await.unwrap();
        }
        "wait" => drop(call.gone().await),
        "drop" => {}
        _ => call.unknown().await,
    }
}

fn pair() -> (Caller, Caller, Cut) {
    let (a, b, cut) = memory_pair(HUB, Peer::Unenrolled);
    let ((a, _), (b, _)) = (run(a, echo), run(b, echo));
    (a, b, cut)
}

#[tokio::test]
async fn calls_go_both_ways_at_once() {
    let (a, b, _cut) = pair();
    let ask = |caller: &Caller, what: &'static str| {
        let caller = caller.clone();
        async move { caller.call(what, Bytes::from_static(b"abc"), LONG, 100).await }
    };
    let (one, two) = tokio::join!(ask(&a, "echo"), ask(&b, "thrice"));
    assert_eq!(one.unwrap(), "abc");
    assert_eq!(two.unwrap(), "abcabcabc");
}

#[tokio::test]
async fn every_failure_has_its_code() {
    let (a, _b, _cut) = pair();
    let fails = async |what: &str, limit| a.call(what, Bytes::new(), limit, 100).await.unwrap_err().code;
    assert_eq!(fails("no-such-thing", LONG).await, FailureCode::UnknownCapability);
    assert_eq!(fails("drop", LONG).await, FailureCode::Failed);
    assert_eq!(fails("wait", Duration::from_millis(20)).await, FailureCode::Deadline);
    assert_eq!(fails("flood", LONG).await, FailureCode::Failed, "an answer beyond the asker's limit");
}

#[tokio::test]
async fn whoever_stops_because_the_time_is_over_says_so() {
    let mut calls = Calls::new();
    let (capability, body) = ("wait".into(), Bytes::new());
    let request = Request { id: 1, capability, deadline: Duration::from_millis(1), window: 4 << 20, body };
    let call = calls.take(Frame::Request(request)).unwrap().unwrap();
    // The asker's clock runs a little behind: it has not cancelled.
    echo(call).await;
    let Frame::Reply(reply) = calls.next_frame().await else { panic!("there is no answer") };
    assert_eq!(reply.result.unwrap_err().code, FailureCode::Deadline);
}

#[tokio::test]
async fn a_slow_reader_stops_only_its_own_answer() {
    let (a, _b, _cut) = pair();
    let mut flood = a.request("flood", Bytes::new(), LONG).unwrap();
    assert!(flood.next().await.unwrap().is_ok());
    // Nobody reads the flood, and the link is not blocked by it.
    assert_eq!(a.call("echo", Bytes::from_static(b"x"), LONG, 10).await.unwrap(), "x");
    let mut total = 1;
    while let Some(part) = flood.next().await {
        assert_eq!(part.unwrap().len(), 1 << 20);
        total += 1;
    }
    assert_eq!(total, 64);
}

#[tokio::test]
async fn dropping_the_stream_cancels_the_call_there() {
    let (a, b, _cut) = memory_pair(HUB, Peer::Unenrolled);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let (a, _) = run(a, echo);
    let _b = run(b, move |call| {
        let tell = tell.clone();
        async move {
            tell.send("begun").unwrap();
            call.gone().await;
            tell.send("gone").unwrap();
        }
    });
    let stream = a.request("anything", Bytes::new(), LONG).unwrap();
    assert_eq!(told.recv().await, Some("begun"));
    drop(stream);
    assert_eq!(told.recv().await, Some("gone"));
}

#[tokio::test]
async fn a_call_given_up_before_it_was_sent_leaves_nothing_behind() {
    let mut calls = Calls::new();
    let caller = calls.caller();
    drop(caller.request("anything", Bytes::new(), LONG).unwrap());
    let kept = caller.request("else", Bytes::new(), LONG).unwrap();
    match calls.next_frame().await {
        Frame::Request(request) => assert_eq!(request.capability, "else"),
        other => panic!("{other:?}"),
    }
    drop(kept);
    assert_eq!(calls.next_frame().await, Frame::Cancel { id: 1 });
    assert_eq!(calls.under_way(), (0, 0));
}

#[test]
fn a_frame_of_no_call_is_handed_back() {
    let mut calls = Calls::new();
    let frame = Frame::Ping { token: 7 };
    assert_eq!(calls.take(frame.clone()).unwrap_err(), frame);
    for of_a_call_that_is_over in [Frame::Cancel { id: 1 }, Frame::Grant { id: 1, bytes: 2 }] {
        assert!(calls.take(of_a_call_that_is_over).unwrap().is_none());
    }
}

#[tokio::test]
async fn a_cut_link_fails_every_call() {
    let (a, _b, cut) = pair();
    let mut stream = a.request("wait", Bytes::new(), LONG).unwrap();
    cut.cut();
    assert_eq!(stream.next().await.unwrap().unwrap_err().code, FailureCode::LinkLost);
    assert!(stream.next().await.is_none());
    assert_eq!(a.request("echo", Bytes::new(), LONG).unwrap_err().code, FailureCode::LinkLost);
}

#[tokio::test]
async fn too_many_calls_are_refused_on_both_sides() {
    let (a, _b, _cut) = pair();
    let held: Vec<_> = (0..CALLS_MAX).map(|_| a.request("wait", Bytes::new(), LONG).unwrap()).collect();
    assert_eq!(a.request("echo", Bytes::new(), LONG).unwrap_err().code, FailureCode::Busy);
    drop(held);
    assert!(a.request("echo", Bytes::new(), LONG).is_ok());

    let mut calls = Calls::new();
    let request = |id| {
        let (capability, body) = ("x".into(), Bytes::new());
        Frame::Request(Request { id, capability, deadline: LONG, window: 4 << 20, body })
    };
    let taken: Vec<_> =
        (0..CALLS_MAX as u64).map(|id| calls.take(request(id)).unwrap().expect("it is let in")).collect();
    assert!(calls.take(request(999)).unwrap().is_none());
    assert!(calls.take(request(0)).unwrap().is_none(), "an id is under way twice");
    for code in [FailureCode::Busy, FailureCode::Malformed] {
        match calls.next_frame().await {
            Frame::Reply(reply) => assert_eq!(reply.result.unwrap_err().code, code),
            other => panic!("{other:?}"),
        }
    }
    drop(taken);
    assert_eq!(calls.under_way(), (0, 0));
}

#[tokio::test]
async fn requests_that_wait_are_bounded_in_bytes() {
    let mut calls = Calls::new();
    let request = |id, len| {
        let (capability, body) = ("x".into(), Bytes::from(vec![0; len]));
        Frame::Request(Request { id, capability, deadline: LONG, window: 4 << 20, body })
    };
    let count = (REQUESTS_BYTES_MAX / CALL_BODY_BYTES_MAX) as u64;
    let mut taken: Vec<_> =
        (0..count).map(|id| calls.take(request(id, CALL_BODY_BYTES_MAX)).unwrap().unwrap()).collect();
    assert!(calls.take(request(count, 1)).unwrap().is_none());
    let Frame::Reply(reply) = calls.next_frame().await else { panic!("it is not refused") };
    assert_eq!(reply.result.unwrap_err().code, FailureCode::Busy);
    assert!(calls.take(request(count, 0)).unwrap().is_some(), "one without a body is no burden");
    taken.pop();
    assert!(calls.take(request(count + 1, CALL_BODY_BYTES_MAX)).unwrap().is_some());
}
