//! The scenario file's language, from the top. Given the text, it gives a scenario; what belongs to one interaction or one
//! step is read next door.

use super::feed::{Feed, Generator, Kind, Pick};
use super::source::{Source, Table, Value};
use super::step::{self, Shared, Step};
use super::template::{Scope, Text, Variable};
use super::zipf::{MOST_EXPONENT, MOST_RANKS, Zipf};
use super::{Entry, Interaction, Scenario, SessionArrivals};
use crate::failure::Outcome;
use crate::nearest::nearest;
use crate::units;
use std::collections::BTreeSet;
use std::path::Path;

/// How much of a body is kept when the file does not say.
const CAPTURE: u64 = 1 << 20;
/// The longest text that a generator makes.
const LONGEST: i64 = 65_536;

/// Reads a scenario from `text`, which stands in the file `name` in the directory `dir`.
///
/// # Errors
/// Wrong use, with file and line.
pub(super) fn read(name: &str, text: &str, dir: &Path) -> Outcome<Scenario> {
    let source = Source::new(name, text);
    let tree = source.parse()?;
    let top = source.top(&tree, &["capture", "data", "defaults", "generate", "interaction", "sessions"])?;
    let mut scope = Scope::default();
    let feeds = match top.get("data") {
        None => Vec::new(),
        Some(data) => feeds(data, dir, &mut scope)?,
    };
    let generators = match top.get("generate") {
        None => Vec::new(),
        Some(generate) => generators(generate, &mut scope)?,
    };
    let (arrivals, cookies) = match top.get("sessions") {
        None => (SessionArrivals::Open, false),
        Some(value) => sessions(value)?,
    };
    let capture = match top.get("capture") {
        None => CAPTURE,
        Some(value) => units::bytes(value.word()?).map_err(|e| value.wrong(e))?,
    };
    let capture = usize::try_from(capture).unwrap_or(usize::MAX);
    let mut shared = Shared::new(dir, scope, cookies);
    if let Some(defaults) = top.get("defaults") {
        shared.read(defaults)?;
    }
    let list = top.need("interaction", "a scenario")?;
    let mut scenario = Scenario {
        arrivals,
        cookies,
        capture,
        fields: Vec::new(),
        interactions: Vec::new(),
        steps: Vec::new(),
        entries: Vec::new(),
        feeds,
        generators,
    };
    interactions(list, &shared, &mut scenario)?;
    scenario.fields = shared.fields;
    Ok(scenario)
}

fn interactions(list: Value<'_>, shared: &Shared<'_>, scenario: &mut Scenario) -> Outcome {
    let mut weights = Vec::new();
    for value in list.list()? {
        let (name, weight, steps, variables) = step::interaction(value, shared)?;
        if scenario.entries.iter().any(|entry| entry.interaction == name) {
            return Err(value.wrong(format!("there is an interaction `{name}` already")));
        }
        let end = u16::try_from(scenario.steps.len() + steps.len());
        let end = end.map_err(|_| value.wrong("a scenario has at most 65,535 steps"))?;
        let first = scenario.steps.len() as u16;
        let unique = unique(&steps, shared, &scenario.feeds);
        for step in &steps {
            let entry = Entry { interaction: name.clone(), step: step.name.clone(), share: weight };
            scenario.entries.push(entry);
        }
        scenario.steps.extend(steps);
        scenario.interactions.push(Interaction { below: 0, first, end, variables, unique });
        weights.push(weight);
    }
    let sum: f64 = weights.iter().sum();
    let requests: f64 = scenario.entries.iter().map(|entry| entry.share).sum();
    if !(sum.is_finite() && requests.is_finite()) {
        return Err(list.wrong("the weights of all interactions add up to more than a number can hold"));
    }
    if sum <= 0.0 {
        return Err(list.wrong("the weights of all interactions add up to nothing: one has to be above zero"));
    }
    scenario.entries.iter_mut().for_each(|entry| entry.share /= requests);
    let mut up_to = 0.0;
    for (interaction, weight) in scenario.interactions.iter_mut().zip(&weights) {
        up_to += weight;
        interaction.below = (up_to / sum * 2f64.powi(64)) as u128;
    }
    Ok(())
}

/// The files of which these steps need a row that no other session has.
fn unique(steps: &[Step], shared: &Shared<'_>, feeds: &[Feed]) -> Vec<usize> {
    let defaults = shared.fields.iter().map(|(_, text)| text);
    let texts = steps.iter().flat_map(Step::texts).chain(defaults);
    let feed = |variable| match variable {
        Variable::Column { feed, .. } => Some(feed),
        Variable::Generated(_) | Variable::Extracted(_) => None,
    };
    let used: BTreeSet<usize> = texts.flat_map(Text::variables).filter_map(feed).collect();
    used.into_iter().filter(|feed| feeds[*feed].pick == Pick::Unique).collect()
}

fn feeds(data: Value<'_>, dir: &Path, scope: &mut Scope) -> Outcome<Vec<Feed>> {
    let mut feeds = Vec::new();
    for (number, (name, value)) in data.pairs()?.into_iter().enumerate() {
        let table = value.table(&["file", "pick"])?;
        let file = table.need("file", "data")?;
        let pick = match table.get("pick") {
            None => Pick::Sequential,
            Some(pick) => choice(pick, &Pick::NAMES)?,
        };
        let path = dir.join(file.text()?);
        if !path.is_file() {
            return Err(file.wrong(format!("there is no file {}", path.display())));
        }
        let feed = Feed::read(name, &path, pick, number as u64)?;
        for (column, title) in feed.columns.iter().enumerate() {
            let variable = Variable::Column { feed: number, column };
            scope.add(&format!("{name}.{title}"), variable).map_err(|e| value.wrong(e))?;
        }
        feeds.push(feed);
    }
    Ok(feeds)
}

fn generators(generate: Value<'_>, scope: &mut Scope) -> Outcome<Vec<Generator>> {
    let mut generators = Vec::new();
    for (number, (name, value)) in generate.pairs()?.into_iter().enumerate() {
        scope.add(name, Variable::Generated(number)).map_err(|e| value.wrong(e))?;
        generators.push(generator(value)?);
    }
    Ok(generators)
}

fn generator(value: Value<'_>) -> Outcome<Generator> {
    let table = value.table(&["exponent", "from", "kind", "length", "per", "to", "values"])?;
    let kind = table.need("kind", "a generator")?;
    let (kind, keys): (Kind, &[&str]) = match kind.text()? {
        "int" => {
            let (first, last) = range(&table, "an int")?;
            (Kind::Int(first, last), &["from", "to"])
        }
        "zipf" => (zipf(&table)?, &["exponent", "from", "to"]),
        "choice" => {
            let values = table.need("values", "a choice")?;
            let words: Vec<String> =
                values.list()?.iter().map(|value| value.word().map(str::to_owned)).collect::<Outcome<_>>()?;
            if words.is_empty() {
                return Err(values.wrong("there is nothing to choose from"));
            }
            (Kind::Choice(words), &["values"])
        }
        "hex" => (Kind::Hex(length(&table)?), &["length"]),
        "string" => (Kind::Text(length(&table)?), &["length"]),
        "uuid" => (Kind::Uuid, &[]),
        "counter" => (Kind::Counter(table.get("from").map_or(Ok(0), |from| from.whole())?), &["from"]),
        other => {
            let kinds = ["int", "zipf", "choice", "hex", "string", "uuid", "counter"];
            let hint = nearest(other, kinds);
            return Err(kind.wrong(format!("`{other}` is no kind of generator: {}{hint}", kinds.join(", "))));
        }
    };
    for key in ["exponent", "from", "length", "to", "values"] {
        if let Some(extra) = table.get(key).filter(|_| !keys.contains(&key)) {
            return Err(extra.wrong(format!("a generator of this kind has no `{key}`")));
        }
    }
    let per_request = match table.get("per") {
        None => false,
        Some(per) => match choice(per, &[("session", false), ("request", true)])? {
            true if matches!(kind, Kind::Counter(_)) => {
                return Err(per.wrong("a counter counts sessions"));
            }
            per_request => per_request,
        },
    };
    Ok(Generator { kind, per_request })
}

/// From `from` to `to`, which are included.
fn range(table: &Table<'_>, what: &str) -> Outcome<(i64, i64)> {
    let (from, to) = (table.need("from", what)?, table.need("to", what)?);
    let (first, last) = (from.whole()?, to.whole()?);
    if first > last {
        return Err(to.wrong(format!("`to` is less than `from`, which is {first}")));
    }
    Ok((first, last))
}

fn zipf(table: &Table<'_>) -> Outcome<Kind> {
    let (first, last) = range(table, "a zipf")?;
    let exponent = match table.get("exponent") {
        None => 1.0,
        Some(value) => match value.number()? {
            exponent if (0.0..=MOST_EXPONENT).contains(&exponent) => exponent,
            _ => return Err(value.wrong(format!("`exponent` is from 0, as likely all, to {MOST_EXPONENT}"))),
        },
    };
    let ranks = last.abs_diff(first).saturating_add(1);
    if ranks > MOST_RANKS {
        return Err(table.wrong("a zipf has at most 2^50 values"));
    }
    Ok(Kind::Zipf(first, Zipf::new(ranks, exponent)))
}

fn length(table: &Table<'_>) -> Outcome<usize> {
    let length = table.need("length", "a generator of text")?;
    match length.whole()? {
        whole @ 1..=LONGEST => Ok(whole as usize),
        _ => Err(length.wrong(format!("a length is from 1 to {LONGEST}"))),
    }
}

fn sessions(value: Value<'_>) -> Outcome<(SessionArrivals, bool)> {
    let table = value.table(&["arrivals", "cookies", "stay", "users"])?;
    let names = [("open", 0), ("closed", 1), ("partly-open", 2)];
    let kind = table.get("arrivals").map_or(Ok(0), |arrivals| choice(arrivals, &names))?;
    let arrivals = match kind {
        0 => SessionArrivals::Open,
        1 => {
            let users = table.need("users", "a closed loop of sessions")?;
            match users.whole()? {
                whole @ 1..=1_000_000 => SessionArrivals::Closed { users: whole as u64 },
                _ => return Err(users.wrong("`users` is from 1 to 1,000,000")),
            }
        }
        _ => {
            let stay = table.need("stay", "a partly open loop of sessions")?;
            match stay.number()? {
                number if (0.0..1.0).contains(&number) => SessionArrivals::PartlyOpen { stay: number },
                _ => return Err(stay.wrong("`stay` is a probability, from 0 to less than 1")),
            }
        }
    };
    for (key, of) in [("users", 1), ("stay", 2)] {
        if let Some(extra) = table.get(key).filter(|_| of != kind) {
            return Err(extra.wrong(format!("`{key}` goes with arrivals = \"{}\"", names[of].0)));
        }
    }
    let cookies = table.get("cookies").map_or(Ok(false), |cookies| cookies.flag())?;
    Ok((arrivals, cookies))
}

/// One of several words.
fn choice<T: Copy>(value: Value<'_>, among: &[(&str, T)]) -> Outcome<T> {
    let text = value.text()?;
    let found = among.iter().find(|(name, _)| *name == text);
    found.map(|(_, what)| *what).ok_or_else(|| {
        let names: Vec<&str> = among.iter().map(|(name, _)| *name).collect();
        value.wrong(format!("`{text}` is none of {}", names.join(", ")))
    })
}
