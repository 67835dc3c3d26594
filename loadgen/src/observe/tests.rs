//! The observer against endpoints that answer, lie, stop and never begin to.

use super::*;
use crate::plan;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// An endpoint on a port of its own. Of its `n`th question, counted from 0, `answer` makes status and body, or hangs up.
struct Fake {
    observe: Observe,
    asked: Arc<AtomicU32>,
}

impl Fake {
    fn new(name: &str, answer: fn(u32) -> Option<(u16, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let observe = plan::observe(&format!("{name}=http://{}/metrics", listener.local_addr().unwrap()));
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let n = count.load(Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4096]);
                if let Some((status, body)) = answer(n) {
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
                    );
                    let _ = stream.write_all((head + &body).as_bytes());
                }
                count.store(n + 1, Ordering::SeqCst);
            }
        });
        Self { observe: observe.unwrap(), asked }
    }

    async fn asked(&self, times: u32) {
        while self.asked.load(Ordering::SeqCst) < times {
            tokio::task::yield_now().await;
        }
    }
}

/// Metrics of a process that has used `cpu` seconds.
fn process(cpu: f64) -> Option<(u16, String)> {
    Some((200, format!("# TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total {cpu}\n# EOF\n")))
}

/// Observes a measured part in which each endpoint is asked at its beginning, at least once in between, and at its end. The
/// first question of all is put before it begins, and the answer to it does not count.
fn observe(fakes: &[Fake]) -> Observed {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let endpoints = fakes.iter().map(|fake| fake.observe.clone()).collect();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let observer = Observer::start(endpoints, Cpus { target: vec![0], ..Cpus::default() });
        for fake in fakes {
            fake.asked(1).await;
        }
        observer.begin(pace::now(), Duration::from_secs(4));
        for fake in fakes {
            fake.asked(3).await;
        }
        observer.end();
        observer.finish().await
    })
}

#[test]
fn what_endpoints_say_comes_with_its_series_and_what_they_do_not_with_a_reason() {
    let observed =
        observe(&[
            Fake::new("app", |n| process(f64::from(n))),
            Fake::new("stops", |n| if n < 3 { process(f64::from(n)) } else { None }),
            Fake::new("lies", |n| {
                if n < 3 { process(f64::from(n)) } else { Some((200, "<html>\n<p>\n".into())) }
            }),
            Fake::new("anew", |n| process(f64::from(if n < 3 { n } else { 0 }))),
            Fake::new("wrong", |_| Some((404, String::new()))),
        ]);
    let Observed { tiers, machine, telemetry } = &observed;
    for tier in ["app", "stops", "lies", "anew"] {
        assert!(tiers[tier]["cpu_share"] > 0.0, "{tier}: {observed:?}");
    }
    assert!(tiers["wrong"].is_empty() && !telemetry.tiers.contains_key("wrong"), "{observed:?}");
    let values = |tier: &str| telemetry.tiers[tier]["cpu_share"].iter().map(|(_, value)| value.is_some());
    let values = |tier: &str| values(tier).collect::<Vec<_>>();
    assert_eq!(values("stops"), [false, true]);
    assert_eq!(values("lies"), [false, true]);
    assert_eq!(values("anew")[..3], [false, true, false]);
    assert!(values("app").len() >= 3 && values("app")[1..].iter().all(|known| *known), "{observed:?}");
    assert!((0.0..=1.0).contains(&machine["cpu_busy"]) && machine["steal"] >= 0.0, "{machine:?}");
    assert!(machine.contains_key("target_cpu_busy") && !telemetry.machine["cpu_busy"].is_empty());
    for (at, parts) in [
        ["the metrics of stops were missing from ", " on: "],
        ["the metrics of lies were missing from ", " on: the answer is no metrics text"],
        ["process_cpu_seconds_total of anew went back, as if started anew at ", "nothing is made up"],
        ["no CPU time could be read from the metrics of: wrong", "404"],
    ]
    .iter()
    .enumerate()
    {
        assert!(
            telemetry.notes.len() == 4 && parts.iter().all(|part| telemetry.notes[at].contains(part)),
            "{observed:?}"
        );
    }
}

#[test]
fn what_is_handed_on_unchanged_says_nothing_and_that_is_said() {
    let old = |_| Some((200, "container_cpu_usage_seconds_total{id=\"/a\"} 7 1714570832000\n".to_owned()));
    let observed = observe(&[Fake::new("app", old)]);
    assert!(observed.tiers["app"].is_empty(), "{observed:?}");
    assert_eq!(
        observed.telemetry.notes,
        ["the metrics of app are older than the measured part, all of them"]
    );
}

#[test]
fn a_run_that_never_came_to_its_measured_part_observed_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fake = Fake::new("app", |_| process(1.0));
    let observed = tokio::task::LocalSet::new().block_on(&runtime, async {
        let observer = Observer::start(vec![fake.observe.clone()], Cpus::default());
        fake.asked(1).await;
        observer.finish().await
    });
    assert!(observed.tiers["app"].is_empty() && observed.machine.is_empty(), "{observed:?}");
    assert!(observed.telemetry.notes[0].contains("app (it was not asked)"), "{observed:?}");
}

#[test]
fn the_last_tick_leaves_room_for_the_last_sample() {
    let from = pace::now();
    let at = |length_s: f64, now_s: f64| {
        let measured = Measured { from, length: Duration::from_secs_f64(length_s) };
        let (tick, due) = measured.next(from + Duration::from_secs_f64(now_s));
        (tick, due.map(|due| due.as_millis()))
    };
    for (length_s, now_s, want) in [
        (10.0, 0.0, (1, Some(1000))),
        (10.0, 0.25, (1, Some(750))),
        (10.0, 8.0, (9, Some(1000))),
        (10.0, 9.0, (10, None)),
        (9.4, 8.0, (9, None)),
        (2.0, 0.0, (1, Some(500))),
        (2.0, 1.0, (3, Some(500))),
        (2.0, 1.75, (4, None)),
        (0.0, 0.0, (1, None)),
    ] {
        assert_eq!(at(length_s, now_s), want, "{length_s} {now_s}");
    }
}

#[test]
fn what_cannot_be_read_is_said_before_the_load() {
    let good = Fake::new("proxy", |_| process(1.0));
    let page = Fake::new("db", |_| Some((200, String::from("<html><body>Welcome</body></html>"))));
    let broken = Fake::new("cache", |_| Some((500, String::new())));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dead = plan::observe(&format!("app=http://{closed}/metrics")).unwrap();
    let mute = plan::observe(&format!("app=http://{}/metrics", silent.local_addr().unwrap())).unwrap();
    let endpoints = [dead.clone(), good.observe.clone(), page.observe.clone(), mute, broken.observe.clone()];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let said = local.block_on(&runtime, unreadable(&endpoints));
    let parts = ["Connection refused", "no metrics text", "no answer in time", "the answer is 500"];
    assert_eq!(said.len(), parts.len(), "{said:?}");
    for (said, part) in said.iter().zip(parts) {
        assert!(said.contains(part) && said.ends_with("; going on without"), "`{part}`: {said}");
    }
    assert!(said[0].starts_with(&format!("cannot read metrics of app at {}: ", dead.url)), "{said:?}");
    assert_eq!(local.block_on(&runtime, unreadable(&[])), Vec::<String>::new());
}
