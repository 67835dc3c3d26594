//! A comparison as GitHub's workflow commands, which its runner shows as annotations: `::error`, `::warning`, `::notice`. A line each;
//! nothing of a record ends one, or begins another. A property's end is `,` or `::`, a command's the end of the line, so these are
//! written as the runner's own toolkit writes them (actions/toolkit, packages/core/src/command.ts).

use super::words::{headline, sentence};
use crate::comparison::{Call, Comparison};
use crate::terminal::printable;

/// The commands, the verdict first: a regression is an error; what is inconclusive, and in what the
/// two sides differ, a warning; all else a notice. GitHub shows ten of each kind at most.
pub fn annotations(found: &Comparison) -> String {
    let level = |call| match call {
        Call::Regression => "error",
        Call::Inconclusive => "warning",
        Call::Pass | Call::Improvement => "notice",
    };
    let because = found.attribution.iter().map(|one| format!("; {one}")).collect::<String>();
    let mut out = command(level(found.call), "loadgen compare", &format!("{}{because}", headline(found)));
    let deciding = found.metrics.iter().filter(|metric| metric.delta.is_some() && metric.call != Call::Pass);
    for metric in deciding {
        out += &command(level(metric.call), &metric.name, &sentence(found, metric));
    }
    for mark in &found.marks {
        out += &command("warning", "not the same on both sides", mark);
    }
    out
}

fn command(level: &str, title: &str, message: &str) -> String {
    format!("::{level} title={}::{}\n", property(&printable(title)), data(&printable(message)))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_runner_would_obey_is_written_as_it_wants_it() {
        assert_eq!(data("100 %\r\n::error::x"), "100 %25%0D%0A::error::x");
        assert_eq!(property("a:b,c %"), "a%3Ab%2Cc %25");
        assert_eq!(
            command("error", "p99,file=x:1", "one\n::add-mask::two"),
            "::error title=p99%2Cfile=x%3A1::one\\u{a}::add-mask::two\n"
        );
    }
}
