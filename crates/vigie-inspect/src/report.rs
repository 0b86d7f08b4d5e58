//! What is said of a script.

use serde::Serialize;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// It talks to other machines.
    Network,
    /// It runs other programs.
    Command,
    /// It reads, writes or removes files.
    File,
    /// It uses a device.
    Device,
    /// It needs or takes rights.
    Privilege,
    /// It makes itself start again: cron, systemd, login files, keys.
    Persistence,
    /// It runs code that is not in its text.
    Dynamic,
    /// It hides what it does.
    Hidden,
    /// It will fail, or fail silently, some day.
    Reliability,
}

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// As soon as it is imported, or run.
    Import,
    /// When it is run as a program (`if __name__ == "__main__"`).
    Main,
    /// When a function of it is called.
    Call,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Good to know: what the script does.
    Note,
    /// Worth a look before it runs.
    Look,
    /// What honest scripts do not do.
    Alarm,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Line, from 1.
    pub line: usize,
    /// What it is about.
    pub topic: Topic,
    /// How much it matters.
    pub weight: Weight,
    /// When it happens.
    pub when: When,
    /// A stable name of what was found, for scripts.
    pub rule: &'static str,
    /// For people.
    pub text: String,
}

/// Where a module comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Python has it.
    Standard,
    /// From beside the script.
    Local,
    /// To be installed.
    ThirdParty,
}

/// One imported module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Import {
    /// Its first name.
    pub module: String,
    /// Line, from 1.
    pub line: usize,
    /// Where it comes from.
    pub origin: Origin,
    /// Name to install it by with pip, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<&'static str>,
    /// Debian's package, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debian: Option<&'static str>,
    /// What else is to be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What follows from all findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It does what such scripts do.
    Low,
    /// Something of it is worth a look.
    Look,
    /// It does what honest scripts do not do.
    Alarm,
}

/// All that is said of a script.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Its size in bytes.
    pub bytes: usize,
    /// Its lines.
    pub lines: usize,
    /// The first line, if it names an interpreter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shebang: Option<String>,
    /// Whether it is Python 2, as far as its text tells.
    pub is_python2: bool,
    /// Lines that could not be understood, at most [`crate::limits::SYNTAX_ERRORS`]; what they do is not known.
    pub syntax_errors: Vec<usize>,
    /// What it imports.
    pub imports: Vec<Import>,
    /// What it does, by line.
    pub findings: Vec<Finding>,
    /// Whether more was found, or not understood, than is told.
    pub is_cut: bool,
    /// What it needs to run: rights, groups, directories.
    pub needs: Vec<String>,
    /// What follows.
    pub verdict: Verdict,
    /// Why, if more than low.
    pub because: Vec<String>,
}

impl Report {
    /// Whether all of it was understood, and told.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.syntax_errors.is_empty() && !self.is_cut
    }
}
