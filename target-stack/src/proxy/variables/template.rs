//! A text with variables, compiled. Given the text, it gives its parts, or nginx's error for an unknown name; given an exchange, the
//! parts give bytes.

use super::map::Mapped;
use super::{Names, Variable};
use crate::proxy::exchange::Exchange;
use crate::proxy::location::escape_argument;
use crate::proxy::rewrite::Captured;
use http::HeaderName;

/// A text whose variables are resolved to what they read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

impl Template {
    /// Compiles `text`, in which the variables of `names` are known beside those that are always there.
    ///
    /// # Errors
    /// nginx's words for an unknown or malformed variable, without a place.
    pub(crate) fn compile(text: &str, names: &Names) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            if at > 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            let after = &rest[at + 1..];
            if let Some(digit @ b'1'..=b'9') = after.bytes().next() {
                parts.push(Part::Variable(Variable::Group(usize::from(digit - b'0'))));
                rest = &after[1..];
                continue;
            }
            let (name, left) = if let Some(braced) = after.strip_prefix('{') {
                let end = braced
                    .find(|c: char| !is_name(c))
                    .filter(|&end| braced[end..].starts_with('}'))
                    .ok_or_else(|| format!("the closing bracket in \"{braced}\" variable is missing"))?;
                (&braced[..end], &braced[end + 1..])
            } else {
                after.split_at(after.find(|c: char| !is_name(c)).unwrap_or(after.len()))
            };
            if name.is_empty() {
                return Err("invalid variable name".to_owned());
            }
            parts.push(Part::Variable(
                Variable::find(&name.to_ascii_lowercase(), names)
                    .ok_or_else(|| format!("unknown \"{name}\" variable"))?,
            ));
            rest = left;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// A text in which a dollar is a dollar.
    pub(crate) fn plain(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }

    /// The same text after another one, which is taken as it is.
    pub(crate) fn after(mut self, text: &str) -> Self {
        match self.0.first_mut() {
            Some(Part::Text(first)) => first.insert_str(0, text),
            _ => self.0.insert(0, Part::Text(text.to_owned())),
        }
        self
    }

    /// Whether it has no variables.
    pub(crate) fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Whether it begins with text, and not with a variable.
    pub(crate) fn begins_with_text(&self) -> bool {
        matches!(self.0.first(), None | Some(Part::Text(_)))
    }

    /// Whether there is a question mark beside the variables.
    pub(crate) fn has_question_mark(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Text(text) if text.contains('?')))
    }

    /// Whether the text needs the answer's header fields when it is written.
    pub(crate) fn reads_sent_headers(&self) -> bool {
        self.any(&|variable| matches!(variable, Variable::SentHttp(_)))
    }

    /// Whether the text needs the header fields of the upstream's answer when it is written.
    pub(crate) fn reads_upstream_headers(&self) -> bool {
        self.any(&|variable| matches!(variable, Variable::UpstreamHttp(_)))
    }

    /// Whether the text has a field of the request in it as it came, and nothing that was made of it.
    pub(crate) fn has_request_field(&self, field: &HeaderName) -> bool {
        self.variables().any(|variable| matches!(variable, Variable::Http(name) if name == field))
    }

    /// Whether `test` holds of one of its variables, or of one that they are made of.
    pub(super) fn any(&self, test: &dyn Fn(&Variable) -> bool) -> bool {
        self.variables().any(|variable| variable.any(test))
    }

    /// The variables of `map` in it.
    pub(super) fn maps(&self) -> impl Iterator<Item = &Mapped> {
        self.variables().filter_map(|variable| match variable {
            Variable::Mapped(map) => Some(map),
            Variable::Replaced(_, own) => match own.as_ref() {
                Variable::Mapped(map) => Some(map),
                _ => None,
            },
            _ => None,
        })
    }

    fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Variable(variable) => Some(variable),
        })
    }

    /// Whether the text for `exchange` is neither empty nor 0.
    pub(crate) fn holds(&self, exchange: &Exchange) -> bool {
        !matches!(self.render(exchange).as_slice(), b"" | b"0")
    }

    /// Appends the text for `exchange` to `out`; `value` treats what a variable gives (an empty value included).
    pub(crate) fn write(&self, exchange: &Exchange, out: &mut Vec<u8>, value: fn(&mut Vec<u8>, usize)) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Variable(variable) => {
                    let start = out.len();
                    variable.write(exchange, out);
                    value(out, start);
                }
            }
        }
    }

    /// Appends the text for `exchange` in which groups are those of `caught`.
    pub(super) fn write_caught(&self, exchange: &Exchange, caught: Option<&Captured>, out: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Variable(variable) => match caught.and_then(|caught| variable.caught(caught)) {
                    Some(value) => out.extend_from_slice(value),
                    None => variable.write(exchange, out),
                },
            }
        }
    }

    /// The text for `exchange`.
    pub(crate) fn render(&self, exchange: &Exchange) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(exchange, &mut out, |_, _| {});
        out
    }

    /// The same with groups escaped as arguments, where the path that they are of came with escapes.
    pub(crate) fn render_escaped(&self, exchange: &Exchange) -> Vec<u8> {
        if !exchange.came_escaped() {
            return self.render(exchange);
        }
        let mut out = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Variable(Variable::Group(number)) => escape_argument(exchange.group(*number), &mut out),
                Part::Variable(variable) => variable.write(exchange, &mut out),
            }
        }
        out
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_compiles_to_parts() {
        let text = |t: &str| Part::Text(t.to_owned());
        let mut names = Names::default();
        names.add("Mine");
        names.add("http_x");
        let rows = [
            ("", vec![]),
            ("plain", vec![text("plain")]),
            ("$uri", vec![Part::Variable(Variable::Uri)]),
            ("$URI", vec![Part::Variable(Variable::Uri)]),
            (
                "a${status}b$host:",
                vec![
                    text("a"),
                    Part::Variable(Variable::Status),
                    text("b"),
                    Part::Variable(Variable::Host),
                    text(":"),
                ],
            ),
            ("$arg_n", vec![Part::Variable(Variable::Arg("n".to_owned()))]),
            ("$http_user_agent", vec![Part::Variable(Variable::Http(http::header::USER_AGENT))]),
            ("$10", vec![Part::Variable(Variable::Group(1)), text("0")]),
            ("$mine", vec![Part::Variable(Variable::User(0))]),
            (
                "$http_x",
                vec![Part::Variable(Variable::Replaced(
                    1,
                    Box::new(Variable::Http(HeaderName::from_static("x"))),
                ))],
            ),
        ];
        for (given, want) in rows {
            assert_eq!(Template::compile(given, &names), Ok(Template(want)), "{given}");
        }
    }

    #[test]
    fn unknown_and_malformed_variables_are_named() {
        let rows = [
            ("$foo", "unknown \"foo\" variable"),
            ("x ${bar} y", "unknown \"bar\" variable"),
            ("${foo", "the closing bracket in \"foo\" variable is missing"),
            ("a$", "invalid variable name"),
            ("$-", "invalid variable name"),
            ("$0", "unknown \"0\" variable"),
        ];
        for (given, want) in rows {
            assert_eq!(Template::compile(given, &Names::default()), Err(want.to_owned()), "{given}");
        }
    }
}
