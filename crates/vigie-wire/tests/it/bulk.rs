//! Blocks in bulk. The speed is measured by hand only: `cargo test --release -p vigie-wire -- --ignored
//! --nocapture bulk`.

use crate::harness::Hub;
use bytes::Bytes;
use std::time::Instant;
use vigie_model::{Digest, StoredKind};
use vigie_wire::frame::BlockHead;
use vigie_wire::{AgentTls, BlockAssembler, Frame, FrameReader, FrameWriter, block_frames};

fn head(stored: &[u8]) -> BlockHead {
    let (raw_len, stored_len) = (stored.len() as u32, stored.len() as u32);
    BlockHead { digest: Digest::of_data(stored), kind: StoredKind::DATA, codec: 0, raw_len, stored_len }
}

async fn send(mut writer: FrameWriter, block: Bytes, count: usize) {
    let head = head(&block);
    for _ in 0..count {
        for frame in block_frames(head, block.clone()).unwrap() {
            writer.send(&frame).await.unwrap();
        }
    }
    writer.close().await.unwrap();
}

async fn receive(mut reader: FrameReader, expected: Bytes) -> usize {
    let mut assembler = BlockAssembler::new();
    let mut count = 0;
    while let Some(frame) = reader.next().await.unwrap() {
        let block = match frame {
            Frame::BlockStart(start) => assembler.start(start).unwrap(),
            Frame::BlockMore(piece) => assembler.more(&piece).unwrap(),
            other => panic!("{other:?}"),
        };
        if let Some(block) = block {
            assert_eq!(block.stored.len(), expected.len());
            count += 1;
        }
    }
    count
}

/// One way, between two tasks, over TLS on loopback.
async fn transfer(block_len: usize, count: usize) -> usize {
    let hub = Hub::start().await;
    let identity = hub.new_machine("web01").await;
    let listener = vigie_wire::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let tls = hub.tls.clone();
    let block = Bytes::from((0..block_len).map(|i| i as u8).collect::<Vec<_>>());
    let expected = block.clone();
    let receiver = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let (reader, _writer) = tls.accept(tcp).await.unwrap().split();
        receive(reader, expected).await
    });
    let agent = AgentTls::new(&identity, hub.clock.clone()).unwrap();
    let (_reader, writer) = agent.connect(&address).await.unwrap().split();
    send(writer, block, count).await;
    receiver.await.unwrap()
}

#[tokio::test]
async fn blocks_arrive_whole_and_all() {
    assert_eq!(transfer(200_000, 20).await, 20);
    assert_eq!(transfer(1, 20).await, 20);
    assert_eq!(transfer(0, 2).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a test"]
async fn bulk_speed() {
    for (len, count) in [(256 * 1024, 8192), (64 * 1024, 32768), (10_000, 200_000)] {
        let start = Instant::now();
        assert_eq!(transfer(len, count).await, count);
        let seconds = start.elapsed().as_secs_f64();
        println!("{len} byte blocks: {:.0} MB/s", (len * count) as f64 / 1e6 / seconds);
    }
}
