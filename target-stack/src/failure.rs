//! Why a command of this program ended badly: one line for the person, one exit code for the script.

use std::fmt;

/// A command's failure. The exit codes are those of the whole project: 1 the answer is no: the configuration was refused, a
/// tier is dead; 2 wrong use, 3 a part could not be started or died.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The process's exit code.
    pub(crate) code: u8,
    /// One line: what is wrong, and what to do about it.
    pub(crate) message: String,
}

/// What a tier's `run` gives: nothing after an orderly end, or the reason of a bad one.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// The configuration was refused, as nginx refuses it: exit 1.
    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }

    /// What was asked after is dead: exit 1.
    pub(crate) fn dead(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }

    /// Wrong use: exit 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }

    /// A part could not be started, or died: exit 3.
    pub(crate) fn start(message: impl Into<String>) -> Self {
        Self { code: 3, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
