//! The variables that a configuration makes itself: those of `set`, and those of named groups. Given a name, it gives the index that
//! a request keeps the value under.

use super::Variable;

/// All variables that some directive sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Vec<String>);

impl Names {
    /// Makes the variable `name`, unless it is there.
    pub(crate) fn add(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        if !self.0.contains(&name) {
            self.0.push(name);
        }
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|known| *known == name)
    }

    /// The index of `name` for a directive that sets it.
    ///
    /// # Errors
    /// nginx's, for a variable that has a meaning of its own.
    pub(crate) fn settable(&self, name: &str) -> Result<usize, String> {
        let name = name.to_ascii_lowercase();
        match Variable::resolve(&name) {
            Some(own) if !own.is_of_a_family() => Err(format!("the duplicate \"{name}\" variable")),
            _ => self.find(&name).ok_or_else(|| format!("unknown \"{name}\" variable")),
        }
    }
}
