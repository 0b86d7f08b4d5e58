//! How long all 65,535 ports of one machine take.

use super::super::report::{Row, Target};
use super::super::series::{Series, Unit};
use super::Settings;
use super::bed::Bed;
use super::contenders::Contender;
use anyhow::{Result, ensure};
use std::time::Duration;

const ALL: u16 = u16::MAX;

/// With few descriptors, silent ports take long: some 1,500 a second.
const FEW: u16 = 10_000;

/// The times of some contenders, each round with another one first; each must find everything, but for those that are
/// not ours.
fn race<const N: usize>(bed: &Bed, settings: &Settings, contenders: [Contender; N]) -> Result<[Series; N]> {
    let mut times = std::array::from_fn(|_| Series::new(Unit::Seconds));
    let mut given_up = [false; N];
    for round in 0..settings.rounds as usize {
        for turn in 0..N {
            let index = (round + turn) % N;
            let contender = contenders[index];
            if given_up[index] || contender == Contender::Rustscan && settings.rustscan.is_none() {
                continue;
            }
            let ours = matches!(contender, Contender::Connect | Contender::Syn);
            let found = match contender.scan(bed, settings, ALL) {
                // It is not tried again; ours must not fail.
                Err(error) if !ours => {
                    settings.gave_up(contender.name(), &error);
                    given_up[index] = true;
                    continue;
                }
                found => found?,
            };
            ensure!(
                !ours || found.wrong(ALL) == 0,
                "{} was wrong about {} ports",
                contender.name(),
                found.wrong(ALL)
            );
            times[index].push_time(found.took);
        }
    }
    Ok(times)
}

/// The others are closed.
pub(super) fn closed(settings: &Settings) -> Result<Vec<Row>> {
    use Contender::{Bare, Connect, NmapConnect, NmapSyn, Rustscan, Syn};
    let bed = Bed::near()?;
    let [connect, syn, bare, nmap_connect, nmap_syn, rustscan] =
        race(&bed, settings, [Connect, Syn, Bare, NmapConnect, NmapSyn, Rustscan])?;
    let mut rows = vec![
        Row::beside(
            "closed: connect",
            connect.clone(),
            NmapConnect.name(),
            nmap_connect,
            Target::Ratio(0.75),
        ),
        Row::beside("closed: connect", connect.clone(), Bare.name(), bare, Target::Ratio(1.5)),
        Row::beside("closed: SYN", syn, NmapSyn.name(), nmap_syn, Target::Ratio(0.6)),
    ];
    if settings.rustscan.is_some() {
        rows.push(Row::beside("closed: connect", connect, Rustscan.name(), rustscan, Target::Ratio(1.0)));
    }
    Ok(rows)
}

/// The others say nothing.
pub(super) fn dropped(settings: &Settings) -> Result<Vec<Row>> {
    use Contender::{Connect, Masscan, NmapSynRate, Rustscan, Syn};
    let bed = Bed::near()?;
    bed.drop_others()?;
    let [connect, syn, nmap, masscan, rustscan] =
        race(&bed, settings, [Connect, Syn, NmapSynRate, Masscan, Rustscan])?;
    let mut rows = vec![
        Row::beside("dropped: SYN", syn.clone(), NmapSynRate.name(), nmap, Target::AtMost(4.0)),
        Row::beside("dropped: SYN", syn, Masscan.name(), masscan, Target::AtMost(4.0)),
    ];
    let target = Target::AtMost(8.0);
    rows.push(match settings.rustscan {
        Some(_) => Row::beside("dropped: connect", connect, Rustscan.name(), rustscan, target),
        None => Row::alone("dropped: connect", connect, target),
    });
    Ok(rows)
}

/// 100 ms there and back.
pub(super) fn far(settings: &Settings) -> Result<Vec<Row>> {
    use Contender::{Connect, NmapConnect, NmapSyn, Syn};
    let bed = Bed::far(Duration::from_millis(100))?;
    let [connect, syn, nmap_connect, nmap_syn] = race(&bed, settings, [Connect, Syn, NmapConnect, NmapSyn])?;
    Ok(vec![
        Row::beside("100 ms: connect", connect, NmapConnect.name(), nmap_connect, Target::AtMost(8.0)),
        Row::beside("100 ms: SYN", syn, NmapSyn.name(), nmap_syn, Target::AtMost(8.0)),
    ])
}

/// As a process that may have 256 descriptors.
pub(super) fn few(settings: &Settings) -> Result<Vec<Row>> {
    let bed = Bed::near()?;
    let mut rows = Vec::new();
    for others in ["closed", "dropped"] {
        if others == "dropped" {
            bed.drop_others()?;
        }
        let found = Contender::ConnectFew.scan(&bed, settings, FEW)?;
        let wrong = Series::of(Unit::Count, found.wrong(FEW) as u64);
        let what = format!("256 descriptors, {others}: wrong ports (in {:.1} s)", found.took.as_secs_f64());
        rows.push(Row::alone(what, wrong, Target::AtMost(0.0)));
    }
    Ok(rows)
}
