//! What will fail some day, or fail silently.

use super::Notes;
use crate::report::{Topic, Weight, When};
use crate::tree::{Script, below};
use std::collections::HashSet;
use tree_sitter::Node;

pub(super) fn look(notes: &mut Notes<'_, '_>, node: Node<'_>, kind: &str) {
    match kind {
        "except_clause" => except(notes, node),
        "try_statement" => unbound(notes, node),
        "while_statement" => endless(notes, node),
        "if_statement" => constant_condition(notes, node),
        "expression_statement" => unused_answer(notes, node),
        _ => {}
    }
}

fn add(notes: &mut Notes<'_, '_>, node: Node<'_>, weight: Weight, rule: &'static str, text: String) {
    notes.add(node, Topic::Reliability, weight, rule, text);
}

/// `except:` and `except Exception: pass`.
fn except(notes: &mut Notes<'_, '_>, node: Node<'_>) {
    let mut cursor = node.walk();
    let children: Vec<Node<'_>> =
        node.named_children(&mut cursor).filter(|c| c.kind() != "comment").collect();
    let Some(block) = children.iter().find(|child| child.kind() == "block") else { return };
    let what = children.iter().find(|child| child.kind() != "block");
    let what = what.map(|what| notes.script.of(*what)).unwrap_or_default();
    let is_broad = what.is_empty() || what.starts_with("Exception") || what.starts_with("BaseException");
    let does_nothing = block.named_child_count() == 1
        && block
            .named_child(0)
            .is_some_and(|only| matches!(only.kind(), "pass_statement" | "continue_statement"));
    if is_broad && does_nothing {
        add(notes, node, Weight::Look, "swallowed", "any error is passed over without a word".to_owned());
    } else if what.is_empty() {
        add(notes, node, Weight::Note, "bare-except", "catches everything, Ctrl-C among it".to_owned());
    } else if is_broad {
        add(notes, node, Weight::Note, "broad-except", "catches every kind of error alike".to_owned());
    }
}

/// Names that are bound within `try` only, and used where it failed.
fn unbound(notes: &mut Notes<'_, '_>, node: Node<'_>) {
    let script = notes.script;
    let Some(body) = node.child_by_field_name("body") else { return };
    let bound = bound_in(script, body);
    if bound.is_empty() {
        return;
    }
    let (scope, start) = (notes.scope_start(node), node.start_byte());
    let mut cursor = node.walk();
    let handlers: Vec<Node<'_>> =
        node.named_children(&mut cursor).filter(|c| c.kind() == "except_clause").collect();
    for handler in handlers {
        let own = bound_in(script, handler);
        let mut odd: Vec<&str> = identifiers(script, handler)
            .into_iter()
            .filter(|name| bound.contains(name) && !own.contains(name))
            .filter(|name| !script.is_bound_between(name, scope, start))
            .collect();
        odd.sort_unstable();
        odd.dedup();
        if !odd.is_empty() {
            let text = format!(
                "uses {} although it may not be there: it is set within the `try` that failed",
                odd.join(", ")
            );
            add(notes, handler, Weight::Look, "unbound-in-except", text);
        }
    }
}

/// Names that assignments below a node bind.
fn bound_in<'a>(script: &Script<'a>, node: Node<'_>) -> HashSet<&'a str> {
    below(node)
        .into_iter()
        .filter(|node| matches!(node.kind(), "assignment" | "for_statement"))
        .filter_map(|node| node.child_by_field_name("left"))
        .flat_map(|left| match left.kind() {
            "identifier" => vec![script.of(left)],
            "pattern_list" | "tuple_pattern" => identifiers(script, left),
            _ => Vec::new(),
        })
        .collect()
}

fn identifiers<'a>(script: &Script<'a>, node: Node<'_>) -> Vec<&'a str> {
    below(node).into_iter().filter(|node| node.kind() == "identifier").map(|node| script.of(node)).collect()
}

/// Loops that never end: those at import stop whoever imports, those without any wait heat the processor.
fn endless(notes: &mut Notes<'_, '_>, node: Node<'_>) {
    let (Some(condition), Some(body)) =
        (node.child_by_field_name("condition"), node.child_by_field_name("body"))
    else {
        return;
    };
    let inner = below(body);
    let text = notes.script.of(condition);
    let ends = inner.iter().any(|node| matches!(node.kind(), "break_statement" | "return_statement"));
    let calls = inner.iter().any(|node| matches!(node.kind(), "call" | "await" | "yield"));
    if matches!(text, "True" | "1") && !ends && !calls {
        let text = "turns for ever without a wait: a whole processor is busy with it".to_owned();
        add(notes, node, Weight::Look, "busy-loop", text);
    }
    if notes.script.when(node) == When::Import && calls && !ends {
        let text = "may wait for ever as soon as it is imported: nothing bounds this loop".to_owned();
        add(notes, node, Weight::Look, "import-loop", text);
    }
}

/// `if check:` where `check` is a function: always true.
fn constant_condition(notes: &mut Notes<'_, '_>, node: Node<'_>) {
    let Some(mut condition) = node.child_by_field_name("condition") else { return };
    while let Some(inner) =
        (condition.kind() == "parenthesized_expression").then(|| condition.named_child(0)).flatten()
    {
        condition = inner;
    }
    let name = notes.script.of(condition);
    if condition.kind() == "identifier" && notes.script.names.functions.contains(name) {
        let text = format!("is always true: {name} is a function, and is not called");
        add(notes, node, Weight::Look, "function-as-condition", text);
    }
}

/// `verify(x)` as a statement of its own, where it says yes or no.
fn unused_answer(notes: &mut Notes<'_, '_>, node: Node<'_>) {
    let Some(call) = node.named_child(0).filter(|child| child.kind() == "call") else { return };
    let Some(function) = call.child_by_field_name("function").filter(|f| f.kind() == "identifier") else {
        return;
    };
    let name = notes.script.of(function);
    let asks = ["verif", "check", "is_", "has_", "valid"].iter().any(|start| name.starts_with(start));
    if asks && notes.script.names.answers.contains(name) {
        let text = format!("does not look at what {name} answers");
        add(notes, node, Weight::Look, "unused-answer", text);
    }
}
