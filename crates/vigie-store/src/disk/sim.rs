//! A disk in memory that keeps only what it must: at [`SimDisk::crash`] whatever was not synced is lost,
//! torn or kept as a seeded die falls, names of files included. It can also be full, fail a sync, die in the
//! middle of an operation, and leave out every sync of one [`SyncSite`].

use super::{Disk, DiskFile, OpenMode, Space, SyncSite};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is written is torn at multiples of this, as disks do.
const SECTOR: usize = 512;

/// A fault to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimFault {
    /// The process dies before its operation number this many from now: that one and all later ones fail
    /// until [`SimDisk::crash`] or [`SimDisk::restart`]. A write may be done in part.
    DieAt(u64),
    /// The next sync of this site fails; what it should have made durable stays readable and never becomes
    /// durable by a later sync, as on Linux.
    FailSync(SyncSite),
    /// Only this many more bytes can be written before the disk is full.
    Room(u64),
}

/// A disk in memory; clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("SimDisk").field("operations", &state.operations).finish_non_exhaustive()
    }
}

type Inode = usize;

struct State {
    random: u64,
    boot: u64,
    inodes: Vec<Node>,
    /// Entries as processes see them.
    names: BTreeMap<PathBuf, Inode>,
    /// Entries as they are on the medium.
    durable_names: BTreeMap<PathBuf, Inode>,
    /// Changes of entries that are not durable yet, by directory, in order.
    unsynced_names: HashMap<PathBuf, Vec<NameChange>>,
    locks: HashSet<PathBuf>,
    operations: u64,
    die_at: Option<u64>,
    fail_sync: Option<SyncSite>,
    skip: Option<SyncSite>,
    room: Option<u64>,
}

enum Node {
    Directory,
    File(Data),
}

#[derive(Default)]
struct Data {
    /// As processes see it.
    live: Vec<u8>,
    /// As it is on the medium.
    durable: Vec<u8>,
    /// Writes and cuts that are not durable yet, in order.
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

#[derive(Clone)]
enum NameChange {
    Add(PathBuf, Inode),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Write(offset, new) => {
                if bytes.len() < offset + new.len() {
                    bytes.resize(offset + new.len(), 0);
                }
                bytes[*offset..offset + new.len()].copy_from_slice(new);
            }
            Change::Cut(len) => bytes.resize(*len, 0),
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, Inode>) {
        match self {
            NameChange::Add(path, inode) => drop(names.insert(path.clone(), *inode)),
            NameChange::Remove(path) => drop(names.remove(path)),
            NameChange::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }
}

impl SimDisk {
    /// A disk with one empty, durable directory `/`; everything random follows from the seed.
    pub fn new(seed: u64) -> Self {
        let root = BTreeMap::from([(PathBuf::from("/"), 0)]);
        SimDisk(Arc::new(Mutex::new(State {
            random: seed ^ 0x9e37_79b9_7f4a_7c15,
            boot: 1,
            inodes: vec![Node::Directory],
            names: root.clone(),
            durable_names: root,
            unsynced_names: HashMap::new(),
            locks: HashSet::new(),
            operations: 0,
            die_at: None,
            fail_sync: None,
            skip: None,
            room: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next random number of the seed.
    pub fn roll(&self) -> u64 {
        self.lock().roll()
    }

    /// Operations that changed something, so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Leaves out every sync of this site from now on: it says it was done, and does nothing.
    pub fn skip_sync(&self, site: Option<SyncSite>) {
        self.lock().skip = site;
    }

    /// Lets something go wrong.
    pub fn fault(&self, fault: SimFault) {
        let mut state = self.lock();
        match fault {
            SimFault::DieAt(after) => state.die_at = Some(state.operations + after),
            SimFault::FailSync(site) => state.fail_sync = Some(site),
            SimFault::Room(bytes) => state.room = Some(bytes),
        }
    }

    /// The disk has room again.
    pub fn make_room(&self) {
        self.lock().room = None;
    }

    /// The process is gone and another may come; the machine lives, so all that was written can be read.
    pub fn restart(&self) {
        let mut state = self.lock();
        state.die_at = None;
        state.fail_sync = None;
        state.locks.clear();
    }

    /// The machine loses its power: what was not synced is lost, torn or kept.
    pub fn crash(&self) {
        self.restart();
        let mut state = self.lock();
        state.boot += 1;
        state.crash_names();
        state.crash_data();
    }

    /// Every file as it can be read now.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.lock();
        let file = |(path, inode): (&PathBuf, &Inode)| match &state.inodes[*inode] {
            Node::File(data) => Some((path.clone(), data.live.clone())),
            Node::Directory => None,
        };
        state.names.iter().filter_map(file).collect()
    }

    /// Changes a file behind the store's back, durably: rot.
    pub fn rot(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        let Some(inode) = state.names.get(path).copied() else { return };
        if let Node::File(data) = &mut state.inodes[inode] {
            change(&mut data.live);
            data.durable = data.live.clone();
            data.unsynced.clear();
        }
    }
}

impl State {
    /// splitmix64.
    fn roll(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.roll() % 100 < percent
    }

    /// Counts an operation; the process may die before it. Reading is none: to die there changes nothing.
    fn begin(&mut self) -> io::Result<()> {
        self.check_alive()?;
        self.operations += 1;
        self.check_alive()
    }

    fn check_alive(&self) -> io::Result<()> {
        if self.is_dead() { Err(io::Error::other("the simulated process is dead")) } else { Ok(()) }
    }

    fn is_dead(&self) -> bool {
        self.die_at.is_some_and(|at| self.operations >= at)
    }

    /// Each change of an entry happened or did not, whatever came after it.
    fn crash_names(&mut self) {
        let mut dirs: Vec<_> = std::mem::take(&mut self.unsynced_names).into_iter().collect();
        dirs.sort_by(|a, b| a.0.cmp(&b.0));
        let keep = [0, 50, 100][(self.roll() % 3) as usize];
        for (_, changes) in dirs {
            for change in changes {
                if self.chance(keep) {
                    change.apply(&mut self.durable_names);
                }
            }
        }
        // What lies in a directory that is gone cannot be reached.
        let mut names = BTreeMap::new();
        for (path, inode) in &self.durable_names {
            let is_reached = path.parent().is_none_or(|parent| names.contains_key(parent));
            if is_reached {
                names.insert(path.clone(), *inode);
            }
        }
        self.durable_names = names.clone();
        self.names = names;
    }

    fn crash_data(&mut self) {
        for inode in 0..self.inodes.len() {
            let Node::File(data) = &mut self.inodes[inode] else { continue };
            let changes = std::mem::take(&mut data.unsynced);
            let mut bytes = std::mem::take(&mut data.durable);
            let keep = [0, 30, 70, 100][(self.roll() % 4) as usize];
            for change in changes {
                self.tear(&change, keep, &mut bytes);
            }
            self.inodes[inode] =
                Node::File(Data { live: bytes.clone(), durable: bytes, unsynced: Vec::new() });
        }
    }

    /// Applies some sectors of a change.
    fn tear(&mut self, change: &Change, keep: u64, bytes: &mut Vec<u8>) {
        match change {
            Change::Cut(_) => {
                if self.chance(keep) {
                    change.apply(bytes);
                }
            }
            Change::Write(offset, new) => {
                // The length may be durable while the bytes are not: then there are zeros.
                let end = offset + new.len();
                if bytes.len() < end && self.chance(keep) {
                    bytes.resize(end, 0);
                }
                let mut at = *offset;
                while at < end {
                    let next = ((at / SECTOR + 1) * SECTOR).min(end);
                    if self.chance(keep) {
                        Change::Write(at, new[at - offset..next - offset].to_vec()).apply(bytes);
                    }
                    at = next;
                }
            }
        }
    }

    fn data(&mut self, inode: Inode) -> io::Result<&mut Data> {
        match &mut self.inodes[inode] {
            Node::File(data) => Ok(data),
            Node::Directory => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<Inode> {
        let parent = path.parent().unwrap_or(Path::new("/")).to_owned();
        if !self.names.contains_key(&parent) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.inodes.push(node);
        let inode = self.inodes.len() - 1;
        self.change_name(&parent, NameChange::Add(path.to_owned(), inode));
        Ok(inode)
    }

    fn change_name(&mut self, dir: &Path, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.entry(dir.to_owned()).or_default().push(change);
    }

    /// Whether a sync shall be left out, or fail.
    fn sync(&mut self, site: SyncSite) -> io::Result<Sync> {
        self.begin()?;
        if self.fail_sync == Some(site) {
            self.fail_sync = None;
            return Ok(Sync::Fail);
        }
        Ok(if self.skip == Some(site) { Sync::Skip } else { Sync::Do })
    }
}

enum Sync {
    Do,
    Skip,
    Fail,
}

fn dir_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).to_owned()
}

impl Disk for SimDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.begin()?;
        if !state.names.contains_key(path) {
            state.add(path, Node::Directory)?;
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.lock();
        state.check_alive()?;
        let names = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(names.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        state.check_alive()?;
        if mode == OpenMode::CreateNew {
            state.begin()?;
        }
        let inode = match (state.names.get(path).copied(), mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(inode), _) => inode,
            (None, OpenMode::CreateNew) => state.add(path, Node::File(Data::default()))?,
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Arc::new(SimFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.begin()?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(&dir_of(from), NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.begin()?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(&dir_of(path), NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path, site: SyncSite) -> io::Result<()> {
        let mut state = self.lock();
        match state.sync(site)? {
            Sync::Skip => {}
            Sync::Fail => {
                state.unsynced_names.remove(dir);
                return Err(io::Error::other("the simulated sync fails"));
            }
            Sync::Do => {
                for change in state.unsynced_names.remove(dir).unwrap_or_default() {
                    change.apply(&mut state.durable_names);
                }
            }
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + std::marker::Sync>> {
        let mut state = SimDisk::lock(self);
        state.begin()?;
        if !state.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock { disk: self.clone(), path: path.to_owned(), boot: state.boot }))
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        // Never short of its own accord: the write itself shall find the disk full.
        Ok(Space { available: u64::MAX, total: u64::MAX })
    }

    fn random(&self) -> u64 {
        self.roll()
    }

    fn boot_id(&self) -> String {
        self.lock().boot.to_string()
    }
}

struct SimLock {
    disk: SimDisk,
    path: PathBuf,
    boot: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.lock();
        if state.boot == self.boot {
            state.locks.remove(&self.path);
        }
    }
}

struct SimFile {
    disk: SimDisk,
    inode: Inode,
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SimFile").field(&self.inode).finish()
    }
}

impl DiskFile for SimFile {
    fn length(&self) -> io::Result<u64> {
        let mut state = self.disk.lock();
        state.check_alive()?;
        Ok(state.data(self.inode)?.live.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.lock();
        state.check_alive()?;
        let live = &state.data(self.inode)?.live;
        let rest = live.get(offset as usize..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let was_dead = state.is_dead();
        let begun = state.begin();
        let mut len = bytes.len();
        match (&begun, state.room) {
            (Err(_), _) if was_dead => return begun,
            (Err(_), _) => len = (state.roll() % (len as u64 + 1)) as usize,
            (Ok(()), Some(room)) => {
                len = len.min(room as usize);
                state.room = Some(room - len as u64);
            }
            (Ok(()), None) => {}
        }
        let change = Change::Write(offset as usize, bytes[..len].to_vec());
        let data = state.data(self.inode)?;
        change.apply(&mut data.live);
        data.unsynced.push(change);
        begun?;
        if len < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.begin()?;
        let data = state.data(self.inode)?;
        let change = Change::Cut(len as usize);
        change.apply(&mut data.live);
        data.unsynced.push(change);
        Ok(())
    }

    fn sync_data(&self, site: SyncSite) -> io::Result<()> {
        let mut state = self.disk.lock();
        let sync = state.sync(site)?;
        let data = state.data(self.inode)?;
        match sync {
            Sync::Skip => Ok(()),
            Sync::Fail => {
                // The pages count as clean from here on, and the medium never got them.
                data.unsynced.clear();
                Err(io::Error::other("the simulated sync fails"))
            }
            Sync::Do => {
                for change in std::mem::take(&mut data.unsynced) {
                    change.apply(&mut data.durable);
                }
                Ok(())
            }
        }
    }

    fn drop_cache(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.check_alive()?;
        let data = state.data(self.inode)?;
        let mut live = data.durable.clone();
        for change in &data.unsynced {
            change.apply(&mut live);
        }
        data.live = live;
        Ok(())
    }
}
