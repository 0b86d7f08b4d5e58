//! What to look at: the words of the command line as targets and ports.

use super::PortsArgs;
use crate::failure::Failure;
use crate::output::Output;
use std::fs::File;
use std::io;
use std::path::Path;
use vigie_ports::likely::{Source, likeliest};
use vigie_ports::ports::PortSet;
use vigie_ports::services::{NmapServices, Services};
use vigie_ports::targets::{Request, list, size};

/// Ports without any option.
const USUAL: usize = 1000;

/// What nmap's notation calls standard input.
const STDIN: &str = "-";

/// Targets, before names are resolved.
pub(super) fn targets(args: &PortsArgs) -> Result<Request, Failure> {
    let mut request = Request::default();
    for word in &args.targets {
        if word == STDIN {
            read_list(Path::new(STDIN), &mut request)?;
        } else {
            request.add(word).map_err(|e| Failure::of(&e).into_usage())?;
        }
    }
    for file in &args.target_files {
        read_list(file, &mut request)?;
    }
    for word in &args.exclude {
        request.exclude(word).map_err(|e| Failure::usage("cannot exclude that").because(&e))?;
    }
    if request.is_empty() {
        return Err(Failure::usage("there is no target in what was read"));
    }
    Ok(request)
}

fn read_list(file: &Path, request: &mut Request) -> Result<(), Failure> {
    let read = if file == Path::new(STDIN) {
        list::read(io::stdin().lock(), "standard input", request)
    } else {
        let name = file.display().to_string();
        let opened = File::open(file)
            .map_err(|e| Failure::usage(format!("cannot read targets from {name}")).because(&e))?;
        list::read(opened, &name, request)
    };
    read.map_err(|e| Failure::of(&e).into_usage())
}

/// Ports, with a remark where the choice was ours.
pub(super) fn ports(args: &PortsArgs, services: &Services, out: &Output) -> Result<PortSet, Failure> {
    if let Some(text) = &args.ports {
        return PortSet::parse(text, services).map_err(|e| {
            Failure::of(&e).into_usage().hint("for example -p 22,80,1000-2000 or -p - for all; see --help")
        });
    }
    if args.all_ports {
        return Ok(PortSet::all());
    }
    let count = args.top.map_or(USUAL, usize::from);
    let (ports, source) = likeliest(count, services, NmapServices::installed().as_ref());
    let whose = match source {
        Source::Nmap => "by the list of the nmap that is installed",
        Source::Judgement => "by our own judgement",
    };
    out.remark(&format!("the {} likeliest ports, {whose}", crate::output::count(count as u64)));
    Ok(ports.into_iter().collect())
}

/// Refuses what nobody means.
pub(super) fn check_size(args: &PortsArgs, request: &Request, ports: &PortSet) -> Result<(), Failure> {
    if args.yes_really {
        return Ok(());
    }
    size::check(request.size(), ports.as_slice().len(), args.rate)
        .map_err(|e| Failure::of(&e).into_usage().hint("if that is meant: --yes-really"))
}
