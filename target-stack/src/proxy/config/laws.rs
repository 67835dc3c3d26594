//! What has to hold of the configuration's grammar for any text at all. Given a text, it reads it, and panics where what was read
//! does not print and read back as itself. The tests of `tree` and the fuzz target (`target-stack/fuzz`) share it.

use super::tree::{Directive, Place, parse};
use crate::failure::Outcome;

/// The text that stands in for every included file.
const INCLUDED: &str = "b 1 { c; }";

/// Holds the grammar to its laws.
pub(crate) fn hold(text: &str) {
    let tree = match parse("f", text, &include) {
        Ok(tree) => tree,
        Err(error) => return refused(text, &error.message),
    };
    let mut printed = String::new();
    print(&tree, &mut printed);
    let again = match parse("f", &printed, &include) {
        Ok(again) => again,
        Err(error) => panic!("{printed:?} is not read again: {error}"),
    };
    assert_eq!(without_places(again), without_places(tree), "{printed:?}");
}

fn include(_: &Directive) -> Outcome<Vec<(String, String)>> {
    Ok(vec![("g".to_owned(), INCLUDED.to_owned())])
}

/// An error says where it is: at a line that there is.
fn refused(text: &str, message: &str) {
    let line = message.rsplit_once(':').and_then(|(_, line)| line.parse::<usize>().ok());
    let lines = text.matches('\n').count() + 1;
    assert!(
        message.starts_with("[emerg] ") && line.is_some_and(|line| (1..=lines).contains(&line)),
        "{message}"
    );
}

/// A tree as text that reads back as the same tree.
fn print(directives: &[Directive], out: &mut String) {
    for directive in directives {
        for word in std::iter::once(&directive.name).chain(&directive.args) {
            out.push('"');
            out.push_str(&word.replace('\\', "\\\\").replace('"', "\\\""));
            out.push_str("\" ");
        }
        match &directive.block {
            None => out.push_str(";\n"),
            Some(block) => {
                out.push_str("{\n");
                print(block, out);
                out.push_str("}\n");
            }
        }
    }
}

fn without_places(mut directives: Vec<Directive>) -> Vec<Directive> {
    for directive in &mut directives {
        directive.place = Place { file: "".into(), line: 0 };
        directive.block = directive.block.take().map(without_places);
    }
    directives
}
