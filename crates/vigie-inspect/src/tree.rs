//! The syntax tree, walked without recursion: a script may be nested as deep as it likes.

use crate::limits;
use crate::report::When;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use tree_sitter::{Node, Parser, Tree};

/// A parsed script.
pub(crate) struct Script<'a> {
    pub(crate) text: &'a str,
    tree: Tree,
    pub(crate) names: Names,
}

/// What names stand for.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// From a name to the dotted path that it was imported from, or that made the object it holds.
    paths: HashMap<String, String>,
    /// From a name to the text that it always holds.
    constants: HashMap<String, String>,
    /// Functions of the script.
    pub(crate) functions: HashSet<String>,
    /// Those of them that answer yes or no.
    pub(crate) answers: HashSet<String>,
    /// Where each name is bound: bytes in ascending order.
    bound: HashMap<String, Vec<usize>>,
    /// Bodies of functions, the outermost only, and what runs only as a program: in ascending order.
    bodies: Vec<Range<usize>>,
    mains: Vec<Range<usize>>,
}

impl<'a> Script<'a> {
    /// Parses any text; damage is part of the tree. None if the parser gives up.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_python::LANGUAGE.into()).ok()?;
        let tree = parser.parse(text, None)?;
        let mut script = Script { text, tree, names: Names::default() };
        script.names = script.collect();
        Some(script)
    }

    /// Calls `visit` for every named node, parents first.
    pub(crate) fn walk<'t>(&'t self, mut visit: impl FnMut(Node<'t>)) {
        let mut cursor = self.tree.walk();
        loop {
            visit(cursor.node());
            if cursor.goto_first_child() {
                continue;
            }
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    return;
                }
            }
        }
    }

    /// The text of a node.
    pub(crate) fn of(&self, node: Node<'_>) -> &'a str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    fn collect(&self) -> Names {
        let mut names = Names::default();
        let mut twice = HashSet::new();
        self.walk(|node| match node.kind() {
            "lambda" => outermost(&mut names.bodies, node.child_by_field_name("body")),
            "if_statement" => {
                let condition = node.child_by_field_name("condition").map(|c| self.of(c)).unwrap_or_default();
                if condition.contains("__name__") && condition.contains("__main__") {
                    outermost(&mut names.mains, node.child_by_field_name("consequence"));
                }
            }
            "for_statement" | "for_in_clause" | "named_expression" | "augmented_assignment" => {
                let bound = node.child_by_field_name("left").or_else(|| node.child_by_field_name("name"));
                self.bind(&mut names, bound);
            }
            "parameters" | "lambda_parameters" | "global_statement" | "as_pattern_target" => {
                self.bind(&mut names, Some(node));
            }
            "import_statement" => {
                for (name, path) in self.imported(node) {
                    names.paths.insert(name, path);
                }
            }
            "import_from_statement" => {
                let module = node.child_by_field_name("module_name").map(|m| self.of(m)).unwrap_or_default();
                for (name, path) in self.imported(node) {
                    names.paths.insert(name, format!("{module}.{path}"));
                }
            }
            "function_definition" => {
                outermost(&mut names.bodies, node.child_by_field_name("body"));
                if let Some(name) = node.child_by_field_name("name") {
                    names.functions.insert(self.of(name).to_owned());
                    let body = self.of(node);
                    if body.contains("return True") && body.contains("return False") {
                        names.answers.insert(self.of(name).to_owned());
                    }
                }
            }
            "assignment" => {
                self.bind(&mut names, node.child_by_field_name("left"));
                let (left, right) = (node.child_by_field_name("left"), node.child_by_field_name("right"));
                if let (Some(left), Some(right)) = (left, right)
                    && left.kind() == "identifier"
                {
                    let name = self.of(left).to_owned();
                    match right.kind() {
                        "string" | "concatenated_string" => {
                            if let Some(text) = self.literal(right)
                                && names.constants.insert(name.clone(), text).is_some()
                            {
                                twice.insert(name);
                            }
                        }
                        // What a constructor made is known by it.
                        "call" => {
                            if let Some(function) = right.child_by_field_name("function") {
                                let path = resolve(&names, &self.dotted(function));
                                names.paths.insert(name.clone(), path);
                            }
                            twice.insert(name);
                        }
                        _ => {
                            twice.insert(name);
                        }
                    }
                }
            }
            "as_pattern" => self.with_alias(node, &mut names),
            _ => {}
        });
        for places in names.bound.values_mut() {
            places.sort_unstable();
        }
        // A name that holds several things stands for none.
        for name in twice {
            names.constants.remove(&name);
        }
        names
    }

    /// Notes that every name below a node is bound there.
    fn bind(&self, names: &mut Names, node: Option<Node<'_>>) {
        let Some(node) = node else { return };
        // `frame[label] = value` binds nothing.
        if matches!(node.kind(), "subscript" | "attribute") {
            return;
        }
        for name in below(node).into_iter().filter(|node| node.kind() == "identifier") {
            names.bound.entry(self.of(name).to_owned()).or_default().push(name.start_byte());
        }
    }

    /// `with serial.Serial(…) as ser`.
    fn with_alias(&self, node: Node<'_>, names: &mut Names) {
        let (Some(call), Some(alias)) = (node.named_child(0), node.child_by_field_name("alias")) else {
            return;
        };
        if let (true, Some(function)) = (call.kind() == "call", call.child_by_field_name("function")) {
            let path = resolve(names, &self.dotted(function));
            names.paths.insert(self.of(alias).to_owned(), path);
        }
    }

    /// Names that an import binds, with what they stand for.
    fn imported(&self, node: Node<'_>) -> Vec<(String, String)> {
        let mut cursor = node.walk();
        node.children_by_field_name("name", &mut cursor)
            .map(|name| match (name.child_by_field_name("name"), name.child_by_field_name("alias")) {
                (Some(path), Some(alias)) => (self.of(alias).to_owned(), self.of(path).to_owned()),
                _ => {
                    let path = self.of(name);
                    let first = path.split('.').next().unwrap_or(path);
                    // `import os.path` binds `os`.
                    let path = if node.kind() == "import_statement" { first } else { path };
                    (first.to_owned(), path.to_owned())
                }
            })
            .collect()
    }

    /// `a.b.c` as written; empty for what is no such chain.
    pub(crate) fn dotted(&self, node: Node<'_>) -> String {
        let mut parts = Vec::new();
        let mut node = node;
        // Calls count, too: every call of a chain of thousands is looked at by itself.
        for _ in 0..limits::PATH_PARTS {
            match node.kind() {
                "identifier" => {
                    parts.push(self.of(node));
                    parts.reverse();
                    return parts.join(".");
                }
                "attribute" => {
                    parts.push(node.child_by_field_name("attribute").map(|a| self.of(a)).unwrap_or_default());
                    match node.child_by_field_name("object") {
                        Some(object) => node = object,
                        None => return String::new(),
                    }
                }
                // `socket.socket().connect`
                "call" => match node.child_by_field_name("function") {
                    Some(function) => node = function,
                    None => return String::new(),
                },
                _ => return String::new(),
            }
        }
        String::new()
    }

    /// What a call calls, with imports and made objects followed: `requests.get`.
    pub(crate) fn called(&self, call: Node<'_>) -> String {
        let function = call.child_by_field_name("function");
        function.map(|function| resolve(&self.names, &self.dotted(function))).unwrap_or_default()
    }

    /// Whether a name is bound between two places.
    pub(crate) fn is_bound_between(&self, name: &str, from: usize, to: usize) -> bool {
        let Some(places) = self.names.bound.get(name) else { return false };
        let first = places.partition_point(|place| *place < from);
        places.get(first).is_some_and(|place| *place < to)
    }

    /// When a node's code runs.
    pub(crate) fn when(&self, node: Node<'_>) -> When {
        if contains(&self.names.bodies, node.start_byte()) {
            When::Call
        } else if contains(&self.names.mains, node.start_byte()) {
            When::Main
        } else {
            When::Import
        }
    }

    /// What a name stands for: where it was imported from, or what made the object it holds.
    pub(crate) fn path_of(&self, name: &str) -> String {
        resolve(&self.names, name)
    }

    /// The text of an expression, as far as it is known from the script alone.
    pub(crate) fn fold(&self, node: Node<'_>) -> Option<String> {
        self.fold_at(node, limits::FOLD_DEPTH)
    }

    fn fold_at(&self, node: Node<'_>, depth: u8) -> Option<String> {
        let deeper = depth.checked_sub(1)?;
        match node.kind() {
            "string" | "concatenated_string" => self.literal(node),
            "integer" => Some(self.of(node).to_owned()),
            "identifier" => self.names.constants.get(self.of(node)).cloned(),
            "parenthesized_expression" => self.fold_at(node.named_child(0)?, deeper),
            "binary_operator" if node.child_by_field_name("operator").is_some_and(|o| self.of(o) == "+") => {
                let left = self.fold_at(node.child_by_field_name("left")?, deeper)?;
                Some(left + &self.fold_at(node.child_by_field_name("right")?, deeper)?)
            }
            "list" | "tuple" => {
                let mut cursor = node.walk();
                let parts: Vec<String> = node
                    .named_children(&mut cursor)
                    .map(|part| self.fold_at(part, deeper).unwrap_or_else(|| "…".to_owned()))
                    .collect();
                Some(parts.join(" "))
            }
            _ => None,
        }
    }

    /// The content of a string literal; what an f-string fills in is shown as `…`.
    fn literal(&self, node: Node<'_>) -> Option<String> {
        let mut text = String::new();
        let mut cursor = node.walk();
        for part in node.named_children(&mut cursor) {
            match part.kind() {
                "string" => text.push_str(&self.literal(part)?),
                "string_content" => text.push_str(self.of(part)),
                "interpolation" => text.push('…'),
                _ => {}
            }
        }
        Some(text)
    }
}

/// Adds a range unless it lies within the one before; nodes come in the order of their text.
fn outermost(ranges: &mut Vec<Range<usize>>, node: Option<Node<'_>>) {
    let Some(range) = node.map(|node| node.byte_range()) else { return };
    if ranges.last().is_none_or(|last| last.end <= range.start) {
        ranges.push(range);
    }
}

fn contains(ranges: &[Range<usize>], at: usize) -> bool {
    let after = ranges.partition_point(|range| range.start <= at);
    after.checked_sub(1).is_some_and(|last| ranges[last].contains(&at))
}

/// Follows the first name of a path to where it was imported from.
fn resolve(names: &Names, path: &str) -> String {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    match (names.paths.get(first), rest) {
        (Some(origin), Some(rest)) => format!("{origin}.{rest}"),
        (Some(origin), None) => origin.clone(),
        (None, _) => path.to_owned(),
    }
}

/// Every node below one, itself included.
pub(crate) fn below(node: Node<'_>) -> Vec<Node<'_>> {
    let (mut all, mut waiting) = (Vec::new(), vec![node]);
    while let Some(node) = waiting.pop() {
        all.push(node);
        let mut cursor = node.walk();
        waiting.extend(node.named_children(&mut cursor));
    }
    all
}

/// The arguments of a call.
pub(crate) struct Arguments<'t> {
    pub(crate) plain: Vec<Node<'t>>,
    pub(crate) named: Vec<(String, Node<'t>)>,
    /// Whether there may be more, behind `*` or `**`.
    pub(crate) is_open: bool,
}

impl<'t> Arguments<'t> {
    pub(crate) fn of(script: &Script<'_>, call: Node<'t>) -> Self {
        let mut arguments = Arguments { plain: Vec::new(), named: Vec::new(), is_open: false };
        let Some(list) = call.child_by_field_name("arguments") else { return arguments };
        let mut cursor = list.walk();
        for child in list.named_children(&mut cursor) {
            match child.kind() {
                "keyword_argument" => {
                    let (name, value) =
                        (child.child_by_field_name("name"), child.child_by_field_name("value"));
                    if let (Some(name), Some(value)) = (name, value) {
                        arguments.named.push((script.of(name).to_owned(), value));
                    }
                }
                "list_splat" | "dictionary_splat" => arguments.is_open = true,
                "comment" => {}
                _ => arguments.plain.push(child),
            }
        }
        arguments
    }

    /// The argument of this name, or at this place.
    pub(crate) fn get(&self, place: usize, name: &str) -> Option<Node<'t>> {
        self.named
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, node)| *node)
            .or_else(|| self.plain.get(place).copied())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.is_open || self.named.iter().any(|(n, _)| n == name)
    }
}
