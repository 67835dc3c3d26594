//! What PCRE, which nginx's expressions are written for, reads otherwise than the parser here. Given a pattern, it says which part of it
//! would silently mean something else. What the parser does not know at all it says itself.

use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{
    AssertionKind, Ast, ClassSetBinaryOp, ClassSetItem, Flag, Flags, FlagsItemKind, GroupKind, LiteralKind,
    SpecialLiteralKind, Visitor, visit,
};

/// The part of `text` that would be misread, if there is one.
pub(super) fn misread(text: &str) -> Option<&'static str> {
    // What is no expression at all has another error, which is the compiler's to say.
    let ast = Parser::new().parse(text).ok()?;
    visit(&ast, Reader).err()
}

struct Reader;

impl Visitor for Reader {
    type Output = ();
    type Err = &'static str;

    fn finish(self) -> Result<(), &'static str> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), &'static str> {
        match ast {
            Ast::Repetition(outer) if matches!(*outer.ast, Ast::Repetition(_)) => {
                Err("possessive quantifiers are not supported")
            }
            Ast::Literal(literal)
                if literal.kind == LiteralKind::Special(SpecialLiteralKind::VerticalTab) =>
            {
                Err("\\v is not supported")
            }
            Ast::Flags(set) => flags(&set.flags),
            Ast::Group(group) => match &group.kind {
                GroupKind::NonCapturing(set) => flags(set),
                _ => Ok(()),
            },
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::StartText
                | AssertionKind::EndText
                | AssertionKind::StartLine
                | AssertionKind::EndLine
                | AssertionKind::WordBoundary
                | AssertionKind::NotWordBoundary => Ok(()),
                _ => Err("\\<, \\> and parts of word boundaries are not supported"),
            },
            _ => Ok(()),
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), &'static str> {
        match item {
            ClassSetItem::Bracketed(_) => Err("an opening bracket in a class has to be escaped"),
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, _: &ClassSetBinaryOp) -> Result<(), &'static str> {
        Err("&&, -- and ~~ in a class have to be escaped")
    }
}

/// `R` is recursion to PCRE, and `u` nothing.
fn flags(flags: &Flags) -> Result<(), &'static str> {
    let unknown = |kind: &FlagsItemKind| matches!(kind, FlagsItemKind::Flag(Flag::CRLF | Flag::Unicode));
    let found = flags.items.iter().any(|item| unknown(&item.kind));
    if found { Err("recursion and the flags R and u are not supported") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_passes() {
        for text in [
            "^/(?<a>[^/]+)/(\\d{1,3})(?:x|y)*?$",
            "(?i)a.b\\.\\w",
            "[[:alpha:]_-]+\\b",
            "(a+)+",
            "[\\[\\]&a-z-]",
            "\\A\\x41\\t\\/\\-",
            "(?P<x>.)",
            "(",
        ] {
            assert_eq!(misread(text), None, "{text}");
        }
    }

    #[test]
    fn what_means_something_else_is_told() {
        for (text, part) in [
            ("a++", "possessive"),
            ("^(a*+)b", "possessive"),
            ("a{2}+", "possessive"),
            ("(?R)", "recursion"),
            ("(?u:a)", "flags"),
            ("\\<a", "\\<"),
            ("\\b{start}a", "word boundaries"),
            ("[a&&b]", "&&"),
            ("[+--]", "--"),
            ("[a[b]]", "bracket"),
            ("\\v", "\\v"),
        ] {
            assert!(misread(text).is_some_and(|what| what.contains(part)), "{text}: {:?}", misread(text));
        }
    }
}
