//! Parts within parts: where they are drawn, and what cannot be.

use super::*;

fn asked(total_ms: f64) -> Asked {
    Asked {
        id: "5e0c61d3f0a94b27".into(),
        status: Some(200),
        name_ms: Some(1.0),
        connect_ms: 0.5,
        send_ms: 0.25,
        wait_ms: total_ms - 2.0,
        receive_ms: 0.5,
        total_ms,
        answered_id: Some("5e0c61d3f0a94b27".into()),
        ..Asked::default()
    }
}

fn concluded(timing: &[&str]) -> Trace {
    let server_timing = timing.iter().map(|field| (*field).to_owned()).collect();
    let mut trace = Trace { requests: vec![Asked { server_timing, ..asked(12.0) }], ..Trace::default() };
    conclude(&mut trace);
    trace
}

/// Name, start, length, and what it is a part of.
fn drawn(trace: &Trace) -> Vec<(&str, f64, f64, &str)> {
    let of = |part: &Part| part.of.map_or("", |of| trace.parts[of].name.as_str());
    trace.parts.iter().map(|part| (part.name.as_str(), part.start_ms, part.length_ms, of(part))).collect()
}

#[test]
fn parts_lie_within_parts() {
    let app = "queue;dur=0.500, pool;dur=1.000, db;dur=2.500;desc=\"2 statements\", page;dur=0.250, \
               app;dur=6.000;desc=\"5e0c61d3f0a94b27\"";
    let trace = concluded(&[app, "proxy;dur=0008, upstream;dur=0006"]);
    assert_eq!(
        drawn(&trace),
        [
            ("name", 0.0, 1.0, ""),
            ("connect", 1.0, 0.5, ""),
            ("wait", 1.5, 10.0, ""),
            ("send", 1.5, 0.25, "wait"),
            ("proxy", 2.5, 8.0, "wait"),
            ("upstream", 3.5, 6.0, "proxy"),
            ("app", 3.5, 6.0, "upstream"),
            ("queue", 3.5, 0.5, "app"),
            ("pool", 4.0, 1.0, "app"),
            ("db", 5.0, 2.5, "app"),
            ("page", 7.5, 0.25, "app"),
            ("receive", 11.5, 0.5, ""),
        ]
    );
    assert_eq!(trace.verdict, Verdict { valid: true, reasons: vec![] });
    assert_eq!(
        finding(&trace),
        "12 ms from name to page: name 1 ms, connection 0.5 ms, app 6 ms, of which database 2.5 ms"
    );
    let places: Vec<_> = trace.parts.iter().map(|part| part.place).collect();
    assert_eq!(places[4..8], [Place::Centred, Place::Centred, Place::Centred, Place::Ordered]);
    assert_eq!(trace.parts[9].said, "2 statements");
}

#[test]
fn a_coarse_clock_hides_less_than_its_grain() {
    // 6 ms in the proxy's whole milliseconds may be 6.9.
    let trace = concluded(&["app;dur=6.500, proxy;dur=0006, upstream;dur=0006"]);
    assert!(trace.verdict.valid, "{:?}", trace.verdict);
    let lengths: Vec<_> =
        ["proxy", "upstream", "app"].map(|name| trace.part(name).map(|part| part.length_ms)).into();
    assert_eq!(lengths, [Some(6.5); 3]);
    assert_eq!(trace.part("proxy").map(|part| part.took_ms), Some(6.0));
}

#[test]
fn what_does_not_add_up_is_said() {
    for (timing, part) in [
        ("app;dur=7.100, proxy;dur=0006", "app took 7.1 ms, and proxy, of which it is a part, 6 ms"),
        ("proxy;dur=0012", "proxy took 12 ms, and wait for the answer"),
        ("app;dur=10.500", "app took 10.5 ms"),
        ("app;dur=3.000, db;dur=3.100", "app: database took 3.1 ms"),
        (
            "app;dur=3.000, db;dur=2.000, pool;dur=1.100",
            "those of app took 3.1 ms together, and it took 3 ms",
        ),
        ("other;dur=10.1", ""),
        ("other;dur=11", ""),
        ("other;dur=11.5", "other took 11.5 ms"),
    ] {
        let trace = concluded(&[timing]);
        assert_eq!(trace.verdict.valid, part.is_empty(), "{timing}: {:?}", trace.verdict);
        assert!(
            trace.verdict.reasons.iter().any(|reason| reason.contains(part)) || part.is_empty(),
            "{timing}: {trace:?}"
        );
        assert_eq!(trace.verdict.reasons.len(), usize::from(!part.is_empty()), "{:?}", trace.verdict);
        let within = |part: &Part| {
            part.of.is_none_or(|of| {
                let of = &trace.parts[of];
                part.start_ms >= of.start_ms
                    && part.start_ms + part.length_ms <= of.start_ms + of.length_ms + 1e-9
            })
        };
        assert!(trace.parts.iter().all(within), "{timing}: {trace:?}");
    }
}

#[test]
fn what_is_not_known_is_not_made_up() {
    let trace = concluded(&[]);
    assert_eq!(drawn(&trace).len(), 5);
    assert!(
        trace.verdict.valid && trace.verdict.reasons[0].contains("no Server-Timing"),
        "{:?}",
        trace.verdict
    );
    assert_eq!(finding(&trace), "12 ms from name to page: name 1 ms, connection 0.5 ms, waiting 10 ms");

    // Without the app's whole time, its parts are parts of nobody knows what.
    let trace = concluded(&["db;dur=2, cache;desc=hit, total;dur=4.5"]);
    let of_wait: Vec<_> = drawn(&trace).into_iter().filter(|part| part.3 == "wait").collect();
    assert_eq!(of_wait, [("send", 1.5, 0.25, "wait"), ("db", 1.5, 2.0, "wait"), ("total", 1.5, 4.5, "wait")]);
    assert!(trace.parts.iter().any(|part| part.name == "db" && part.place == Place::Unknown));

    // A stored answer has the times of the request that it was stored for.
    let trace = concluded(&["app;dur=6.000;desc=\"another-request\", db;dur=2", "proxy;dur=0003"]);
    assert!(trace.part("app").is_none() && trace.part("proxy").is_some(), "{trace:?}");
    assert!(
        trace.verdict.valid && trace.verdict.reasons[0].contains("another-request"),
        "{:?}",
        trace.verdict
    );
    assert!(concluded(&["app;dur=6;desc=\"all of it\""]).part("app").is_some());
}

#[test]
fn the_median_is_drawn_and_failures_are_told() {
    let failed = Asked { failed: Some("refused".into()), ..Asked::default() };
    let mut trace = Trace {
        requests: vec![asked(9.0), failed.clone(), asked(5.0), asked(7.0), asked(6.0)],
        ..Trace::default()
    };
    conclude(&mut trace);
    assert_eq!(trace.drawn, Some(4));
    assert!(
        trace.verdict.reasons.iter().any(|reason| reason == "1 request of 5 had no answer"),
        "{:?}",
        trace.verdict
    );

    trace.requests = vec![failed];
    conclude(&mut trace);
    assert_eq!((trace.drawn, trace.parts.len()), (None, 0));
    assert_eq!(
        trace.verdict,
        Verdict { valid: false, reasons: vec!["no request was answered: refused".into()] }
    );
    assert_eq!(finding(&trace), "No request was answered");
}

#[test]
fn times_that_cannot_be_are_noticed() {
    let with = |asked: Asked| Trace { requests: vec![asked], ..Trace::default() };
    assert_eq!(contradiction(&with(asked(9.0))), None);
    assert!(contradiction(&with(Asked { connect_ms: 0.6, ..asked(9.0) })).is_some());
    assert!(contradiction(&with(Asked { connect_ms: -0.5, total_ms: 8.0, ..asked(9.0) })).is_some());
    assert!(contradiction(&with(Asked { send_ms: f64::NAN, ..asked(9.0) })).is_some());
}
