//! What may go to a terminal. Text from a record, from a target or from a path is somebody else's: it must not move the
//! cursor, change colours or run backwards. Given any text, it gives one in which what a terminal would obey is spelt out.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with control characters (C0, DEL, C1) and those that change the direction of writing as `\u{1b}`; a tab or a line
/// end too, for it is one line.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if obeyed(c) {
            // Writing to a String does not fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// JSON as [`printable`], and still the same JSON: what is to be spelt out can only be inside a string there.
pub fn printable_json(text: &str) -> Cow<'_, str> {
    let spelt = |c: char| c != '\n' && obeyed(c);
    if !text.contains(spelt) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if spelt(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A command line as it can be typed into a shell again.
pub fn shell(words: &[String]) -> String {
    let quoted = |word: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,%+@".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_obey_is_spelt_out() {
        for (text, shown) in [
            ("plain, \u{e9} and \u{1f980}", "plain, \u{e9} and \u{1f980}"),
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("c1 \u{9b}2J del \u{7f}", "c1 \\u{9b}2J del \\u{7f}"),
            ("two\r\nlines\t", "two\\u{d}\\u{a}lines\\u{9}"),
            ("\u{202e}backwards", "\\u{202e}backwards"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn a_command_line_can_be_typed_again() {
        let words = ["loadgen", "--deploy-cmd", "sleep 20; echo 'done'", "", "--rps", "50"].map(String::from);
        assert_eq!(shell(&words), r"loadgen --deploy-cmd 'sleep 20; echo '\''done'\''' '' --rps 50");
    }

    proptest! {
        #[test]
        fn json_stays_the_same(text: String) {
            let json = serde_json::to_string_pretty(&[&text]).unwrap();
            let shown = printable_json(&json);
            prop_assert!(!shown.contains(|c: char| c != '\n' && obeyed(c)));
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), vec![text]);
        }
    }
}
