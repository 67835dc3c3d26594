//! How answers are kept: the suite of cache-tests.fyi, put to each proxy's cache on the configuration that the suite itself has for nginx.

mod case;
mod client;
mod date;
mod origin;

use crate::lanes;
use crate::report::{self, Row, Verdict};
use crate::side::{Side, Who};
use case::Case;
use origin::Origin;
use std::collections::HashMap;

/// Cases that are under way at once, of which most wait for an answer to grow old.
const LANES: usize = 64;

const NGINX: &str = "
    proxy_cache_path cache levels=1:2 keys_zone=all:8m max_size=1000m inactive=600m;
    server {
        listen LISTEN;
        location / {
            proxy_pass http://ORIGIN;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_read_timeout 5s;
            proxy_cache all;
            proxy_cache_revalidate on;
        }
    }";
/// Without `max-age` what is kept is kept for a minute.
const HAPROXY: &str = "
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
    retries 0
cache all
    total-max-size 64
    max-object-size 1000000
    max-age 3600
    process-vary on
    max-secondary-entries 100
frontend all
    bind LISTEN
    default_backend origin
backend origin
    http-request cache-use all
    http-response cache-store all
    server one ORIGIN
";

#[test]
fn answers_are_kept_as_the_suite_has_it() {
    let (cases, who) = (case::all(), Who::all());
    let verdicts: Vec<Vec<Verdict>> = std::thread::scope(|scope| {
        let running: Vec<_> = who.iter().map(|who| scope.spawn(|| run(*who, &cases))).collect();
        running.into_iter().map(|side| side.join().unwrap()).collect()
    });
    let mut rows: Vec<Row<'_>> = cases
        .iter()
        .enumerate()
        .map(|(n, case)| Row {
            suite: match case.kind.as_str() {
                "required" => "cache-tests, required",
                "optimal" => "cache-tests, optional",
                _ => "cache-tests, questions",
            },
            id: &case.id,
            verdicts: verdicts.iter().map(|side| side[n].clone()).collect(),
        })
        .collect();
    rows.sort_by_key(|row| {
        ["required", "optional", "questions"].iter().position(|end| row.suite.ends_with(end))
    });
    report::print_differences(&who, &rows);
    report::print("caching", &who, &rows);
    report::hold(&rows, &report::known(include_str!("../data/known-caching.txt")));
}

/// All cases with one proxy.
fn run(who: Who, cases: &[Case]) -> Vec<Verdict> {
    let origin = Origin::start(cases);
    let [nginx, haproxy] = [NGINX, HAPROXY].map(|text| text.replace("ORIGIN", &origin.address.to_string()));
    let side = Side::start(who, &nginx, &haproxy);
    let verdicts = lanes::run(cases.len(), LANES, |n| client::run(&cases[n], side.address, &origin));
    // A case says nothing where one that it builds upon has failed.
    let passed: HashMap<&str, bool> =
        cases.iter().zip(&verdicts).map(|(case, verdict)| (case.id.as_str(), verdict.is_ok())).collect();
    let unmet =
        |case: &Case| case.depends_on.iter().find(|id| passed.get(id.as_str()) == Some(&false)).cloned();
    let judged = cases.iter().zip(&verdicts).map(|(case, verdict)| match (verdict, unmet(case)) {
        (Err(_), Some(id)) => Err(format!("builds upon {id}")),
        _ => verdict.clone(),
    });
    judged.collect()
}
