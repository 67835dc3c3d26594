//! `loadgen scale-out`: how the ceiling moves with more app servers of a fixed size, once for requests that the app works for and
//! once for requests that the database works for, and what ends the growth. It starts a stack for each number of servers, has a
//! search for the ceiling made there, and has all of them compared. It measures nothing that a search does not.

mod mix;
mod room;

use super::carry_out::find;
use super::ceiling::alone::self_check;
use super::ceiling::course::{PAUSE_S, Wanted};
use super::ceiling::stack::{self, Order};
use crate::cli::{ScaleOutArgs, Sizes};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::signals::Signals;
use crate::{pace, record};
use mix::Mix;
use reports::analyse::scale_out::conclude;
use reports::record::Verdict;
use reports::scale_out::{self, Point, SCALE_OUT_SCHEMA, ScaleOut, Standing};
use reports::store::SCALE_OUT_FILE;
use room::Room;
use std::time::{Duration, Instant};

/// A search with less than this has no time for a few loads after the start of its stack.
const LEAST_SEARCH: Duration = Duration::from_secs(12);
/// What is left of the budget is enough to draw the picture.
const DRAWING_S: f64 = 2.0;
/// A window of a load, in seconds: a search of a few seconds cannot have longer ones.
const WINDOW_S: f64 = 0.5;
/// Of a load while rates grow, and of one between a rate that holds and one that fails.
const WINDOWS: [(usize, usize); 2] = [(3, 5), (4, 7)];
/// How close a rate that holds and one that fails have to be.
const PRECISION: f64 = 0.02;
/// The first load, of the ceiling that is expected: the third one is then a good deal too much, and fails clearly.
const FIRST: f64 = 0.58;
/// No rate below this is tried.
const LOWEST_RPS: f64 = 1.0;

/// Carries it out; the program was started at `begun`.
///
/// # Errors
/// In one line: wrong use, a target that does not start, a host that does not let us.
pub(crate) fn run(args: &ScaleOutArgs, begun: Instant) -> Outcome<Exit> {
    let room = check(args)?;
    let output = Output::of_experiment("scale-out", SCALE_OUT_FILE, &args.result, begun);
    find(output, async |output| experiment(args, &room, output).await)
}

/// Errors of use, before anything is made or started.
fn check(args: &ScaleOutArgs) -> Outcome<Room> {
    if let Some(url) = &args.url {
        return Err(Failure::usage(format!(
            "`{url}`: this experiment needs the reference target, whose servers it can add; leave the URL out, or see what limits \
             yours with loadgen ceiling"
        )));
    }
    let searches = args.servers.0.len() * Mix::all(args.mix).len();
    let least = LEAST_SEARCH * u32::try_from(searches).unwrap_or(u32::MAX);
    if args.budget < least {
        return Err(Failure::usage(format!("--budget: {searches} searches need at least {least:?}")));
    }
    Room::of(args)
}

/// All searches, one after the other, and what they say; beside it what stopped them early.
async fn experiment(
    args: &ScaleOutArgs,
    room: &Room,
    output: &Output,
) -> Outcome<(ScaleOut, Option<Failure>)> {
    let mut signals = Signals::listen()?;
    let begun = pace::now();
    let mut found = blank(args, room, pace::wall_clock());
    output.status.counts(begun, 0.0, found.budget_s);
    output.say("checking the generator against a target that does nothing");
    output.status.does("checking the generator");
    found.self_check = self_check(&room.cpus, &room.target_cpus, &mut signals).await?;
    found.partial = found.self_check.is_none();
    let mut left: usize = args.servers.0.len() * Mix::all(args.mix).len();
    let mut stopped = None;
    'all: for mix in Mix::all(args.mix) {
        if found.partial {
            break;
        }
        found.mixes.push(scale_out::Mix {
            name: mix.name.to_owned(),
            what: mix.what.to_owned(),
            ..scale_out::Mix::default()
        });
        for &servers in &args.servers.0 {
            let spent_s = (pace::now() - begun).as_secs_f64();
            let budget_s = (found.budget_s - DRAWING_S - spent_s) / left as f64;
            let search = Search { args, room, mix, servers, budget_s };
            match search.carry_out(&found, output, &mut signals).await {
                Ok(Some(ended)) => stopped = take(&mut found, servers, ended),
                Ok(None) => found.partial = true,
                Err(failure) if has_points(&found) => stopped = Some(failure),
                Err(failure) => return Err(unlimited(failure)),
            }
            found.partial |= stopped.is_some();
            found.duration_s = (pace::now() - begun).as_secs_f64();
            conclude(&mut found).map_err(Failure::host)?;
            if found.partial {
                break 'all;
            }
            left -= 1;
            say(&found, output);
            // What was concluded of fewer searches is no verdict.
            let so_far = ScaleOut { partial: true, verdict: Verdict::default(), ..found.clone() };
            output.keep_found(&so_far)?;
        }
    }
    found.duration_s = (pace::now() - begun).as_secs_f64();
    conclude(&mut found).map_err(Failure::host)?;
    Ok((found, stopped))
}

fn has_points(found: &ScaleOut) -> bool {
    found.mixes.iter().any(|mix| !mix.points.is_empty())
}

/// Takes what a search has found, unless it was interrupted; gives what stopped it.
fn take(found: &mut ScaleOut, servers: u32, ended: stack::Ended) -> Option<Failure> {
    let stack::Ended { found: search, died } = ended;
    if search.partial {
        found.partial = true;
        found.cut.push(format!("the search with {servers} servers was cut short, and is left out"));
    } else {
        for said in &search.emulated {
            let others = |known: &String| known != said;
            if found.emulated.iter().all(others) {
                found.emulated.push(said.clone());
            }
        }
        if let Some(mix) = found.mixes.last_mut() {
            mix.points.push(Point { servers, search, ..Point::default() });
        }
    }
    died.map(Failure::target)
}

/// Of a host that does not let sizes be limited, what to do about it.
fn unlimited(failure: Failure) -> Failure {
    match failure.message.split_once("needs the right to write control groups: ") {
        Some((_, why)) => Failure::usage(format!(
            "the sizes of servers cannot be limited here: control groups cannot be written ({why}); run it as root, or where the \
             controller cpu is delegated (systemd-run --scope -p Delegate=cpu loadgen scale-out)"
        )),
        None => failure,
    }
}

/// The last point, on a line.
fn say(found: &ScaleOut, output: &Output) {
    let last = found.mixes.last().and_then(|mix| Some((mix, mix.points.last()?)));
    if let Some((mix, point)) = last {
        output.say(&reports::text::scale_out_point(mix, point));
    }
}

/// One search.
struct Search<'a> {
    args: &'a ScaleOutArgs,
    room: &'a Room,
    mix: &'a Mix,
    servers: u32,
    /// From the start of the stack on.
    budget_s: f64,
}

impl Search<'_> {
    async fn carry_out(
        &self,
        found: &ScaleOut,
        output: &Output,
        signals: &mut Signals,
    ) -> Outcome<Option<stack::Ended>> {
        let (args, room) = (self.args, self.room);
        output.status.does(&format!("{}: starting a stack of {}", self.mix.what, self.servers));
        let load = self.mix.load(args.seed)?;
        let sizes = Sizes {
            servers: Some(self.servers),
            server_cpu: Some(args.server_cpu),
            db_cpu: Some(args.db_cpu),
            proxy_cpu: Some(args.proxy_cpu),
            scale: args.scale.clone(),
            ..Sizes::default()
        };
        let expected = found.mixes.last().and_then(|mix| expected(&mix.points, self.servers));
        let able_rps = found.self_check.as_ref().map_or(f64::INFINITY, |check| check.closed_rps);
        let wanted = Wanted {
            objective: args.slo.clone(),
            first_rps: (expected.unwrap_or(LOWEST_RPS) * FIRST).clamp(LOWEST_RPS, able_rps.max(LOWEST_RPS)),
            min_rps: LOWEST_RPS,
            max_rps: able_rps.max(2.0 * LOWEST_RPS),
            precision: PRECISION,
            budget_s: self.budget_s,
            window_s: WINDOW_S,
            pause_s: PAUSE_S,
            windows: WINDOWS,
            whole: true,
            resolution: None,
            seed: args.seed,
        };
        let order = Order {
            load: &load,
            sizes: &sizes,
            cpus: &room.cpus,
            target_cpus: &room.target_cpus,
            wanted,
            ask: expected.is_none().then_some(FIRST),
            self_check: found.self_check.clone(),
            says: false,
        };
        stack::search(&order, output, signals).await
    }
}

/// The ceiling that is expected of so many servers, by the last one that was found: in proportion, unless another tier was the limit.
fn expected(points: &[Point], servers: u32) -> Option<f64> {
    let last = points.last()?;
    let rps = last.search.ceiling_rps.filter(|rps| rps.is_finite() && *rps > 0.0)?;
    let more =
        if last.standing == Standing::NextTier { 1.0 } else { f64::from(servers) / f64::from(last.servers) };
    Some(rps * more)
}

/// The record of an experiment that has not begun.
fn blank(args: &ScaleOutArgs, room: &Room, started_at: Duration) -> ScaleOut {
    ScaleOut {
        schema: SCALE_OUT_SCHEMA.to_owned(),
        head: record::head(args.seed, started_at, &room.cpus),
        budget_s: args.budget.as_secs_f64(),
        slo: args.slo.to_string(),
        servers: args.servers.0.clone(),
        sizes: scale_out::Sizes {
            server_cpu: args.server_cpu,
            db_cpu: args.db_cpu,
            proxy_cpu: args.proxy_cpu,
        },
        target_cpus: room.target_cpus.clone(),
        ..ScaleOut::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reports::ceiling::Ceiling;

    fn point(servers: u32, rps: Option<f64>, standing: Standing) -> Point {
        Point {
            servers,
            standing,
            search: Ceiling { ceiling_rps: rps, ..Ceiling::default() },
            ..Point::default()
        }
    }

    #[test]
    fn a_search_begins_where_the_last_one_says() {
        for (points, servers, want) in [
            (vec![], 1, None),
            (vec![point(1, Some(400.0), Standing::App)], 2, Some(800.0)),
            (vec![point(2, Some(400.0), Standing::Unexplained)], 3, Some(600.0)),
            (vec![point(1, Some(130.0), Standing::NextTier)], 4, Some(130.0)),
            (vec![point(1, None, Standing::Invalid)], 4, None),
        ] {
            assert_eq!(expected(&points, servers), want, "{points:?}");
        }
    }

    #[test]
    fn what_is_no_fault_of_the_user_stays_what_it_is() {
        let refused =
            "the reference target did not start: --db-cpu needs the right to write control groups: read-only";
        let said = unlimited(Failure::target(refused));
        assert!(said.exit == Exit::Usage && said.message.contains("(read-only); run it as root"), "{said}");
        let other = unlimited(Failure::target("the reference target did not start: no mariadbd"));
        assert!(other.exit == Exit::Target && other.message.ends_with("no mariadbd"), "{other}");
    }

    #[test]
    fn a_search_that_was_interrupted_is_no_point() {
        let mut found = ScaleOut { mixes: vec![scale_out::Mix::default()], ..ScaleOut::default() };
        let emulated = vec![String::from("a size")];
        let whole = Ceiling { emulated: emulated.clone(), ..Ceiling::default() };
        let ended = |partial, died| stack::Ended { found: Ceiling { partial, ..whole.clone() }, died };
        assert!(take(&mut found, 1, ended(false, None)).is_none());
        assert!(take(&mut found, 2, ended(false, None)).is_none());
        assert_eq!((found.mixes[0].points.len(), &found.emulated, found.partial), (2, &emulated, false));
        let stopped = take(&mut found, 3, ended(true, Some(String::from("it died"))));
        assert_eq!(stopped.map(|failure| failure.exit), Some(Exit::Target));
        assert_eq!((found.mixes[0].points.len(), found.cut.len(), found.partial), (2, 1, true));
    }
}
