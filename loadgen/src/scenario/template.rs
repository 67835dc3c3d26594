//! Text with `{{variables}}`. Given text and the names in scope, it gives the pieces of it; given a session's values, it
//! appends the text to a buffer. It knows where a value is going, so that none can break out of a request's framing,
//! and gives text without variables as it stands.

use crate::nearest::nearest;

/// Where a variable's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    /// A column of the row that the session was given.
    Column {
        /// The number of the file.
        feed: usize,
        /// The number of the column.
        column: usize,
    },
    /// The number of a generator.
    Generated(usize),
    /// The number of a value taken from an earlier answer of the session.
    Extracted(usize),
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// As it is.
    Plain,
    /// Into a request's target: what would end the target is percent-encoded.
    Target,
    /// As the whole beginning of a target: the same, and a URL loses its scheme, host and fragment.
    Place,
    /// Into a header field: control characters become spaces.
    Field,
    /// All but RFC 3986's unreserved characters are percent-encoded.
    Url,
    /// Into a JSON string.
    Json,
}

/// What may be named, and by what name.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    names: Vec<(String, Variable)>,
}

/// Text with variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Fixed(Vec<u8>),
    Value(Variable, Filter),
}

impl Scope {
    /// Adds a name.
    ///
    /// # Errors
    /// When it is no name, or already stands for something else.
    pub(super) fn add(&mut self, name: &str, variable: Variable) -> Result<(), String> {
        check_name(name)?;
        match self.names.iter().find(|(have, _)| have == name) {
            Some((_, have)) if *have != variable => {
                Err(format!("`{name}` is the name of another variable already"))
            }
            Some(_) => Ok(()),
            None => {
                self.names.push((name.to_owned(), variable));
                Ok(())
            }
        }
    }

    fn find(&self, name: &str) -> Result<Variable, String> {
        let found = self.names.iter().find(|(have, _)| have == name);
        found.map(|(_, variable)| *variable).ok_or_else(|| {
            let hint = nearest(name, self.names.iter().map(|(name, _)| name.as_str()));
            format!(
                "`{{{{{name}}}}}` is not defined here: no data, no generator, and no earlier step of this interaction gives it{hint}"
            )
        })
    }
}

/// Whether this can be the name of a variable or, with dots, of a column.
///
/// # Errors
/// When it cannot.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.is_empty() && name.chars().all(allowed) {
        return Ok(());
    }
    Err(format!("`{name}` is no name for a variable: use letters, digits, - and _"))
}

impl Text {
    /// Reads `text`; a variable without a filter of its own gets `default`.
    ///
    /// # Errors
    /// When a variable is not in scope, a filter is none, or a brace stays open.
    pub(super) fn parse(text: &str, default: Filter, scope: &Scope) -> Result<Self, String> {
        let (mut parsed, mut rest) = (Self::default(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let (inside, after) =
                after.split_once("}}").ok_or_else(|| String::from("`{{` without `}}` after it"))?;
            parsed.push(before.as_bytes());
            let (name, filter) = match inside.split_once('|') {
                None => (inside.trim(), default),
                Some((name, "url")) => (name.trim(), Filter::Url),
                Some((name, "json")) => (name.trim(), Filter::Json),
                Some((_, other)) => return Err(format!("`{other}` is no filter; there are url and json")),
            };
            parsed.parts.push(Part::Value(scope.find(name)?, filter));
            rest = after;
        }
        parsed.push(rest.as_bytes());
        Ok(parsed)
    }

    /// Text without variables.
    pub(super) fn fixed(bytes: impl Into<Vec<u8>>) -> Self {
        let mut text = Self::default();
        text.push(&bytes.into());
        text
    }

    /// The same with what is fixed in it written as values are.
    pub(super) fn written(mut self, filter: Filter) -> Self {
        for part in &mut self.parts {
            if let Part::Fixed(bytes) = part {
                filter.apply(0, bytes);
            }
        }
        self
    }

    /// Appends bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self.parts.last_mut() {
            _ if bytes.is_empty() => {}
            Some(Part::Fixed(last)) => last.extend_from_slice(bytes),
            _ => self.parts.push(Part::Fixed(bytes.to_vec())),
        }
    }

    /// Appends other text.
    pub(super) fn append(&mut self, other: &Self) {
        for part in &other.parts {
            match part {
                Part::Fixed(bytes) => self.push(bytes),
                Part::Value(..) => self.parts.push(part.clone()),
            }
        }
    }

    /// The bytes, when there is no variable in them.
    pub(super) fn as_fixed(&self) -> Option<&[u8]> {
        match &*self.parts {
            [] => Some(&[]),
            [Part::Fixed(bytes)] => Some(bytes),
            _ => None,
        }
    }

    /// What is written in the file, with `x` for every variable: for whoever wants to know whether the rest is sound.
    pub(super) fn sample(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.render(|_, out| out.push(b'x'), &mut out);
        out
    }

    /// The variables in it.
    pub(super) fn variables(&self) -> impl Iterator<Item = Variable> {
        self.parts.iter().filter_map(|part| match part {
            Part::Fixed(_) => None,
            Part::Value(variable, _) => Some(*variable),
        })
    }

    /// A target that begins with a variable may be given a whole URL.
    pub(super) fn begin_with_place(&mut self) {
        if let Some(Part::Value(_, filter @ Filter::Target)) = self.parts.first_mut() {
            *filter = Filter::Place;
        }
    }

    /// Appends the text to `out`; `value` appends what a variable stands for.
    pub(super) fn render(&self, value: impl Fn(Variable, &mut Vec<u8>), out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Fixed(bytes) => out.extend_from_slice(bytes),
                Part::Value(variable, filter) => {
                    let start = out.len();
                    value(*variable, out);
                    filter.apply(start, out);
                }
            }
        }
    }
}

impl Filter {
    /// Rewrites the value that begins at `start` in `out`.
    fn apply(self, start: usize, out: &mut Vec<u8>) {
        if self == Self::Place {
            let cut = authority_end(&out[start..]);
            out.drain(start..start + cut);
            // A fragment is for whoever follows the URL, and is never sent (RFC 9110, section 4.2.5).
            if let Some(fragment) = out[start..].iter().position(|byte| *byte == b'#') {
                out.truncate(start + fragment);
            }
            if out.get(start) != Some(&b'/') {
                out.insert(start, b'/');
            }
        }
        if out[start..].iter().all(|byte| self.passes(*byte)) {
            return;
        }
        for byte in out.split_off(start) {
            match self {
                _ if self.passes(byte) => out.push(byte),
                Self::Plain => out.push(byte),
                Self::Field => out.push(b' '),
                Self::Target | Self::Place | Self::Url => percent(byte, out),
                Self::Json => escape(byte, out),
            }
        }
    }

    /// Whether this byte is written as it is.
    pub(super) fn passes(self, byte: u8) -> bool {
        match self {
            Self::Plain => true,
            // RFC 3986's characters, and the percent sign of what is encoded already.
            Self::Target | Self::Place => byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte),
            // RFC 9110, section 5.5.
            Self::Field => byte == b'\t' || (byte >= b' ' && byte != 0x7f),
            Self::Url => byte.is_ascii_alphanumeric() || b"-._~".contains(&byte),
            Self::Json => byte >= b' ' && byte != b'"' && byte != b'\\',
        }
    }
}

/// Where the path of `http://host/path` begins; 0 when it is none.
fn authority_end(url: &[u8]) -> usize {
    let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| url.starts_with(scheme));
    scheme.map_or(0, |scheme| {
        let rest = &url[scheme.len()..];
        scheme.len() + rest.iter().position(|byte| b"/?".contains(byte)).unwrap_or(rest.len())
    })
}

fn percent(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend([b'\\', byte]),
        control => out.extend(format!("\\u{control:04x}").bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        let mut scope = Scope::default();
        scope.add("users.name", Variable::Column { feed: 0, column: 0 }).unwrap();
        scope.add("id", Variable::Generated(0)).unwrap();
        scope
    }

    fn rendered(text: &str, filter: Filter, value: &str) -> String {
        let mut text = Text::parse(text, filter, &scope()).unwrap();
        text.begin_with_place();
        let mut out = b">".to_vec();
        text.render(|_, out| out.extend_from_slice(value.as_bytes()), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_stand_in_the_place_of_their_names() {
        for (text, filter, value, want) in [
            ("a", Filter::Plain, "v", ">a"),
            ("", Filter::Plain, "v", ">"),
            ("{{id}}", Filter::Plain, "v", ">v"),
            ("/p/{{ id }}?n={{users.name}}&", Filter::Target, "7", ">/p/7?n=7&"),
            ("}} {id} {{id}}", Filter::Plain, "v", ">}} {id} v"),
        ] {
            assert_eq!(rendered(text, filter, value), want, "{text}");
        }
    }

    #[test]
    fn no_value_breaks_out_of_its_place() {
        for (text, filter, value, want) in [
            ("/{{id}}", Filter::Target, "a b\r\nX: y", ">/a%20b%0D%0AX:%20y"),
            ("/{{id}}", Filter::Target, "a?b=c&d=%20", ">/a?b=c&d=%20"),
            ("/?q={{id|url}}", Filter::Target, "a&b=ä", ">/?q=a%26b%3D%C3%A4"),
            ("{{id}}", Filter::Target, "http://h:1/cart?id=5", ">/cart?id=5"),
            ("{{id}}", Filter::Target, "https://h", ">/"),
            ("{{id}}", Filter::Target, "cart", ">/cart"),
            ("{{id}}/x", Filter::Target, "/cart", ">/cart/x"),
            ("{{id}}", Filter::Target, "http://h/cart?id=5#top", ">/cart?id=5"),
            ("{{id}}?n=1", Filter::Target, "#top", ">/?n=1"),
            ("/p/{{id}}", Filter::Target, "a#b", ">/p/a%23b"),
            ("v={{id}}", Filter::Field, "a\r\nEvil: b", ">v=a  Evil: b"),
            ("{{id}}", Filter::Json, "say \"a\\b\"\n", r#">say \"a\\b\"\u000a"#),
            (r#"{"a":"{{id|json}}"}"#, Filter::Plain, "\"", r#">{"a":"\""}"#),
        ] {
            assert_eq!(rendered(text, filter, value), want, "{text} with {value}");
        }
    }

    #[test]
    fn text_without_variables_is_known_to_be_so() {
        let parse = |text| Text::parse(text, Filter::Plain, &scope()).unwrap();
        assert_eq!(parse("abc").as_fixed(), Some(&b"abc"[..]));
        assert_eq!(parse("").as_fixed(), Some(&b""[..]));
        assert_eq!(parse("a{{id}}").as_fixed(), None);
        let mut text = parse("a");
        text.append(&parse("b{{id}}"));
        text.append(&parse("c"));
        text.push(b"d");
        assert_eq!(text, parse("ab{{id}}cd"));
        assert_eq!(text.sample(), b"abxcd");
    }

    #[test]
    fn what_is_wrong_with_a_text() {
        for (text, part) in [
            ("{{ids}}", "did you mean `id`?"),
            ("{{token}}", "no earlier step"),
            ("{{}}", "not defined"),
            ("a {{id", "without `}}`"),
            ("{{id|upper}}", "no filter"),
        ] {
            let error = Text::parse(text, Filter::Plain, &scope()).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(scope().add("a b", Variable::Generated(1)).is_err());
        assert!(scope().add("id", Variable::Generated(1)).is_err());
    }
}
