//! A tree as a stream and back, for measurements: `tree pack DIR > FILE`, `tree extract TARGET < FILE`,
//! `tree survey < FILE`. Directories, files, symbolic links; no second names.

use rustix::fs::FileType;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;
use vigie_archive::{ContentState, Options, TreeWriter, extract, survey};
use vigie_model::{FileTime, Metadata, NodeType};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let start = Instant::now();
    match args[..] {
        ["pack", dir] => {
            let mut tree = TreeWriter::new(io::stdout().lock(), b"tree");
            pack(&mut tree, Path::new(dir), &mut Vec::new())?;
            eprintln!("{}", tree.finish()?.1);
        }
        ["extract", target] => extract_to(target, Options::default())?,
        ["extract", target, threads] => {
            extract_to(target, Options { threads: threads.parse()?, ..Options::default() })?;
        }
        ["survey"] => {
            let (counts, end) = survey(io::stdin().lock());
            end?;
            eprintln!("{counts}");
        }
        _ => return Err("usage: tree pack DIR | extract TARGET [THREADS] | survey".into()),
    }
    eprintln!("{:.3} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn extract_to(target: &str, options: Options) -> Result<(), Box<dyn Error>> {
    let summary = extract(io::stdin().lock(), Path::new(target), &options, &mut |_| {})?;
    eprintln!("{} entries, {} bytes, {} problems", summary.entries, summary.bytes, summary.problems.count);
    Ok(())
}

fn pack<W: io::Write>(
    tree: &mut TreeWriter<W>,
    dir: &Path,
    path: &mut Vec<u8>,
) -> Result<(), Box<dyn Error>> {
    tree.directory(path, &look(dir)?)?;
    let mut names: Vec<_> =
        fs::read_dir(dir)?.map(|entry| entry.map(|e| e.file_name())).collect::<Result<_, _>>()?;
    names.sort();
    for name in names {
        let place = dir.join(&name);
        let length = path.len();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        let meta = look(&place)?;
        match meta.node_type {
            NodeType::Directory => pack(tree, &place, path)?,
            NodeType::File => {
                let mut file = File::open(&place)?;
                let mut piece = vec![0; 256 * 1024];
                let pieces = std::iter::from_fn(|| match file.read(&mut piece) {
                    Ok(0) => None,
                    Ok(count) => Some(Ok(piece[..count].to_vec())),
                    Err(error) => Some(Err(error)),
                });
                tree.file(path, &meta, meta.size, ContentState::WHOLE, pieces)?;
            }
            _ => tree.other(path, &meta)?,
        }
        path.truncate(length);
    }
    Ok(())
}

fn look(path: &Path) -> io::Result<Metadata> {
    let stat = fs::symlink_metadata(path)?;
    let node_type = match FileType::from_raw_mode(stat.mode()) {
        FileType::Directory => NodeType::Directory,
        FileType::Symlink => {
            NodeType::Symlink { target: fs::read_link(path)?.as_os_str().as_bytes().to_vec() }
        }
        _ => NodeType::File,
    };
    Ok(Metadata {
        node_type,
        mode: stat.mode() & 0o7777,
        uid: stat.uid(),
        gid: stat.gid(),
        mtime: FileTime { secs: stat.mtime(), nanos: stat.mtime_nsec() as u32 },
        ctime: FileTime { secs: stat.ctime(), nanos: stat.ctime_nsec() as u32 },
        size: stat.size(),
        xattrs: vec![],
    })
}
