//! What sessions do with answers, and that they do the same on any number of threads.

use super::super::Scenario;
use super::*;
use crate::request;
use proptest::prelude::*;
use std::collections::BTreeMap;

const S: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

pub(in super::super) fn script_with(text: &str, users: &str, headers: &[&str], seed: u64) -> Arc<Script> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("users.csv"), users).unwrap();
    std::fs::write(dir.path().join("s.toml"), text).unwrap();
    let scenario = Scenario::load(&dir.path().join("s.toml")).unwrap_or_else(|e| panic!("{e}"));
    let headers: Vec<_> = headers.iter().map(|text| request::header(text).unwrap()).collect();
    Arc::new(Script::new(Arc::new(scenario), "shop.test:8080", &headers, seed))
}

fn script(text: &str) -> Arc<Script> {
    script_with(text, "name\nada\nalan\ngrace\n", &[], 1)
}

pub(in super::super) fn ok(body: &str) -> Answered<'_> {
    Answered { status: 200, head: &[], body: body.as_bytes(), size: body.len() as u64, whole_body: true }
}

pub(in super::super) fn at(intended: u64, sent: u64, done: u64) -> Instants {
    Instants { intended, sent, done }
}

pub(in super::super) fn encoded(sessions: &mut Sessions, session: u32) -> String {
    let mut out = Vec::new();
    sessions.encode(session, &mut out);
    String::from_utf8(out).unwrap()
}

fn first_line(sessions: &mut Sessions, session: u32) -> String {
    encoded(sessions, session).lines().next().unwrap().to_owned()
}

pub(in super::super) const FULL: &str = "[data.users]\nfile = 'users.csv'\n[defaults]\nheaders = { Accept = 'a/b', X-A = 'file', X-B = '{{users.name}}' }\n\
    [generate.id]\nkind = 'uuid'\n[generate.n]\nkind = 'int'\nfrom = 1\nto = 1000000\nper = 'request'\n\
    [[interaction]]\nname = 'a'\nweight = 2\n[[interaction.step]]\nmethod = 'POST'\npath = '/{{n}}'\n\
    form = { 'na me' = '{{users.name}} & co', n = '{{n}}' }\n\
    [[interaction.step]]\nmethod = 'POST'\npath = '/{{n}}'\nheaders = { Accept = 'c/d', Content-Type = 'x/y' }\n\
    json = { n = '{{n|raw}}', text = 'say \"{{users.name}}\"', list = [1, 2.5, true, {}] }\n\
    [[interaction]]\nname = 'b'\npath = '/{{id}}'\n";

const CHAIN: &str = "[[interaction]]\nname = 'buy'\nthink = '1s'\n\
    [[interaction.step]]\nname = 'cart'\npath = '/cart'\nextract = [{ var = 'cart', json = '/id' }]\n\
    [[interaction.step]]\nname = 'confirm'\npath = '/buy/{{cart}}'\ncheck = [{ status = 200 }, { json = '/ok', equals = true }]\n\
    [[interaction.step]]\nname = 'look'\npath = '/orders/{{cart}}'\n";

#[test]
fn a_late_step_is_not_forgiven_but_think_time_makes_up_for_it() {
    let mut sessions = Sessions::new(script(CHAIN));
    // Expected at 10 s, the cart was asked for 400 ms late, since no connection was free, and answered within 100 ms.
    let cart = sessions.begin(0, 10 * S).unwrap();
    let turn = sessions.answered(
        cart.session,
        &ok(r#"{"id": 7}"#),
        at(10 * S, 10 * S + 400 * MS, 10 * S + 500 * MS),
    );
    // In time, it would have been answered at 10.1 s, and after a second's thought, at 11.1 s, the next step would have come:
    // not at 11.5 s, where the answer's own instant would put it. Nobody is late for that yet.
    let confirm = turn.next.unwrap();
    assert_eq!(confirm.intended, 11 * S + 100 * MS);
    // The generator hangs until 13 s, 1.9 s late: more than the user thinks. Service takes 200 ms.
    let turn = sessions.answered(
        confirm.session,
        &ok(r#"{"ok": true}"#),
        at(confirm.intended, 13 * S, 13 * S + 200 * MS),
    );
    let look = turn.next.unwrap();
    // 11.1 s + 0.2 s + 1 s: due before it can be sent, so its response time begins with the 0.9 s that are left of the delay.
    assert_eq!(look.intended, 12 * S + 300 * MS);
    assert_eq!(13 * S + 200 * MS - look.intended, 900 * MS);
    // Sent in time, Tene's rule and the plain one agree: the next is due after the answer, and the thought.
    let other = sessions.begin(1, 20 * S).unwrap();
    let turn = sessions.answered(other.session, &ok(r#"{"id": 8}"#), at(20 * S, 20 * S, 20 * S + 50 * MS));
    assert_eq!(turn.next.unwrap().intended, 20 * S + 50 * MS + S);
}

fn running(sessions: &Sessions) -> usize {
    sessions.slots.len() - sessions.free.len()
}

#[test]
fn a_session_goes_through_its_steps_with_what_it_was_told() {
    let mut sessions = Sessions::new(script(CHAIN));
    let cart = sessions.begin(5, 0).unwrap();
    assert_eq!(cart, Next { index: 5, session: 0, entry: 0, intended: 0 });
    let mut lines = vec![first_line(&mut sessions, 0)];
    for body in [r#"{"id": "a b"}"#, r#"{"ok": true}"#] {
        let turn = sessions.answered(0, &ok(body), at(0, 0, 0));
        assert_eq!(turn.failed, None);
        lines.push(first_line(&mut sessions, 0));
    }
    assert_eq!(lines, ["GET /cart HTTP/1.1", "GET /buy/a%20b HTTP/1.1", "GET /orders/a%20b HTTP/1.1"]);
    assert_eq!(sessions.answered(0, &ok(""), at(0, 0, 0)), Turn { failed: None, next: None });
    // The place is free for another, who knows nothing of the first.
    assert_eq!((running(&sessions), sessions.begin(6, 0).unwrap().session), (0, 0));
    assert!(sessions.slots[0].values.iter().all(Vec::is_empty));
}

#[test]
fn a_check_or_an_extract_that_fails_ends_the_session_and_is_counted() {
    let script = script(CHAIN);
    let mut sessions = Sessions::new(Arc::clone(&script));
    let mut failures = Vec::new();
    for answers in [
        &[ok("no JSON")][..],
        &[ok(r#"{"di": 7}"#)],
        &[ok(r#"{"di": 7}"#)],
        &[ok(r#"{"id": 7}"#), Answered { status: 500, ..ok("") }],
        &[ok(r#"{"id": 7}"#), ok(r#"{"ok": false}"#)],
        &[ok(r#"{"id": 7}"#), Answered { whole_body: false, size: 1 << 33, ..ok(r#"{"ok": tr"#) }],
    ] {
        let session = sessions.begin(0, 0).unwrap().session;
        let turns: Vec<Turn> =
            answers.iter().map(|one| sessions.answered(session, one, at(0, 0, 0))).collect();
        let (last, before) = turns.split_last().unwrap();
        assert!(before.iter().all(|turn| turn.failed.is_none() && turn.next.is_some()));
        assert_eq!(last.next, None);
        failures.push(script.describe(last.failed.unwrap()));
        // What comes after the end changes nothing.
        assert_eq!(sessions.answered(session, &ok("{}"), at(0, 0, 0)), Turn { failed: None, next: None });
        assert_eq!(sessions.failed(session, 0), None);
    }
    assert_eq!(
        failures,
        [
            "extract 1: json /id: the body is no JSON",
            "extract 1: json /id: there is none",
            "extract 1: json /id: there is none",
            "check 1: status 200: it is not so",
            "check 2: json /ok equals true: it is not so",
            "check 2: json /ok equals true: the body is longer than `capture`",
        ]
    );
    assert_eq!(running(&sessions), 0);
}

#[test]
fn a_request_without_an_answer_ends_its_session() {
    let mut sessions = Sessions::new(script(CHAIN));
    let session = sessions.begin(0, 0).unwrap().session;
    sessions.answered(session, &ok(r#"{"id": 7}"#), at(0, 0, 0));
    assert_eq!(sessions.failed(session, 5), None);
    assert_eq!(running(&sessions), 0);
}

#[test]
fn in_a_closed_loop_a_user_s_next_session_begins_when_the_last_has_been_thought_about() {
    let text = "[sessions]\narrivals = 'closed'\nusers = 3\n[[interaction]]\nname = 'a'\npath = '/{{n}}'\nthink = '2s'\n\
        [generate.n]\nkind = 'counter'\n";
    let mut sessions = Sessions::new(script(text));
    let users: Vec<Next> = (0..3).map(|user| sessions.begin(user, 0).unwrap()).collect();
    // Late though it was, a new arrival is due when the user is there.
    let again = sessions.answered(users[1].session, &ok(""), at(0, 4 * S, 5 * S)).next.unwrap();
    assert_eq!((again.index, again.intended), (4, 7 * S));
    assert_eq!(first_line(&mut sessions, again.session), "GET /4 HTTP/1.1");
    let after = sessions.failed(again.session, 9 * S).unwrap();
    assert_eq!((after.index, after.intended), (7, 11 * S));
    assert_eq!((running(&sessions), sessions.slots.len()), (3, 3));
}

#[test]
fn in_a_partly_open_loop_users_stay_as_often_as_the_file_says() {
    let text = "[sessions]\narrivals = 'partly-open'\nstay = 0.75\ncookies = true\n[[interaction]]\nname = 'a'\n\
        path = '/{{v}}'\nthink = '2s'\n[generate.v]\nkind = 'hex'\nlength = 8\n";
    let mut sessions = Sessions::new(script(text));
    let mut requests = 0;
    for index in 0..4000 {
        let mut next = sessions.begin(index, 0).unwrap();
        loop {
            requests += 1;
            let at = at(next.intended, next.intended + S, next.intended + 2 * S);
            match sessions.answered(next.session, &ok(""), at).next {
                None => break,
                Some(stays) => {
                    // The same user, one interaction on: 1 s of service and 2 s of thought later.
                    assert_eq!((stays.index, stays.intended), (index, next.intended + 3 * S));
                    next = stays;
                }
            }
        }
    }
    // A geometric number with mean 4 and standard deviation √12.
    let mean = f64::from(requests) / 4000.0;
    assert!((mean - 4.0).abs() < 0.25, "{mean}");
    assert_eq!((running(&sessions), sessions.slots.len()), (0, 1));
    // A user's next interaction has values of its own.
    let mut first =
        (0..).find(|index| sessions.script.stays(*index, 0)).map(|index| sessions.begin(index, 0).unwrap());
    let line = first_line(&mut sessions, 0);
    first = sessions.answered(first.unwrap().session, &ok(""), at(0, 0, 0)).next;
    assert_ne!(line, first_line(&mut sessions, first.unwrap().session));
}

#[test]
fn when_unique_rows_run_out_sessions_do_not_begin() {
    let text = "[data.users]\nfile = 'users.csv'\npick = 'unique'\n[[interaction]]\nname = 'a'\npath = '/{{users.name}}'\n";
    let mut sessions = Sessions::new(script(text));
    let names: Vec<_> = (0..5)
        .map(|index| match sessions.begin(index, 0) {
            Ok(next) => first_line(&mut sessions, next.session),
            Err(exhausted) => sessions.script.explain(exhausted),
        })
        .collect();
    let gone = "data `users` has 3 rows, each for one session, and they are used up";
    assert_eq!(names, ["GET /ada HTTP/1.1", "GET /alan HTTP/1.1", "GET /grace HTTP/1.1", gone, gone]);
    assert_eq!((running(&sessions), sessions.not_begun()), (3, Some((2, gone.into()))));
    // Whoever may stay needs a row even when the first interaction does without: a later one may not.
    let plain = "[[interaction]]\nname = 'b'\nweight = 1e9\npath = '/'\n";
    let half = format!("[sessions]\narrivals = 'partly-open'\nstay = 0.5\n{text}{plain}");
    for (text, begun) in [(half, 3), (format!("{text}{plain}"), 5)] {
        let mut sessions = Sessions::new(script(&text));
        assert_eq!((0..5).filter(|index| sessions.begin(*index, 0).is_ok()).count(), begun);
    }
    // In a closed loop, the user is gone with the data.
    let closed = format!("[sessions]\narrivals = 'closed'\nusers = 2\n{text}");
    let mut sessions = Sessions::new(script(&closed));
    let session = sessions.begin(1, 0).unwrap().session;
    assert_eq!(sessions.answered(session, &ok(""), at(0, 0, 0)).next, None);
    assert_eq!((running(&sessions), sessions.not_begun().map(|(times, _)| times)), (0, Some(1)));
}

#[test]
fn a_session_keeps_its_cookies_and_no_others() {
    let text = "[sessions]\ncookies = true\n[[interaction]]\nname = 'a'\n[[interaction.step]]\npath = '/login'\n\
        [[interaction.step]]\npath = '/account'\n";
    let mut sessions = Sessions::new(script(text));
    assert!(sessions.wants(0).head && sessions.wants(0).body_up_to == 0);
    let (one, two) = (sessions.begin(0, 0).unwrap().session, sessions.begin(1, 0).unwrap().session);
    assert!(!encoded(&mut sessions, one).contains("Cookie"));
    let head: [(&str, &[u8]); 2] = [("Set-Cookie", b"sid=1; Path=/"), ("set-cookie", b"lang=en")];
    sessions.answered(one, &Answered { head: &head, ..ok("") }, at(0, 0, 0));
    sessions.answered(two, &ok(""), at(0, 0, 0));
    assert!(encoded(&mut sessions, one).ends_with("accept: */*\r\nCookie: sid=1; lang=en\r\n\r\n"));
    assert_eq!(sessions.request(one).unwrap().headers()["cookie"], "sid=1; lang=en");
    assert!(!encoded(&mut sessions, two).contains("Cookie"));
    sessions.failed(one, 0);
    let next = sessions.begin(2, 0).unwrap().session;
    assert!(next == one && !encoded(&mut sessions, next).contains("Cookie"));
}

#[test]
fn memory_is_that_of_the_sessions_that_run() {
    let mut sessions = Sessions::new(script(CHAIN));
    let large = format!(r#"{{"id": "{}"}}"#, "x".repeat(1 << 20));
    for index in 0..1000 {
        let session = sessions.begin(index, 0).unwrap().session;
        sessions.answered(session, &ok(&large), at(0, 0, 0));
        sessions.failed(session, 0);
    }
    assert_eq!((sessions.slots.len(), sessions.free.len()), (1, 1));
    assert!(sessions.slots[0].values.iter().all(|value| value.capacity() <= 2 * KEEP));
}

/// All requests of the sessions of every `of`-th index from `share` on, by index and step.
fn requests(seed: u64, share: u64, of: u64, together: bool) -> BTreeMap<(u64, u16), (String, u64)> {
    let mut sessions = Sessions::new(script_with(FULL, "name\nada\nalan\ngrace\n", &[], seed));
    let mut found = BTreeMap::new();
    let mut waiting = Vec::new();
    for index in (share..60).step_by(of as usize) {
        waiting.push(sessions.begin(index, index * MS).unwrap());
        while let Some(next) = waiting.pop() {
            found.insert((next.index, next.entry), (encoded(&mut sessions, next.session), next.intended));
            let at = at(next.intended, next.intended, next.intended + MS);
            waiting.extend(sessions.answered(next.session, &ok(""), at).next);
            if together {
                break;
            }
        }
    }
    while let Some(next) = waiting.pop() {
        found.insert((next.index, next.entry), (encoded(&mut sessions, next.session), next.intended));
        let at = at(next.intended, next.intended, next.intended + MS);
        waiting.extend(sessions.answered(next.session, &ok(""), at).next);
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_same_seed_sends_the_same_requests_from_any_number_of_threads(seed: u64, of in 1u64..7, together: bool) {
        let whole = requests(seed, 0, 1, false);
        let mut parts = BTreeMap::new();
        (0..of).for_each(|share| parts.extend(requests(seed, share, of, together)));
        prop_assert_eq!(&parts, &whole);
        prop_assert!(whole != requests(seed ^ 1, 0, 1, false));
    }
}
