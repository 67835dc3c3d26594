//! A TOML file whose every value knows its line. Given a file's text, it gives tables of which all keys are known, and
//! values of the kind that is asked for; whatever is otherwise becomes one line, `file:line: reason`.

use crate::failure::{Failure, Outcome};
use crate::nearest::nearest;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A file, read.
#[derive(Debug)]
pub(super) struct Source<'s> {
    name: &'s str,
    text: &'s str,
}

/// A value at its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'s> {
    source: &'s Source<'s>,
    value: &'s DeValue<'s>,
    at: usize,
}

/// A table of which all keys are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'s> {
    source: &'s Source<'s>,
    table: &'s DeTable<'s>,
    at: usize,
}

impl<'s> Source<'s> {
    /// The file called `name`, with what stands in it.
    pub(super) fn new(name: &'s str, text: &'s str) -> Self {
        Self { name, text }
    }

    /// Reads the syntax.
    ///
    /// # Errors
    /// When it is no TOML.
    pub(super) fn parse(&self) -> Outcome<Spanned<DeTable<'s>>> {
        DeTable::parse(self.text).map_err(|e| {
            let reason = e.message().replace('\n', ", ");
            self.wrong(e.span().map_or(0, |span| span.start), format!("this is no TOML: {reason}"))
        })
    }

    /// The whole file as a table.
    ///
    /// # Errors
    /// When it has a key that is not `known`.
    pub(super) fn top(&'s self, table: &'s Spanned<DeTable<'s>>, known: &[&str]) -> Outcome<Table<'s>> {
        Table::new(self, table.get_ref(), 0, known)
    }

    fn wrong(&self, at: usize, reason: impl std::fmt::Display) -> Failure {
        let line = 1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        Failure::usage(format!("{}:{line}: {reason}", self.name))
    }
}

impl<'s> Table<'s> {
    fn new(source: &'s Source<'s>, table: &'s DeTable<'s>, at: usize, known: &[&str]) -> Outcome<Self> {
        let mut unknown: Vec<&Spanned<DeString<'s>>> =
            table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())).collect();
        unknown.sort_by_key(|key| key.span().start);
        match unknown.first() {
            None => Ok(Self { source, table, at }),
            Some(key) => {
                let hint = nearest(key.get_ref(), known.iter().copied());
                Err(source.wrong(key.span().start, format!("unknown key `{}`{hint}", key.get_ref())))
            }
        }
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &str) -> Option<Value<'s>> {
        let value = self.table.get(key)?;
        Some(Value { source: self.source, value: value.get_ref(), at: value.span().start })
    }

    /// The value of a key.
    ///
    /// # Errors
    /// When it is not there; `what` says what is missing.
    pub(super) fn need(&self, key: &str, what: &str) -> Outcome<Value<'s>> {
        self.get(key).ok_or_else(|| self.wrong(format!("{what} needs `{key}`")))
    }

    /// The one of these keys that is there, if any is.
    ///
    /// # Errors
    /// When more than one is.
    pub(super) fn one_of(&self, keys: &[&'static str]) -> Outcome<Option<(&'static str, Value<'s>)>> {
        let mut found = keys.iter().filter_map(|key| Some((*key, self.get(key)?)));
        match (found.next(), found.next()) {
            (Some((one, _)), Some((other, value))) => {
                Err(value.wrong(format!("`{one}` and `{other}` exclude each other")))
            }
            (found, _) => Ok(found),
        }
    }

    /// What is wrong with it as a whole.
    pub(super) fn wrong(&self, reason: impl std::fmt::Display) -> Failure {
        self.source.wrong(self.at, reason)
    }
}

impl<'s> Value<'s> {
    /// What is wrong with it.
    pub(super) fn wrong(&self, reason: impl std::fmt::Display) -> Failure {
        self.source.wrong(self.at, reason)
    }

    fn other(&self, wanted: &str) -> Failure {
        self.wrong(format!("this is of type {}, and has to be {wanted}", self.value.type_str()))
    }

    /// Whether it is text.
    pub(super) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    /// Whether it is a table.
    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// Text.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn text(&self) -> Outcome<&'s str> {
        self.value.as_str().ok_or_else(|| self.other("text"))
    }

    /// Text, or a number as it is written.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn word(&self) -> Outcome<&'s str> {
        match self.value {
            DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str()),
            DeValue::Float(number) => Ok(number.as_str()),
            DeValue::Boolean(flag) => Ok(if *flag { "true" } else { "false" }),
            _ => self.text(),
        }
    }

    /// A number.
    ///
    /// # Errors
    /// When it is something else, or not finite.
    pub(super) fn number(&self) -> Outcome<f64> {
        let found = match self.value {
            DeValue::Integer(_) => self.whole().map(|whole| whole as f64).ok(),
            DeValue::Float(float) => float.as_str().parse().ok(),
            _ => None,
        };
        found.filter(|number: &f64| number.is_finite()).ok_or_else(|| self.other("a number"))
    }

    /// A whole number.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn whole(&self) -> Outcome<i64> {
        match self.value {
            DeValue::Integer(int) => i64::from_str_radix(int.as_str(), int.radix())
                .map_err(|_| self.wrong("this number is out of range")),
            _ => Err(self.other("a whole number")),
        }
    }

    /// True or false.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn flag(&self) -> Outcome<bool> {
        self.value.as_bool().ok_or_else(|| self.other("true or false"))
    }

    /// The values of a list.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn list(&self) -> Outcome<Vec<Self>> {
        let array = self.value.as_array().ok_or_else(|| self.other("a list"))?;
        let value = |value: &'s Spanned<DeValue<'s>>| Self {
            source: self.source,
            value: value.get_ref(),
            at: value.span().start,
        };
        Ok(array.iter().map(value).collect())
    }

    /// The values of a list, or the only one.
    pub(super) fn each(&self) -> Vec<Self> {
        self.list().unwrap_or_else(|_| vec![*self])
    }

    /// A table with no keys but those that are `known`.
    ///
    /// # Errors
    /// When it is something else, or has other keys.
    pub(super) fn table(&self, known: &[&str]) -> Outcome<Table<'s>> {
        let table = self.value.as_table().ok_or_else(|| self.other("a table"))?;
        Table::new(self.source, table, self.at, known)
    }

    /// The keys and values of a table whose keys are the user's own, in the order of the file.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn pairs(&self) -> Outcome<Vec<(&'s str, Self)>> {
        let table = self.value.as_table().ok_or_else(|| self.other("a table"))?;
        let mut pairs: Vec<_> = table.iter().collect();
        pairs.sort_by_key(|(key, _)| key.span().start);
        let pair = |(key, value): (&'s Spanned<DeString<'s>>, &'s Spanned<DeValue<'s>>)| {
            // A table under a header of its own has its line from there, else the key says where it is.
            let at = if value.get_ref().is_table() { key.span().start } else { value.span().start };
            (key.get_ref().as_ref(), Self { source: self.source, value: value.get_ref(), at })
        };
        Ok(pairs.into_iter().map(pair).collect())
    }

    /// The same as JSON.
    ///
    /// # Errors
    /// When there is a number in it that JSON does not have.
    pub(super) fn json(&self) -> Outcome<serde_json::Value> {
        Ok(match self.value {
            DeValue::String(text) => text.as_ref().into(),
            DeValue::Integer(_) => self.whole()?.into(),
            DeValue::Float(_) => self.number()?.into(),
            DeValue::Boolean(flag) => (*flag).into(),
            DeValue::Datetime(time) => time.to_string().into(),
            DeValue::Array(_) => self.list()?.iter().map(Self::json).collect::<Outcome<_>>()?,
            DeValue::Table(_) => {
                let pair = |(key, value): (&str, Self)| Ok((key.to_owned(), value.json()?));
                serde_json::Value::Object(self.pairs()?.into_iter().map(pair).collect::<Outcome<_>>()?)
            }
        })
    }
}
