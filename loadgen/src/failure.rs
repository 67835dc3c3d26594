//! Why a command ended without doing its work: whose fault, in one line, and the exit code that says so.

use std::fmt;

/// The exit codes of every subcommand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything asked for was done, and every threshold holds.
    Passed = 0,
    /// A threshold does not hold.
    Failed = 1,
    /// Wrong use.
    Usage = 2,
    /// The target could not be reached, or died.
    Target = 3,
    /// No valid answer: the generator or the host was the limit.
    Invalid = 4,
}

/// A command's failure.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whose fault it is.
    pub(crate) exit: Exit,
    /// One line: what is wrong, and what to do about it.
    pub(crate) message: String,
}

/// What a step of a command gives.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// What is quoted of a file may have line breaks in it; the message stays on one line.
    fn new(exit: Exit, message: String) -> Self {
        let lines = message.trim_end().split(['\n', '\r']).map(str::trim_end);
        Self { exit, message: lines.collect::<Vec<_>>().join("\\n") }
    }

    /// Wrong use.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message.into())
    }

    /// The target's fault.
    pub(crate) fn target(message: impl Into<String>) -> Self {
        Self::new(Exit::Target, message.into())
    }

    /// The generator's or the host's fault.
    pub(crate) fn host(message: impl Into<String>) -> Self {
        Self::new(Exit::Invalid, message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_it_quotes() {
        for (message, want) in [("`a` is none", "`a` is none"), ("`a\nb` is\n", "`a\\nb` is"), ("", "")] {
            assert_eq!(Failure::usage(message).to_string(), want);
        }
    }
}
