//! What an engine is told before it starts.

use vigie_model::{BytePath, MachineId};

/// What to watch, and what not.
#[derive(Clone, Debug)]
pub struct Config {
    /// Part of every node id.
    pub machine: MachineId,
    /// Directories to watch with all below them. One may lie within another. Should be free of symlinks:
    /// the paths are recorded as they are given here.
    pub roots: Vec<BytePath>,
    /// Patterns in the syntax of `.gitignore`, relative to each root.
    pub ignore: Vec<String>,
    /// Places that are never looked into: the program's own data.
    pub exclude: Vec<BytePath>,
    /// A directory of the program's own, where cookies are made; without it [`crate::Engine::cookie`] fails.
    pub cookies: Option<BytePath>,
    /// Give each [`crate::Fact`] the absolute paths it is about. Costs a walk per fact.
    pub paths: bool,
    /// Keep what the kernel said for [`crate::Engine::take_heard`].
    pub heard: bool,
}

impl Config {
    /// Watches these roots whole, and nothing else asked for.
    pub fn new(machine: MachineId, roots: Vec<BytePath>) -> Self {
        Config {
            machine,
            roots,
            ignore: Vec::new(),
            exclude: Vec::new(),
            cookies: None,
            paths: false,
            heard: false,
        }
    }
}

/// Why an engine cannot start. All of these are wrong usage, found before anything is watched.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A root that is not there, is not a directory, or may not be opened.
    #[error("cannot watch {path}: {source}")]
    Root {
        /// The root.
        path: BytePath,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A root on a file system of the kernel's own data.
    #[error("cannot watch {path}: {fs} holds the kernel's own data, whose changes cannot be seen")]
    Pseudo {
        /// The root.
        path: BytePath,
        /// Name of the file system.
        fs: String,
    },
    /// The directory for cookies cannot be watched.
    #[error("cannot watch the state directory {path}: {source}")]
    Cookies {
        /// The directory.
        path: BytePath,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The kernel gives no way to be told of changes.
    #[error("cannot be told of changes by the kernel (inotify): {0}; see fs.inotify.max_user_instances")]
    Kernel(std::io::Error),
    /// `/proc` cannot be used.
    #[error("cannot watch without /proc, which leads to open directories: {0}")]
    Proc(std::io::Error),
    /// A pattern that is not in the syntax of `.gitignore`.
    #[error("cannot read the ignore pattern `{pattern}`: {why}")]
    Pattern {
        /// As given.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// No root, or one twice.
    #[error("{0}")]
    Roots(String),
}
