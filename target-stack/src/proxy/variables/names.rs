//! The variables that a configuration makes itself: those of `set`, those of named groups, and those of `map`. Given a name, it gives
//! the index that a request keeps the value under, or the table that the value comes from.

use super::Variable;
use super::map::{Mapped, Table};

/// All variables that some directive makes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    set: Vec<String>,
    maps: Vec<Mapped>,
}

impl Names {
    /// Makes the variable `name`, unless it is there.
    pub(crate) fn add(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        if !self.set.contains(&name) {
            self.set.push(name);
        }
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.set.iter().position(|known| *known == name)
    }

    /// Makes the variable `name` of a `map`, unless it is there.
    pub(crate) fn add_map(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        if self.mapped(&name).is_none() {
            self.maps.push(Mapped::new(&name));
        }
    }

    pub(super) fn mapped(&self, name: &str) -> Option<&Mapped> {
        self.maps.iter().find(|map| map.name() == name)
    }

    /// Whether a `map` may make the variable `name`.
    ///
    /// # Errors
    /// nginx's, for a variable that has a meaning of its own.
    pub(crate) fn mappable(&self, name: &str) -> Result<(), String> {
        let name = name.to_ascii_lowercase();
        match Variable::resolve(&name) {
            Some(own) if !own.may_be_set() => Err(format!("the duplicate \"{name}\" variable")),
            _ => Ok(()),
        }
    }

    /// Gives the variable `name` its table; of two, the first that is given.
    pub(crate) fn define(&self, name: &str, table: Table) {
        if let Some(map) = self.mapped(&name.to_ascii_lowercase()) {
            map.define(table);
        }
    }

    /// Whether what the `map` of this name is made of leads back to it.
    pub(crate) fn is_circular(&self, name: &str) -> bool {
        self.mapped(&name.to_ascii_lowercase()).is_some_and(Mapped::is_circular)
    }

    /// The index of `name` for a directive that sets it.
    ///
    /// # Errors
    /// nginx's, for a variable that has a meaning of its own.
    pub(crate) fn settable(&self, name: &str) -> Result<usize, String> {
        let name = name.to_ascii_lowercase();
        match Variable::resolve(&name) {
            Some(own) if !own.may_be_set() => Err(format!("the duplicate \"{name}\" variable")),
            _ => self.find(&name).ok_or_else(|| format!("unknown \"{name}\" variable")),
        }
    }
}
