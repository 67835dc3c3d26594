//! What other rates would take. From a search whose limit is explained, and the target's resources, to the number of servers
//! for a wanted rate, with an interval, and the next wall that no further server moves. It takes servers to be alike and
//! their rates to add up; that is a guess, the more so the further it is from what was measured. Where the limit is not
//! explained, or is the generator's or the machine's, it forecasts nothing.

use super::bottleneck::noun;
use crate::ceiling::{Bound, Ceiling, Forecast, Limit, Resource};
use crate::number::{count, exact_rate, rate};

/// The band goes to this number of servers.
const BAND_TO: u32 = 8;
/// What stands for the tier where it is all that share a CPU.
pub const MACHINE: &str = "machine";
/// Tiers that hold what cannot be in two places at once: another server of these does not serve the same data.
const SINGLE: [&str; 5] = ["db", "database", "mysql", "mariadb", "postgres"];

/// An expected rate with the ends of its interval, in requests per second.
type Rates = [f64; 3];

/// What ends the growth.
struct Wall {
    words: String,
    /// As predicted.
    predicted_rps: f64,
    /// What can be had before it, by the objective.
    rates: Rates,
}

/// What `wanted_rps` takes, if more servers of what limits `found` are put beside it: of the tier in `found.limited_by`, or of
/// the whole machine where it is the CPU that the tiers share; the database stays one. `None` without an exact ceiling that
/// one of `resources` explains, and for a rate that is none.
pub fn forecast(found: &Ceiling, resources: &[Resource], wanted_rps: f64) -> Option<Forecast> {
    let one = ceiling(found)?;
    let cause = cause(found, resources)?;
    if !(wanted_rps.is_finite() && wanted_rps > 0.0) {
        return None;
    }
    let wall = wall(cause, resources, one);
    let servers = |per_server: f64| (wanted_rps / per_server).ceil().max(1.0) as u32;
    let enough = wanted_rps <= one[0] || wall.as_ref().is_none_or(|wall| wanted_rps <= wall.rates[0]);
    let band = (1..=BAND_TO).map(|n| {
        let [expected, low, high] = with_servers(n, one, wall.as_ref());
        [f64::from(n), expected, low.min(expected), high.max(expected)]
    });
    Some(Forecast {
        wanted_rps,
        tier: if cause.shared.len() > 1 { MACHINE.to_owned() } else { cause.tier.clone() },
        servers: enough.then(|| range(wanted_rps, one, servers)),
        wall: wall.as_ref().map_or_else(String::new, |wall| wall.words.clone()),
        wall_rps: wall.as_ref().map(|wall| wall.predicted_rps),
        band: band.collect(),
    })
}

/// `forecast` in a sentence.
pub fn in_words(forecast: &Forecast) -> String {
    let wanted = format!("for {} requests/s", exact_rate(forecast.wanted_rps));
    let needed = match forecast.servers {
        Some([1, 1]) => format!("{wanted} one {} is enough", server(&forecast.tier, false)),
        Some([low, high]) if low == high => {
            format!("{wanted} you need {} {}", count(low.into()), server(&forecast.tier, true))
        }
        Some([low, high]) => {
            let tier = server(&forecast.tier, true);
            format!("{wanted} you need {} to {} {tier}", count(low.into()), count(high.into()))
        }
        None => format!("{wanted} no number of {} is enough", server(&forecast.tier, true)),
    };
    match forecast.wall_rps {
        Some(_) if forecast.servers.is_none() && is_single(&forecast.tier) => {
            let one = forecast.band.first().map_or(0.0, |[_, expected, ..]| *expected);
            format!(
                "{wanted} more servers do not help: the limit, {}/s, is {}; give it more, or ask less of it (a cache)",
                exact_rate(one),
                forecast.wall
            )
        }
        Some(at) => format!("{needed}; the next wall is {}, predicted at {}", forecast.wall, rate(at)),
        None => needed,
    }
}

/// What is multiplied, one of it or many.
pub(crate) fn server(tier: &str, many: bool) -> String {
    let s = if many { "s" } else { "" };
    match tier {
        "app" => format!("app server{s}"),
        "proxy" if many => "proxies".to_owned(),
        MACHINE | "proxy" => format!("{tier}{s}"),
        "db" => format!("database{s}"),
        other => format!("server{s} of {other:?}"),
    }
}

/// The ceiling with its interval.
fn ceiling(found: &Ceiling) -> Option<Rates> {
    let usable = |rps: f64| rps.is_finite() && rps > 0.0;
    let expected = found.ceiling_rps.filter(|rps| usable(*rps) && found.bound == Bound::Exact)?;
    let [low, high] = found.ci95.filter(|ends| ends.iter().all(|end| usable(*end))).unwrap_or([expected; 2]);
    Some([expected, low.min(expected), high.max(expected)])
}

/// The resource that is the limit.
fn cause<'a>(found: &Ceiling, resources: &'a [Resource]) -> Option<&'a Resource> {
    let limit = &found.limited_by;
    let named = |resource: &&Resource| {
        limit.tier.as_ref() == Some(&resource.tier) && limit.resource.as_ref() == Some(&resource.resource)
    };
    resources.iter().find(named).filter(|_| limit.what == Limit::Target)
}

/// The lowest of what more of `cause`'s servers do not move. Of it the same share can be had as of the present limit, at which
/// the objective cuts.
fn wall(cause: &Resource, resources: &[Resource], one: Rates) -> Option<Wall> {
    if cause.shared.len() < 2 && is_single(&cause.tier) {
        // It is the wall itself.
        let words = format!("{}, of which there is one", noun(cause));
        return Some(Wall { words, predicted_rps: cause.predicted_rps, rates: one });
    }
    let share = (one[0] / cause.predicted_rps).min(1.0);
    let ahead = |words: String, predicted_rps: f64, [low, high]: [f64; 2]| {
        let rates = [predicted_rps * share, low * share, high];
        // It is no lower than what one server was measured to do.
        Wall { words, predicted_rps, rates: [0, 1, 2].map(|i| rates[i].max(one[i])) }
    };
    let stays = |resource: &&Resource| {
        let multiplied = if cause.shared.len() > 1 {
            // All that is on the machine, but the database.
            !is_single(&resource.tier)
        } else {
            resource.tier == cause.tier && resource.shared.len() < 2
        };
        *resource != cause && !multiplied
    };
    let others = resources
        .iter()
        .filter(stays)
        .map(|resource| ahead(noun(resource), resource.predicted_rps, resource.predicted_range));
    others
        .chain(alone(cause).map(|(words, part)| {
            let whole = cause.predicted_range.map(|end| end / part);
            ahead(words, cause.predicted_rps / part, whole)
        }))
        .min_by(|a, b| a.predicted_rps.total_cmp(&b.predicted_rps))
}

/// The database on a shared CPU: with all others elsewhere it has the machine for itself, and is the wall then.
fn alone(cause: &Resource) -> Option<(String, f64)> {
    let single = cause.shared.iter().find(|(tier, part)| is_single(tier) && **part > 0.0);
    let (tier, part) = single.filter(|_| cause.shared.len() > 1)?;
    let own = Resource { tier: tier.clone(), shared: [].into(), ..cause.clone() };
    Some((format!("{} with nothing else on it", noun(&own)), *part))
}

fn is_single(tier: &str) -> bool {
    SINGLE.contains(&tier)
}

/// What `n` servers can do.
fn with_servers(n: u32, one: Rates, wall: Option<&Wall>) -> Rates {
    [0, 1, 2].map(|i| {
        let all = f64::from(n) * one[i];
        wall.map_or(all, |wall| all.min(wall.rates[i]))
    })
}

/// The number of servers at the upper and at the lower end of what one can do.
fn range(wanted_rps: f64, one: Rates, servers: impl Fn(f64) -> u32) -> [u32; 2] {
    // What was measured to hold is enough.
    if wanted_rps <= one[0] { [1, 1] } else { [servers(one[2]), servers(one[1])] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ceiling::LimitedBy;

    fn resource(tier: &str, resource: &str, predicted_rps: f64) -> Resource {
        Resource {
            tier: tier.to_owned(),
            resource: resource.to_owned(),
            capacity: 1.0,
            demand_s: 1.0 / predicted_rps,
            predicted_rps,
            predicted_range: [predicted_rps * 0.9, predicted_rps * 1.1],
            ..Resource::default()
        }
    }

    fn shared(predicted_rps: f64, parts: &[(&str, f64)]) -> Resource {
        let shared = parts.iter().map(|(tier, part)| ((*tier).to_owned(), *part)).collect();
        Resource { shared, ..resource(parts[0].0, "cpu", predicted_rps) }
    }

    /// A ceiling of 900, 880 to 920, by the first of the resources.
    fn search(resources: &[Resource]) -> Ceiling {
        let limited_by = LimitedBy {
            what: Limit::Target,
            tier: Some(resources[0].tier.clone()),
            resource: Some(resources[0].resource.clone()),
            evidence: Vec::new(),
        };
        let (ceiling_rps, ci95) = (Some(900.0), Some([880.0, 920.0]));
        Ceiling { bound: Bound::Exact, ceiling_rps, ci95, limited_by, ..Ceiling::default() }
    }

    #[test]
    fn servers_and_the_next_wall() {
        let app = || resource("app", "workers", 1_000.0);
        /// Resources, the wanted rate, and the servers and the wall of the forecast.
        type Row = (Vec<Resource>, f64, Option<[u32; 2]>, &'static str, Option<f64>);
        let table: [Row; 12] = [
            (
                vec![app(), resource("db", "cpu", 4_000.0)],
                900.0,
                Some([1, 1]),
                "the database's CPU",
                Some(4_000.0),
            ),
            (
                vec![app(), resource("db", "cpu", 4_000.0)],
                1_000.0,
                Some([2, 2]),
                "the database's CPU",
                Some(4_000.0),
            ),
            // 1,820 takes two if one does 920, and three if it does 880.
            (
                vec![app(), resource("db", "cpu", 4_000.0)],
                1_820.0,
                Some([2, 3]),
                "the database's CPU",
                Some(4_000.0),
            ),
            // The objective cut at nine tenths, and is expected to cut there too.
            (
                vec![app(), resource("db", "cpu", 4_000.0)],
                3_590.0,
                Some([4, 5]),
                "the database's CPU",
                Some(4_000.0),
            ),
            (vec![app(), resource("db", "cpu", 4_000.0)], 3_700.0, None, "the database's CPU", Some(4_000.0)),
            // More app servers have more CPUs and connections too.
            (vec![app(), resource("app", "pool", 1_200.0)], 9_000.0, Some([10, 11]), "", None),
            // But on one machine they have the same CPUs.
            (
                vec![app(), shared(1_500.0, &[("app", 0.6), ("db", 0.4)])],
                1_300.0,
                Some([2, 2]),
                "the CPU that the tiers share",
                Some(1_500.0),
            ),
            // The database stays one.
            (
                vec![resource("db", "cpu", 1_000.0), app()],
                900.0,
                Some([1, 1]),
                "the database's CPU, of which there is one",
                Some(1_000.0),
            ),
            (
                vec![resource("db", "cpu", 1_000.0), app()],
                901.0,
                None,
                "the database's CPU, of which there is one",
                Some(1_000.0),
            ),
            // A second machine leaves it the first for itself.
            (
                vec![shared(1_000.0, &[("app", 0.6), ("db", 0.4)]), resource("app", "workers", 1_100.0)],
                1_700.0,
                Some([2, 2]),
                "the database's CPU with nothing else on it",
                Some(2_500.0),
            ),
            (
                vec![shared(1_000.0, &[("app", 0.6), ("proxy", 0.4)]), resource("db", "cpu", 1_800.0)],
                1_700.0,
                None,
                "the database's CPU",
                Some(1_800.0),
            ),
            (vec![resource("web", "workers", 1_000.0)], 1e12, Some([1_086_956_522, 1_136_363_637]), "", None),
        ];
        for (resources, wanted, servers, wall, wall_rps) in table {
            let found = forecast(&search(&resources), &resources, wanted).unwrap();
            assert_eq!(
                (found.servers, found.wall.as_str(), found.wall_rps),
                (servers, wall, wall_rps),
                "{wanted}"
            );
            assert_eq!(found.band[0], [1.0, 900.0, 880.0, 920.0], "{wanted}");
        }
    }

    #[test]
    fn the_band_grows_up_to_the_wall() {
        let resources = [resource("app", "workers", 1_000.0), resource("db", "cpu", 4_000.0)];
        let found = forecast(&search(&resources), &resources, 2_000.0).unwrap();
        assert_eq!(found.band.len(), 8);
        assert_eq!(found.band[2], [3.0, 2_700.0, 2_640.0, 2_760.0]);
        assert_eq!(found.band[7], [8.0, 3_600.0, 3_240.0, 4_400.0]);
        assert!(found.band.windows(2).all(|pair| pair[0][1] <= pair[1][1]));
        assert!(found.band.iter().all(|[_, expected, low, high]| low <= expected && expected <= high));
    }

    #[test]
    fn what_is_not_explained_is_not_forecast() {
        let resources = [resource("app", "workers", 1_000.0)];
        let good = search(&resources);
        assert!(forecast(&good, &resources, 2_000.0).is_some());
        assert_eq!(forecast(&good, &[], 2_000.0), None);
        for wanted in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(forecast(&good, &resources, wanted), None, "{wanted}");
        }
        let spoilt: [fn(&mut Ceiling); 6] = [
            |found| found.limited_by.what = Limit::Unexplained,
            |found| found.limited_by.what = Limit::Generator,
            |found| found.limited_by.tier = None,
            |found| found.bound = Bound::AtLeast,
            |found| found.ceiling_rps = None,
            |found| found.ceiling_rps = Some(f64::NAN),
        ];
        for spoil in spoilt {
            let mut found = good.clone();
            spoil(&mut found);
            assert_eq!(forecast(&found, &resources, 2_000.0), None);
        }
        // Without an interval there is none.
        let bare = Ceiling { ci95: None, ..good };
        assert_eq!(forecast(&bare, &resources, 2_000.0).unwrap().band[1], [2.0, 1_800.0, 1_800.0, 1_800.0]);
    }

    #[test]
    fn it_reads_well() {
        let wall = [resource("app", "workers", 1_000.0), resource("db", "cpu", 4_000.0)];
        let machine = [shared(1_000.0, &[("app", 1.0), ("proxy", 0.0)])];
        let proxy = [resource("proxy", "cpu", 1_000.0)];
        let said = |resources: &[Resource], wanted| {
            in_words(&forecast(&search(resources), resources, wanted).unwrap())
        };
        let next = "the next wall is the database's CPU, predicted at 4,000";
        let database = [resource("db", "cpu", 700.0), resource("app", "workers", 4_000.0)];
        assert_eq!(
            said(&database, 1_800.0),
            "for 1,800 requests/s more servers do not help: the limit, 900/s, is the database's CPU, of which there is one; \
             give it more, or ask less of it (a cache)"
        );
        assert_eq!(said(&wall, 500.0), format!("for 500 requests/s one app server is enough; {next}"));
        assert_eq!(said(&wall, 2_000.0), format!("for 2,000 requests/s you need 3 app servers; {next}"));
        assert_eq!(said(&wall, 1_820.0), format!("for 1,820 requests/s you need 2 to 3 app servers; {next}"));
        assert_eq!(
            said(&wall, 9_000.0),
            format!("for 9,000 requests/s no number of app servers is enough; {next}")
        );
        assert_eq!(said(&machine, 1_000.0), "for 1,000 requests/s you need 2 machines");
        assert_eq!(said(&proxy, 1_000.0), "for 1,000 requests/s you need 2 proxies");
    }
}
