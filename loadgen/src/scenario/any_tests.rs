//! Scenario files and data of any content: they are read, or refused on one line that names the file; nothing panics.

use super::feed::{Feed, Pick};
use super::file;
use crate::failure::Failure;
use proptest::prelude::*;
use std::path::Path;

/// Whether this is one line that begins with the name of a file.
fn named(refused: &Failure, file: &str) -> Result<(), TestCaseError> {
    let message = &refused.message;
    prop_assert!(message.contains(file) && !message.trim_end().contains('\n'), "{}", message);
    Ok(())
}

/// The scenario that explains itself, which has every key, with a few changes: a line taken out or repeated, and bits of text
/// put in or taken out.
fn changed() -> impl Strategy<Value = String> {
    let bits =
        ["\"", "[", "]", "{{", "}}", "=", "\n", "#", "0", "-1", "1e999", "[[", "'", "\\", "/", "é", "\u{0}"];
    let change = (0u8..4, any::<prop::sample::Index>(), prop::sample::select(bits.to_vec()), 1usize..30);
    proptest::collection::vec(change, 1..4).prop_map(|changes| {
        let mut text = include_str!("../../scenarios/explained.toml").to_owned();
        for (change, place, bit, length) in changes {
            let mut lines: Vec<&str> = text.lines().collect();
            let line = place.index(lines.len());
            let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let at = place.index(starts.len());
            text = match change {
                0 => {
                    lines.remove(line);
                    lines.join("\n")
                }
                1 => {
                    lines.insert(line, lines[line]);
                    lines.join("\n")
                }
                2 => [&text[..starts[at]], bit, &text[starts[at]..]].concat(),
                _ => {
                    let end = starts.get(at + length).copied().unwrap_or(text.len());
                    [&text[..starts[at]], &text[end..]].concat()
                }
            };
        }
        text
    })
}

proptest! {
    #[test]
    fn a_scenario_with_any_changes_is_read_or_refused_by_name(text in changed()) {
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        if let Err(refused) = file::read("changed.toml", &text, &scenarios) {
            let csv = refused.message.contains(".csv:") || refused.message.contains(".json");
            if !csv {
                named(&refused, "changed.toml")?;
            }
        }
    }

    #[test]
    fn data_of_any_bytes_is_read_or_refused_by_name(
        rows in prop_oneof![
            "[a-c,\"\n ]{0,60}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..60),
        ],
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("any.csv");
        std::fs::write(&path, rows).unwrap();
        if let Err(refused) = Feed::read("any", &path, Pick::Unique, 0) {
            named(&refused, "any.csv")?;
        }
    }
}
