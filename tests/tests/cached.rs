//! A shop whose proxy keeps pages: what is everybody's is kept, and what is somebody's own never is, with the proxy here and with nginx
//! alike.

use e2e::shopper::{Answer, JSON, Person, Shop};
use e2e::stack::{dir, gone, nginx_is_installed};
use e2e::{loadgen, until};
use rustix::process::Signal;

/// The proxies that there are here.
fn proxies() -> Vec<&'static str> {
    let all = ["builtin", "nginx"];
    all.into_iter().filter(|proxy| *proxy == "builtin" || nginx_is_installed()).collect()
}

fn fared(answer: &Answer) -> &str {
    answer.field("x-cache-status").unwrap_or("")
}

#[test]
fn pages_of_the_catalogue_are_kept() {
    for proxy in proxies() {
        let shop = Shop::with(&format!("--proxy {proxy} --cache"));
        let mut anybody = shop.person();
        for path in [
            "/",
            "/products/7",
            "/new-products?subject=COOKING",
            "/best-sellers",
            "/search?q=Anchor&by=title",
        ] {
            let first = anybody.look(path, "Accept: text/html\r\n").is(200);
            let again = anybody.look(path, "Accept: text/html\r\n").is(200);
            assert_eq!((fared(&first), fared(&again)), ("MISS", "HIT"), "{proxy} {path}");
            assert_eq!(first.body, again.body, "{proxy} {path}");
        }
        // A program is not given what a browser was.
        let data = anybody.look("/products/7", JSON).is(200);
        assert_eq!((fared(&data), &data.json()["id"]), ("MISS", &7.into()), "{proxy}");
        anybody.look("/products/999999", "").is(404);
        assert_eq!(
            fared(&anybody.look("/products/999999", "").is(404)),
            "",
            "{proxy}: what is not there is not kept"
        );
        let (pids, place) = (shop.stack.pids(), dir(&shop.stack));
        let Shop { stack, .. } = shop;
        assert!(stack.end(Signal::TERM).success(), "{proxy}");
        gone(&pids, &place);
    }
}

#[test]
fn who_is_traced_fills_the_cache_and_keeps_it_fresh_and_hears_of_no_other_request_s_times() {
    for proxy in proxies() {
        let shop = Shop::with(&format!("--proxy {proxy} --cache --cache-valid 1s"));
        let mut anybody = shop.person();
        let mut asked = 0;
        let mut traced = || {
            asked += 1;
            let answer = anybody.look("/products/7", &format!("X-Request-ID: id-{asked}\r\n")).is(200);
            // The app's times where it was asked, and the proxy's own in any case.
            let copy = ["HIT", "STALE", "UPDATING"].contains(&fared(&answer));
            let app = format!(";desc=\"id-{asked}\"");
            assert_eq!(answer.head.contains("app;dur="), !copy, "{proxy}: {}", answer.head);
            assert_eq!(answer.head.matches(&app).count(), usize::from(!copy), "{proxy}: {}", answer.head);
            assert_eq!(answer.head.matches("proxy;dur=").count(), 1, "{proxy}: {}", answer.head);
            fared(&answer).to_owned()
        };
        assert_eq!(traced(), "MISS", "{proxy}");
        for how in ["STALE", "HIT", "STALE", "HIT"] {
            until("it fares so", || traced() == how);
        }
        // What is not kept at all has its times.
        let bought = anybody.send("/cart", "item=7&quantity=1", &format!("X-Request-ID: mine\r\n{JSON}"));
        assert!(bought.head.contains(";desc=\"mine\""), "{proxy}: {}", bought.head);
        let plain = anybody.look("/products/7", "");
        assert!(!plain.head.to_lowercase().contains("server-timing"), "{proxy}: {}", plain.head);
    }
}

/// Looks twice, and asserts that no copy was sent.
fn is_own(person: &mut Person<'_>, path: &str, what: &str) {
    for _ in 0..2 {
        let answer = person.look(path, "Accept: text/html\r\n");
        assert_ne!(fared(&answer), "HIT", "{what}: {path}");
    }
}

#[test]
fn what_is_somebody_s_own_is_never_kept() {
    for proxy in proxies() {
        let shop = Shop::with(&format!("--proxy {proxy} --cache"));
        let mut anybody = shop.person();
        for path in [
            "/login",
            "/register",
            "/cart",
            "/checkout",
            "/orders",
            "/orders/1",
            "/?customer=7",
            "/db",
            "/updates",
        ] {
            is_own(&mut anybody, path, proxy);
        }
        let mut ada = shop.person();
        ada.sign_in("user7").is(200);
        assert!(ada.cookie.starts_with("session="), "{proxy}: {}", ada.cookie);
        ada.send("/cart", "item=7&quantity=2", "").leads_to("/cart");
        let home = ada.look("/", "Accept: text/html\r\n").is(200);
        assert!(home.body.contains("Welcome back, ") && fared(&home) == "BYPASS", "{proxy}: {}", home.head);
        for path in ["/", "/cart", "/checkout", "/orders", "/products/7"] {
            is_own(&mut ada, path, proxy);
        }
        // Nobody else is shown hers, and she is not shown what others were.
        let mut bob = shop.person();
        for _ in 0..2 {
            assert!(
                !bob.look("/", "Accept: text/html\r\n").is(200).body.contains("Welcome back, "),
                "{proxy}"
            );
            assert!(
                bob.look("/cart", "Accept: text/html\r\n").is(200).body.contains("It is empty"),
                "{proxy}"
            );
        }
        assert!(ada.look("/", "Accept: text/html\r\n").is(200).body.contains("Welcome back, "), "{proxy}");
        assert!(ada.look("/cart", "Accept: text/html\r\n").is(200).body.contains("/products/7"), "{proxy}");
        // Who signs in is given a session of his own, although the same form was sent before.
        let mut other = shop.person();
        other.sign_in("user7").is(200);
        assert_ne!(other.cookie, ada.cookie, "{proxy}");
    }
}

#[test]
fn what_is_stale_is_sent_while_the_app_is_dead_where_it_was_asked_for() {
    for (how, kept) in [("on", 502), ("stale", 200)] {
        let shop = Shop::with(&format!("--cache {how} --cache-valid 1s --on-death stay"));
        let mut anybody = shop.person();
        anybody.look("/products/7", "").is(200);
        let place = dir(&shop.stack);
        let operate = |verb: &str| {
            let mut command = std::process::Command::new(e2e::binary("target-stack"));
            command.args([verb, "--dir"]).arg(&place).arg("app");
            let ended = e2e::Running::start(command).wait();
            assert_eq!(ended.code, 0, "{verb}: {ended:?}");
        };
        operate("kill");
        until("the copy is no longer fresh", || fared(&anybody.look("/products/7", "")) != "HIT");
        let old = anybody.look("/products/7", "").is(kept);
        assert_eq!(fared(&old) == "STALE", how == "stale", "{how}: {}", old.head);
        anybody.look("/products/8", "").is(502);
        operate("start");
        until("the app is there again", || anybody.look("/products/8", "").status == 200);
        until("the page is fresh again", || {
            ["MISS", "EXPIRED", "HIT"].contains(&fared(&anybody.look("/products/7", "")))
        });
    }
}

#[test]
fn wrong_use_of_a_cache_is_one_line() {
    for (arguments, part) in [
        ("--cache sometimes", "sometimes"),
        ("--cache-valid 10s", "--cache"),
        ("--cache on --cache-valid 0s", "no time from a second to a year"),
    ] {
        let mut command = std::process::Command::new(e2e::binary("target-stack"));
        command.arg("up").args(arguments.split_whitespace());
        e2e::Running::start(command).wait().refused(2, part);
    }
    loadgen("cache http://127.0.0.1:9/").refused(2, "needs the reference target");
}
