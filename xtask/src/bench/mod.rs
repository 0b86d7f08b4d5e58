//! `cargo xtask bench`: measures Vigie beside the tools that people would use instead, in the same run.
//!
//! In reading order: `mirror` the command · `bed` where it happens · `trees` what is transferred · `steps` what
//! is measured · `pair` a hub and an agent · `follow` the reader of `vigie log -f` · `peers` rsync, restic, lsyncd
//! and cp · `proxy` the counter of bytes · `running` a child process · `series` samples · `noise` the machine and how quiet
//! it is · `report` the table · `built` what is measured · `roles`, `ports`, `ssh`, `tools`,
//! `readers` the other benches.

mod bed;
mod built;
mod follow;
mod mirror;
mod noise;
mod pair;
mod peers;
pub(crate) mod ports;
mod proxy;
mod readers;
mod report;
pub(crate) mod roles;
mod running;
mod series;
mod ssh;
mod steps;
mod tools;
mod trees;

use anyhow::Result;

/// Measures beside the usual tools, in the same run.
#[derive(clap::Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Mirror(mirror::MirrorArgs),
    Roles(roles::RolesArgs),
    Ports(ports::PortsArgs),
    Ssh(ssh::SshArgs),
    Tools(tools::ToolsArgs),
    Readers(readers::ReadersArgs),
}

pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    match &args.what {
        What::Mirror(args) => mirror::run(args),
        What::Roles(args) => roles::run(args),
        What::Ports(args) => ports::run(args),
        What::Ssh(args) => ssh::run(args),
        What::Tools(args) => tools::run(args),
        What::Readers(args) => readers::run(args),
    }
}
