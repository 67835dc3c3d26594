//! `map`: a variable that another text decides. Given that text, a table gives the value of the first that fits: a text without
//! regard to case, then a regular expression in the order of the file, then the default. It is looked up whenever it is read, and
//! keeps nothing.

use super::{Template, Variable};
use crate::proxy::exchange::Exchange;
use crate::proxy::rewrite::{Captured, Expression};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A variable of a `map`, which may be named before its table is read.
#[derive(Clone)]
pub(crate) struct Mapped(Arc<Map>);

struct Map {
    name: String,
    table: OnceLock<Table>,
}

/// What a `map` says.
#[derive(Debug, Default)]
pub(crate) struct Table {
    source: Template,
    /// In lower case, in ascending order.
    exact: Vec<(Vec<u8>, Template)>,
    pub(crate) patterns: Vec<(Expression, Template)>,
    pub(crate) default: Option<Template>,
}

impl Mapped {
    /// The variable called `name`, in lower case, which is empty until it has a table.
    pub(super) fn new(name: &str) -> Self {
        Self(Arc::new(Map { name: name.to_owned(), table: OnceLock::new() }))
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    /// Gives it its table, unless it has one.
    pub(super) fn define(&self, table: Table) {
        // Of two the later is the one that counts, and it is given first.
        let _ = self.0.table.set(table);
    }

    /// Whether `test` holds of a variable that it is made of.
    pub(super) fn any(&self, test: &dyn Fn(&Variable) -> bool) -> bool {
        self.0.table.get().is_some_and(|table| table.templates().any(|template| template.any(test)))
    }

    /// Whether what it is made of leads back to it, or to another of those.
    pub(super) fn is_circular(&self) -> bool {
        self.closes(&mut Vec::new())
    }

    fn closes(&self, way: &mut Vec<Self>) -> bool {
        if way.contains(self) {
            return true;
        }
        way.push(self.clone());
        let templates = self.0.table.get().into_iter().flat_map(Table::templates);
        let circular = templates.flat_map(Template::maps).any(|inner| inner.closes(way));
        way.pop();
        circular
    }

    pub(super) fn write(&self, exchange: &Exchange, out: &mut Vec<u8>) {
        let Some(table) = self.0.table.get() else { return };
        let source = table.source.render(exchange);
        if let Some((value, caught)) = table.find(&source) {
            value.write_caught(exchange, caught.as_ref(), out);
        }
    }
}

impl PartialEq for Mapped {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Mapped {}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapped({})", self.0.name)
    }
}

impl Table {
    /// A table that `source` is looked up in.
    pub(crate) fn of(source: Template) -> Self {
        Self { source, ..Self::default() }
    }

    /// Adds a value for `text`; `false` if there is one.
    pub(crate) fn add(&mut self, text: &str, value: Template) -> bool {
        let key = text.to_ascii_lowercase().into_bytes();
        match self.exact.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(_) => false,
            Err(place) => {
                self.exact.insert(place, (key, value));
                true
            }
        }
    }

    fn find(&self, source: &[u8]) -> Option<(&Template, Option<Captured>)> {
        let lower = || source.iter().map(u8::to_ascii_lowercase);
        if let Ok(place) = self.exact.binary_search_by(|(known, _)| known.iter().copied().cmp(lower())) {
            return Some((&self.exact[place].1, None));
        }
        let mut patterns = self.patterns.iter();
        let fits = patterns.find_map(|(pattern, value)| Some((value, Some(pattern.matches(source)?))));
        fits.or_else(|| self.default.as_ref().map(|value| (value, None)))
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        let values = self.exact.iter().map(|(_, value)| value);
        let of_patterns = self.patterns.iter().map(|(_, value)| value);
        [&self.source].into_iter().chain(values).chain(of_patterns).chain(&self.default)
    }
}
