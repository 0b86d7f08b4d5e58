//! Compiles `proto/vigie.proto` with a compiler written in Rust: no `protoc` is needed to build Vigie.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/vigie.proto");
    let descriptors = protox::compile(["proto/vigie.proto"], ["proto"])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
