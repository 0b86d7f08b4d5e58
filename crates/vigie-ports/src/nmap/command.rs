//! What is asked of nmap, as its command line.

use super::NmapError;
use crate::limits::{NMAP_HOST_TIMEOUT, NMAP_PORTS_BYTES_MAX};
use crate::plan::{Ping, Plan};
use crate::ports::PortSet;

/// A scan of addresses that come on standard input. Which probes are sent is nmap's own choice: SYN with the
/// privilege, else `connect(2)`.
///
/// # Errors
///
/// If the ports do not fit on a command line.
pub fn scan(plan: &Plan, is_v6: bool) -> Result<Vec<String>, NmapError> {
    let ports: PortSet = plan.ports.iter().copied().collect();
    let mut args = common(&ports, is_v6)?;
    // Down hosts are reported only so.
    args.push("-v".to_owned());
    args.extend(["--stats-every", "1s"].map(str::to_owned));
    if plan.ping == Ping::Skip {
        args.push("-Pn".to_owned());
    }
    if let Some(rate) = plan.rate {
        args.extend(["--max-rate".to_owned(), rate.max(1).to_string()]);
    }
    if let Some(timeout) = plan.timeout {
        // nmap refuses shorter ones.
        args.extend(["--max-rtt-timeout".to_owned(), format!("{}ms", timeout.as_millis().max(5))]);
    }
    if let Some(retries) = plan.retries {
        args.extend(["--max-retries".to_owned(), retries.to_string()]);
    }
    Ok(args)
}

/// A look at the services on open ports of addresses that come on standard input.
///
/// # Errors
///
/// If the ports do not fit on a command line.
pub fn services(open: &PortSet, is_v6: bool) -> Result<Vec<String>, NmapError> {
    let mut args = common(open, is_v6)?;
    args.extend(["-sV", "-Pn", "--host-timeout"].map(str::to_owned));
    args.push(format!("{}s", NMAP_HOST_TIMEOUT.as_secs()));
    Ok(args)
}

fn common(ports: &PortSet, is_v6: bool) -> Result<Vec<String>, NmapError> {
    let ports = ports.to_string();
    if ports.len() > NMAP_PORTS_BYTES_MAX {
        return Err(NmapError::TooManyRanges(ports.len()));
    }
    let mut args: Vec<String> =
        ["-oX", "-", "-iL", "-", "-n", "--noninteractive", "-p"].map(str::to_owned).into();
    args.push(ports);
    if is_v6 {
        args.push("-6".to_owned());
    }
    Ok(args)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn options_become_nmaps() {
        let mut plan = Plan::new([22, 80, 81].into());
        plan.rate = Some(100);
        plan.timeout = Some(Duration::from_millis(1));
        plan.retries = Some(0);
        let args = scan(&plan, true).unwrap().join(" ");
        assert_eq!(
            args,
            "-oX - -iL - -n --noninteractive -p 22,80-81 -6 -v --stats-every 1s -Pn --max-rate 100 \
             --max-rtt-timeout 5ms --max-retries 0"
        );
        plan.ping = Ping::Ask;
        assert!(!scan(&plan, false).unwrap().contains(&"-Pn".to_owned()));
        assert!(
            services(&[443].into_iter().collect(), false)
                .unwrap()
                .join(" ")
                .ends_with("-sV -Pn --host-timeout 600s")
        );
    }

    #[test]
    fn too_many_ranges_are_refused_before_the_kernel_does() {
        let odd: Vec<u16> = (1..=u16::MAX).step_by(2).collect();
        assert!(matches!(scan(&Plan::new(odd.into()), false), Err(NmapError::TooManyRanges(_))));
    }
}
