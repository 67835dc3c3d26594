//! The tree of a configuration. Given the text of its file, and whatever gives those that it includes, it gives directives with their
//! arguments, places and blocks, or the first error of grammar as nginx words it; it never asks what a directive means.

use super::lexer::{Lexer, Stop, Token};
use crate::failure::{Failure, Outcome};
use std::fmt;
use std::sync::Arc;

/// Deeper than any configuration that is written by hand; it keeps a hostile file from exhausting the stack.
const DEEPEST: usize = 32;
/// So deep may files include each other; a file that includes itself never ends.
const MOST_FILES: usize = 16;

/// Where a directive stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Arc<str>,
    /// From 1; 0 where there are no lines.
    pub(crate) line: u32,
}

impl Place {
    /// An error of configuration at this place.
    pub(crate) fn error(&self, message: impl fmt::Display) -> Failure {
        let Self { file, line } = self;
        Failure::config(match line {
            0 => format!("[emerg] {message} in {file}"),
            _ => format!("[emerg] {message} in {file}:{line}"),
        })
    }
}

/// A directive: `name args...;` or `name args... { block }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directive {
    pub(crate) name: String,
    pub(crate) args: Vec<String>,
    pub(crate) block: Option<Vec<Directive>>,
    pub(crate) place: Place,
}

impl Directive {
    /// An error of this directive.
    pub(crate) fn error(&self, message: impl fmt::Display) -> Failure {
        self.place.error(message)
    }

    /// The argument at `index`, empty where there is none.
    pub(crate) fn arg(&self, index: usize) -> &str {
        self.args.get(index).map_or("", String::as_str)
    }

    /// The block's directives, none without a block.
    pub(crate) fn inner(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// What gives the files that an `include` names, as names and texts.
pub(crate) type Include<'a> = &'a dyn Fn(&Directive) -> Outcome<Vec<(String, String)>>;

/// Reads `text`, which came from `file`, and the files that it includes.
///
/// # Errors
/// The first error of grammar.
pub(crate) fn parse(file: &str, text: &str, include: Include<'_>) -> Outcome<Vec<Directive>> {
    Reader { include, files: 0, blocks: 0 }.read(file, text)
}

struct Reader<'a> {
    include: Include<'a>,
    /// Files that are being read, one inside of the other.
    files: usize,
    /// Blocks that are open in all of them.
    blocks: usize,
}

impl Reader<'_> {
    fn read(&mut self, file: &str, text: &str) -> Outcome<Vec<Directive>> {
        let file: Arc<str> = file.into();
        let mut lexer = Lexer::new(text);
        // The directive whose block is being read, and the directives before it, for every open block.
        let mut open: Vec<(Directive, Vec<Directive>)> = Vec::new();
        let mut level = Vec::new();
        let mut words: Vec<String> = Vec::new();
        loop {
            let token = lexer.token();
            let place = Place { file: Arc::clone(&file), line: lexer.line() };
            match token {
                Ok(Token::Word(word)) => words.push(word),
                Ok(Token::End) => {
                    let directive = directive(&mut words, ';', place)?;
                    match directive.name.as_str() {
                        "include" => level.extend(self.included(&directive)?),
                        _ => level.push(directive),
                    }
                }
                Ok(Token::Open) => {
                    let directive = directive(&mut words, '{', place)?;
                    if directive.name == "include" {
                        return Err(directive.error("directive \"include\" is not terminated by \";\""));
                    }
                    if self.blocks == DEEPEST {
                        return Err(directive.error(format_args!("blocks nest deeper than {DEEPEST}")));
                    }
                    self.blocks += 1;
                    open.push((directive, std::mem::take(&mut level)));
                }
                Ok(Token::Close) => match open.pop() {
                    Some((mut directive, before)) if words.is_empty() => {
                        self.blocks -= 1;
                        directive.block = Some(std::mem::replace(&mut level, before));
                        level.push(directive);
                    }
                    _ => return Err(place.error("unexpected \"}\"")),
                },
                Err(Stop::Unexpected(c)) => return Err(place.error(format_args!("unexpected \"{c}\""))),
                Err(Stop::Finished) if words.is_empty() && open.is_empty() => return Ok(level),
                Err(Stop::Finished) if words.is_empty() => {
                    return Err(place.error("unexpected end of file, expecting \"}\""));
                }
                Err(Stop::Finished | Stop::Cut) => {
                    return Err(place.error("unexpected end of file, expecting \";\" or \"}\""));
                }
            }
        }
    }

    /// The directives of the files that `directive` names, which stand in its place.
    fn included(&mut self, directive: &Directive) -> Outcome<Vec<Directive>> {
        if directive.args.len() != 1 {
            return Err(directive.error("invalid number of arguments in \"include\" directive"));
        }
        if self.files == MOST_FILES {
            return Err(directive.error(format_args!("files include each other deeper than {MOST_FILES}")));
        }
        self.files += 1;
        let mut level = Vec::new();
        for (name, text) in (self.include)(directive)? {
            level.extend(self.read(&name, &text)?);
        }
        self.files -= 1;
        Ok(level)
    }
}

fn directive(words: &mut Vec<String>, end: char, place: Place) -> Outcome<Directive> {
    if words.is_empty() {
        return Err(place.error(format_args!("unexpected \"{end}\"")));
    }
    let mut words = std::mem::take(words);
    let name = words.remove(0);
    Ok(Directive { name, args: words, block: None, place })
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;
    use proptest::prelude::*;

    fn parse(file: &str, text: &str) -> Outcome<Vec<Directive>> {
        super::parse(file, text, &|_| Ok(Vec::new()))
    }

    #[test]
    fn errors_are_worded_as_nginx_words_them() {
        let rows = [
            ("events {", "unexpected end of file, expecting \"}\" in f:1"),
            ("events {\n listen 80", "unexpected end of file, expecting \";\" or \"}\" in f:2"),
            ("x 'a", "unexpected end of file, expecting \";\" or \"}\" in f:1"),
            ("}", "unexpected \"}\" in f:1"),
            ("a {\nb }", "unexpected \"}\" in f:2"),
            ("a { b c ; \"d\" } ", "unexpected \"}\" in f:1"),
            (";", "unexpected \";\" in f:1"),
            ("\n{", "unexpected \"{\" in f:2"),
            ("\"a\"b;", "unexpected \"b\" in f:1"),
        ];
        for (text, want) in rows {
            let error = parse("f", text).expect_err(text);
            assert_eq!((error.code, error.message), (1, format!("[emerg] {want}")), "{text:?}");
        }
    }

    #[test]
    fn a_directive_knows_its_line_and_block() {
        let tree = parse("f", "a;\nb 1 '2 3' {\n  c;\n}\n").expect("a valid text");
        assert_eq!((tree[0].name.as_str(), tree[0].place.line, &tree[0].block), ("a", 1, &None));
        assert_eq!(
            (tree[1].args.as_slice(), tree[1].place.line),
            (&["1".to_owned(), "2 3".to_owned()][..], 2)
        );
        assert_eq!((tree[1].inner()[0].name.as_str(), tree[1].inner()[0].place.line), ("c", 3));
    }

    #[test]
    fn hostile_nesting_is_an_error() {
        assert!(parse("f", &"a{".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            laws::hold(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn what_is_read_prints_and_reads_back(text in "([a-c\\\\\"'${}; \n]|\\{ b;\\}|include c;){0,60}") {
            laws::hold(&text);
        }
    }
}
