//! Regular expressions of the configuration. Given a pattern, it gives a compiled one, or why it is refused; given a text, whether
//! that matches and what the groups caught. Time is linear in the text whatever the pattern: what PCRE can only do by
//! going back, look-around and references to groups, there is not.

use super::dialect;
use crate::proxy::variables::Names;
use regex::bytes::{Regex, RegexBuilder};
use std::ops::Range;
use std::sync::Arc;

/// A pattern, which is matched byte by byte as nginx matches it.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    regex: Regex,
    text: String,
    /// The named groups, with the variables that they set.
    named: Arc<[(usize, usize)]>,
}

/// What the groups of an expression caught in a text.
#[derive(Clone, Debug)]
pub(crate) struct Captured {
    text: Vec<u8>,
    groups: Vec<Option<Range<usize>>>,
    named: Arc<[(usize, usize)]>,
}

impl Expression {
    /// Compiles `text`; the variables of its named groups are among `names`.
    ///
    /// # Errors
    /// Why it cannot be used, in one line.
    pub(crate) fn compile(text: &str, caseless: bool, names: &Names) -> Result<Self, String> {
        let regex = build(text, caseless)?;
        let mut named = Vec::new();
        for (group, name) in regex.capture_names().enumerate() {
            let Some(name) = name else { continue };
            named.push((group, names.settable(name)?));
        }
        Ok(Self { regex, text: text.to_owned(), named: named.into() })
    }

    /// The pattern as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it has groups that catch something.
    pub(crate) fn has_groups(&self) -> bool {
        self.regex.captures_len() > 1
    }

    /// What it catches in `text`, or `None` when it does not match. Without groups nothing is copied.
    pub(crate) fn matches(&self, text: &[u8]) -> Option<Captured> {
        if !self.has_groups() {
            return self.regex.is_match(text).then(|| Captured {
                text: Vec::new(),
                groups: Vec::new(),
                named: Arc::clone(&self.named),
            });
        }
        let caught = self.regex.captures(text)?;
        let groups = caught.iter().skip(1).map(|group| group.map(|group| group.range())).collect();
        Some(Captured { text: text.to_vec(), groups, named: Arc::clone(&self.named) })
    }
}

impl Captured {
    /// Whether the expression has no groups.
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// What group `number`, counted from 1, caught.
    pub(crate) fn group(&self, number: usize) -> &[u8] {
        let range = number.checked_sub(1).and_then(|index| self.groups.get(index)?.clone());
        range.and_then(|range| self.text.get(range)).unwrap_or_default()
    }

    /// The variables that the named groups set, with their values.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.named.iter().map(|&(group, variable)| (variable, self.group(group)))
    }
}

/// The names of the groups of a pattern, if it is one.
pub(crate) fn group_names(text: &str) -> Vec<String> {
    let names = |regex: Regex| regex.capture_names().flatten().map(str::to_owned).collect();
    build(text, false).map(names).unwrap_or_default()
}

fn build(text: &str, caseless: bool) -> Result<Regex, String> {
    if let Some(what) = dialect::misread(text) {
        return Err(format!("invalid regular expression \"{text}\": {what}"));
    }
    RegexBuilder::new(text).unicode(false).case_insensitive(caseless).build().map_err(|error| {
        // The parser draws the place on lines of its own; the reason is on the last one.
        let error = error.to_string();
        let reason = error.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or(&error);
        format!("invalid regular expression \"{text}\": {reason}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(text: &str) -> Expression {
        Expression::compile(text, false, &Names::default()).expect(text)
    }

    #[test]
    fn groups_are_told_by_number() {
        let caught = expression("^/(a)?(b)(.*)$").matches(b"/bc\xff").expect("a match");
        let groups: Vec<&[u8]> = (0..5).map(|number| caught.group(number)).collect();
        assert_eq!(groups, [&b""[..], b"", b"b", b"c\xff", b""]);
        assert!(expression("^/a$").matches(b"/b").is_none());
    }

    #[test]
    fn what_needs_going_back_is_refused_in_one_line() {
        let rows = [
            ("(?=a)", "look-around, including look-ahead and look-behind, is not supported"),
            ("(?<!a)b", "look-around, including look-ahead and look-behind, is not supported"),
            ("(a)\\1", "backreferences are not supported"),
            ("(", "unclosed group"),
            ("a**+(?>b)", "unrecognized flag"),
        ];
        for (text, reason) in rows {
            let error = Expression::compile(text, false, &Names::default()).expect_err(text);
            assert_eq!(error, format!("invalid regular expression \"{text}\": {reason}"));
        }
    }

    #[test]
    fn a_pattern_that_ruins_others_is_harmless() {
        let text = "a".repeat(1 << 16);
        assert!(expression("^(a+)+$").matches(format!("{text}!").as_bytes()).is_none());
        assert!(expression("^(a|aa|a*)*$").matches(text.as_bytes()).is_some());
    }
}
