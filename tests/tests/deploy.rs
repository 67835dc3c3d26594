//! Another version of the app under visitors: one server after the other it goes out unnoticed, all at once it does not, and one that
//! is no good goes no further than the first server.

use e2e::stack::{dir, events, gone, in_short, nginx_is_installed, operate, operating, tiers, tiers_now};
use e2e::visitors::{Visit, during};
use e2e::{Target, get, runs, signal, until};
use rustix::process::Signal;

/// Visitors at each proxy.
const VISITORS: usize = 4;
/// Answers before something is done, and after it.
const ANSWERS: usize = 100;

fn up(options: &str) -> (Target, Vec<String>) {
    let stack = Target::start(&format!("up --scale small {options}"));
    let proxies = tiers(&stack, "proxy").into_iter().map(|(_, address)| address).collect();
    (stack, proxies)
}

fn some_answers(visit: &Visit) {
    let before = visit.answers();
    until("visitors are answered", || visit.answers() > before + ANSWERS);
}

/// The version that answers at `address`.
fn version(address: &str) -> String {
    let answer = get(address, "/plaintext", "").to_ascii_lowercase();
    let line = answer.lines().find_map(|line| line.strip_prefix("x-app-version: "));
    line.unwrap_or_default().to_owned()
}

/// The app servers that the proxy's configuration has as down.
fn told_not_to_use(stack: &Target) -> Vec<String> {
    let text = std::fs::read_to_string(dir(stack).join("nginx.conf")).unwrap_or_default();
    let down = |line: &str| Some(line.trim().strip_prefix("server ")?.strip_suffix(" down;")?.to_owned());
    assert!(text.contains("        server 127.0.0.1:"), "{text}");
    text.lines().filter_map(down).collect()
}

/// Rolls `times` versions out under visitors, none of whom may notice.
fn roll(options: &str, times: usize, want: &[&str]) {
    let (stack, proxies) = up(options);
    let (pids, dir, before) = (stack.pids(), dir(&stack), tiers(&stack, "app"));
    let seen = during(&proxies, VISITORS, |visit| {
        some_answers(visit);
        for n in 0..times {
            let ended = operate(&stack, "deploy");
            assert_eq!((ended.code, &*ended.err), (0, ""), "{ended:?}");
            assert_eq!(in_short(&ended), want);
            let version = (n + 2).to_string();
            let replaced = events(&ended).into_iter().filter(|event| event["event"] == "replaced");
            assert!(replaced.into_iter().all(|event| event["version"] == *version));
            some_answers(visit);
        }
    });
    assert_eq!(seen.failures, [""; 0], "{:?}", seen.versions);
    assert_eq!(seen.versions.len(), times + 1, "{:?}", seen.versions);
    // Other processes at the same addresses.
    let after = tiers_now(&stack, "app");
    assert!(after.iter().zip(&before).all(|(new, old)| new.0 != old.0 && new.1 == old.1), "{after:?}");
    for (_, address) in &after {
        assert_eq!(version(address), (times + 1).to_string());
    }
    drop(stack);
    gone(&pids, &dir);
}

#[test]
fn rolling_loses_no_request() {
    let server = |n: usize| {
        [
            "reloaded proxy 1".to_owned(),
            format!("drained app {n}"),
            format!("stopped app {n}"),
            format!("started app {n}"),
            "reloaded proxy 1".to_owned(),
            format!("replaced app {n}"),
        ]
    };
    let want = [server(1), server(2)].concat();
    roll("--servers 2", 10, &want.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn rolling_behind_two_proxies_loses_no_request() {
    let want = "reloaded proxy 1,reloaded proxy 2,drained app 1,stopped app 1,started app 1,reloaded proxy 1,\
                reloaded proxy 2,replaced app 1,reloaded proxy 1,reloaded proxy 2,drained app 2,stopped app 2,\
                started app 2,reloaded proxy 1,reloaded proxy 2,replaced app 2";
    roll("--servers 2 --proxies 2", 2, &want.split(',').collect::<Vec<_>>());
}

#[test]
fn rolling_behind_nginx_loses_no_request() {
    if !nginx_is_installed() {
        return;
    }
    let want = "drained app 1,stopped app 1,started app 1,replaced app 1,drained app 2,stopped app 2,\
                started app 2,replaced app 2";
    roll("--servers 2 --proxy nginx", 1, &want.split(',').collect::<Vec<_>>());
}

#[test]
fn stopping_and_starting_is_noticed() {
    for servers in [1, 2] {
        let (stack, proxies) = up(&format!("--servers {servers}"));
        let seen = during(&proxies, VISITORS, |visit| {
            some_answers(visit);
            let ended = operate(&stack, "deploy --strategy stop-and-start --version next");
            assert_eq!(ended.code, 0, "{ended:?}");
            let each = |what: &str| (1..=servers).map(|n| format!("{what} app {n}")).collect::<Vec<_>>();
            let begun = (1..=servers).flat_map(|n| [format!("started app {n}"), format!("replaced app {n}")]);
            let want = [each("stopped"), begun.collect(), vec!["reloaded proxy 1".to_owned()]].concat();
            assert_eq!(in_short(&ended), want);
            some_answers(visit);
        });
        assert!(!seen.failures.is_empty() && seen.versions.contains_key("next"), "{:?}", seen.versions);
        assert_eq!(version(&proxies[0]), "next");
    }
}

#[test]
fn a_version_that_is_not_well_goes_no_further_than_the_first_server() {
    let (stack, proxies) = up("--servers 2");
    let before = tiers(&stack, "app");
    let seen = during(&proxies, VISITORS, |visit| {
        some_answers(visit);
        let deploying = operating(&stack, "deploy --version bad --sick");
        until("the proxy is told not to use it", || told_not_to_use(&stack) == [before[0].1.as_str()]);
        let ended = deploying.wait();
        ended.refused(
            1,
            "version bad goes no further than app 1: it answers 503 at /healthz (this version is sick)",
        );
        let want = "reloaded proxy 1,drained app 1,stopped app 1,started app 1,refused app 1,stopped app 1,\
                    started app 1,reloaded proxy 1";
        assert_eq!(in_short(&ended), want.split(',').collect::<Vec<_>>());
        let said = events(&ended);
        let versions: Vec<&str> = said.iter().filter_map(|event| event["version"].as_str()).collect();
        assert_eq!(versions[2..], ["bad", "bad", "bad", versions[0]]);
        assert_eq!(told_not_to_use(&stack), [""; 0]);
        some_answers(visit);
    });
    assert_eq!(seen.failures, [""; 0]);
    assert!(!seen.versions.contains_key("bad") && seen.versions.len() == 1, "{:?}", seen.versions);
    let after = tiers_now(&stack, "app");
    assert!(after[1] == before[1] && after[0].0 != before[0].0, "{after:?}");

    // Where there is nothing to fall back on meanwhile, the version before comes back as well.
    let ended = operate(&stack, "deploy --strategy stop-and-start --version worse --sick");
    ended.refused(1, "version worse goes no further than app 1");
    for address in &proxies {
        assert!(get(address, "/healthz", "").starts_with("HTTP/1.1 200 "));
        assert_eq!(seen.versions.keys().next(), Some(&version(address)));
    }
    let ended = operate(&stack, "deploy");
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn a_server_is_in_use_again_where_not_all_proxies_can_be_told_that_it_is_not() {
    let (stack, proxies) = up("--servers 2 --proxies 2");
    // Nothing can be written where a directory is.
    let obstacle = dir(&stack).join("proxy-2/nginx.conf.new");
    std::fs::create_dir(&obstacle).expect("a directory");
    operate(&stack, "deploy").refused(1, "cannot write ");
    assert_eq!(told_not_to_use(&stack), [""; 0]);
    std::fs::remove_dir(&obstacle).expect("a way");
    assert_eq!(operate(&stack, "deploy --version 7").code, 0);
    assert!(proxies.iter().all(|proxy| version(proxy) == "7"));
}

#[test]
fn who_cannot_be_put_back_is_the_version_before_when_it_is_started() {
    let (stack, proxies) = up("--servers 2 --on-death stay");
    let before = version(&proxies[0]);
    assert_eq!(operate(&stack, "kill db").code, 0);
    operate(&stack, "deploy --strategy stop-and-start --version 7").refused(1, "cannot use the database");
    assert_eq!(operate(&stack, "start db").code, 0);
    for number in 1..=2 {
        let started = operate(&stack, &format!("start app --number {number}"));
        assert_eq!((started.code, &events(&started)[0]["version"]), (0, &before.as_str().into()));
    }
}

#[test]
fn a_server_that_is_dead_is_replaced_first_and_the_only_one_not_at_all() {
    let (stack, proxies) = up("--servers 2");
    assert_eq!(operate(&stack, "kill app --number 2").code, 0);
    let seen = during(&proxies, VISITORS, |visit| {
        some_answers(visit);
        let ended = operate(&stack, "deploy");
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_eq!(in_short(&ended)[..2], ["started app 2", "reloaded proxy 1"]);
        some_answers(visit);
    });
    assert_eq!(seen.failures, [""; 0]);
    drop(stack);

    let (stack, _) = up("");
    operate(&stack, "deploy").refused(1, "nobody would answer while the only app server is replaced");
    assert_eq!(operate(&stack, "deploy --strategy stop-and-start").code, 0);
}

#[test]
fn one_thing_is_done_at_a_time_and_the_stack_can_be_ended_in_the_middle_of_it() {
    for with in [Signal::TERM, Signal::INT] {
        let (stack, _) = up("--servers 2 --on-death stay");
        let (pids, dir) = (stack.pids(), dir(&stack));
        // A version that is not well is waited for.
        let deploying = operating(&stack, "deploy --sick");
        until("the server is being replaced", || {
            !runs(pids_of(&stack)[0]) || tiers_now(&stack, "app")[0].0 != pids_of(&stack)[0]
        });
        for command in ["deploy", "kill app --number 2", "start db", "reload"] {
            operate(&stack, command)
                .refused(1, "the stack is busy with a deploy: try again when that has ended");
        }
        let now: Vec<u32> = tiers_now(&stack, "app").into_iter().map(|(pid, _)| pid).collect();
        assert!(stack.end(with).success());
        deploying.wait().refused(1, "the stack has ended meanwhile");
        gone(&[pids, now].concat(), &dir);
    }
}

/// The pids of the app servers that the stack began with.
fn pids_of(stack: &Target) -> Vec<u32> {
    tiers(stack, "app").into_iter().map(|(pid, _)| pid).collect()
}

#[test]
fn whoever_told_the_stack_may_go() {
    let (stack, _) = up("--servers 2");
    let before = tiers(&stack, "app");
    let deploying = operating(&stack, "deploy --version 7");
    until("it has begun", || !runs(before[0].0));
    signal(deploying.pid(), Signal::KILL);
    deploying.wait();
    until("it is done all the same", || {
        before
            .iter()
            .all(|(_, address)| std::net::TcpStream::connect(address).is_ok_and(|_| version(address) == "7"))
    });
}
