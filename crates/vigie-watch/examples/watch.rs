//! Prints the changes of a directory: `cargo run -p vigie-watch --example watch -- DIR`.

use vigie_model::{BytePath, MachineId};
use vigie_watch::Config;
use vigie_watch::front::{Seen, Stop, watch};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args().nth(1).ok_or("which directory?")?;
    let mut config = Config::new(MachineId::default(), vec![BytePath::normalise(dir.as_bytes())?]);
    config.heard = std::env::args().any(|arg| arg == "--events");
    watch(config, &Stop::default(), &mut |seen| {
        let show = |path: &Option<Vec<u8>>| {
            String::from_utf8_lossy(path.as_deref().unwrap_or_default()).into_owned()
        };
        match seen {
            Seen::Change(fact) => println!("{} {} {}", fact.event.word(), show(&fact.from), show(&fact.path)),
            Seen::Content { path, size, .. } => println!("content {} {size}", String::from_utf8_lossy(&path)),
            Seen::Kernel(heard) => println!("  {} {}", heard.mask, String::from_utf8_lossy(&heard.path)),
            Seen::Ready => println!("ready"),
        }
        true
    })?;
    Ok(())
}
