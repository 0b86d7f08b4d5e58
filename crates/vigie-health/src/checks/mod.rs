//! One look.

mod exec;
mod http;
mod role;
mod tcp;

use crate::limits::DETAIL_BYTES_MAX;
use crate::outside::Outside;
use crate::spec::{CheckSpec, Target};
use crate::verdict::Verdict;
use std::time::Duration;
use tokio::time::Instant;

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is to be thought of it.
    pub verdict: Verdict,
    /// Why, in one line.
    pub detail: String,
    /// How long the look took.
    pub took: Duration,
}

/// A verdict and why.
type Found = (Verdict, String);

/// Looks once, for at most the check's own time, or else `time_limit`.
pub async fn check_once(spec: &CheckSpec, outside: &Outside, time_limit: Duration) -> Finding {
    let began = Instant::now();
    let limit = spec.time_limit.unwrap_or(time_limit);
    let look = async {
        match &spec.target {
            Target::Tcp { address } => tcp::look(address).await,
            Target::Http { .. } => http::look(&spec.target).await,
            Target::Exec { line } => exec::look(line, outside, limit).await,
            Target::Role { group, role } => role::look(group, *role, &outside.roles.borrow()),
        }
    };
    let (verdict, detail) = match &spec.target {
        // Whoever runs a command ends it in time, and with a grace.
        Target::Exec { .. } => look.await,
        _ => match tokio::time::timeout(limit, look).await {
            Ok(found) => found,
            Err(_) => (Verdict::Critical, format!("no answer within {limit:?}")),
        },
    };
    Finding { verdict, detail: one_line(&detail, DETAIL_BYTES_MAX), took: began.elapsed() }
}

/// Text of any origin as one short line without control characters.
pub(crate) fn one_line(text: &str, bytes_max: usize) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > bytes_max {
            let end = line.floor_char_boundary(bytes_max.saturating_sub('…'.len_utf8()));
            line.truncate(end);
            line.push('…');
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_one_short_line() {
        assert_eq!(one_line(" a\r\n\tb\x1b[31m c\0", 100), "a b [31m c");
        assert_eq!(one_line(&"é".repeat(1000), 11), "éééé…");
        assert_eq!(one_line(&"ab ".repeat(1000), 10), "ab ab a…");
        assert_eq!(one_line("", 10), "");
    }
}
