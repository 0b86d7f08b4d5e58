//! What is looked for.

mod calls;
mod commands;
mod files;
mod network;
mod reliability;
mod text;

use crate::limits;
use crate::report::{Finding, Topic, Weight, When};
use crate::tree::{Arguments, Script};
use std::collections::BTreeSet;
use tree_sitter::Node;

/// All that was found.
pub(crate) struct Found {
    pub(crate) findings: Vec<Finding>,
    pub(crate) needs: Vec<String>,
    pub(crate) is_cut: bool,
}

/// Where rules put what they find.
pub(crate) struct Notes<'s, 'a> {
    pub(crate) script: &'s Script<'a>,
    findings: Vec<Finding>,
    needs: BTreeSet<String>,
    is_cut: bool,
    /// Functions around the node that is looked at: where they begin and end.
    scopes: Vec<std::ops::Range<usize>>,
}

/// A call, with what is known of it.
pub(crate) struct Call<'t> {
    pub(crate) node: Node<'t>,
    /// What is called, with imports followed.
    pub(crate) path: String,
    pub(crate) arguments: Arguments<'t>,
}

pub(crate) fn look(script: &Script<'_>) -> Found {
    let mut notes =
        Notes { script, findings: Vec::new(), needs: BTreeSet::new(), is_cut: false, scopes: Vec::new() };
    text::look(&mut notes);
    script.walk(|node| match node.kind() {
        "function_definition" => {
            while notes.scopes.last().is_some_and(|scope| scope.end <= node.start_byte()) {
                notes.scopes.pop();
            }
            notes.scopes.push(node.byte_range());
        }
        "call" => {
            let call = Call { node, path: script.called(node), arguments: Arguments::of(script, node) };
            network::look(&mut notes, &call);
            commands::look(&mut notes, &call);
            files::look(&mut notes, &call);
            calls::look(&mut notes, &call);
        }
        "exec_statement" => {
            notes.add(node, Topic::Dynamic, Weight::Look, "exec", "runs text as code".to_owned())
        }
        kind => reliability::look(&mut notes, node, kind),
    });
    let mut findings = notes.findings;
    findings.sort_by_key(|finding| finding.line);
    findings.dedup();
    Found { findings, needs: notes.needs.into_iter().collect(), is_cut: notes.is_cut }
}

impl Notes<'_, '_> {
    pub(crate) fn add(
        &mut self,
        node: Node<'_>,
        topic: Topic,
        weight: Weight,
        rule: &'static str,
        text: String,
    ) {
        let when = self.script.when(node);
        self.at(node.start_position().row + 1, when, topic, weight, rule, text);
    }

    pub(crate) fn at(
        &mut self,
        line: usize,
        when: When,
        topic: Topic,
        weight: Weight,
        rule: &'static str,
        text: String,
    ) {
        if self.findings.len() == limits::FINDINGS {
            // Silence would look like nothing found.
            self.is_cut = true;
            return;
        }
        self.findings.push(Finding { line, topic, weight, when, rule, text });
    }

    /// Where the function around a node begins; 0 for what is in none.
    pub(crate) fn scope_start(&self, node: Node<'_>) -> usize {
        let around = self.scopes.iter().rev().find(|scope| scope.contains(&node.start_byte()));
        around.map_or(0, |scope| scope.start)
    }

    pub(crate) fn need(&mut self, need: String) {
        self.needs.insert(need);
    }

    /// What an argument is, for people: its value if it is known, else its text.
    pub(crate) fn show(&self, node: Node<'_>) -> String {
        let text = self.script.fold(node).unwrap_or_else(|| format!("<{}>", self.script.of(node)));
        quote(&text)
    }
}

/// Text of a script on one line, not too long, and without what would steer a terminal.
pub(crate) fn quote(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let short: String = plain.chars().take(limits::QUOTE_CHARS).collect();
    if short.len() < plain.len() { short + "…" } else { short }
}
