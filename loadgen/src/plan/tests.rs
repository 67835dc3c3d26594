//! What the options mean, and what they refuse.

use super::*;
use crate::cli::Cli;
use clap::Parser;

fn plan(line: &str) -> Outcome<Plan> {
    let arguments = std::iter::once("loadgen").chain(line.split_whitespace());
    Plan::new(Cli::try_parse_from(arguments).unwrap().run)
}

#[test]
fn the_main_job() {
    let plan = plan("--rps 5000").unwrap();
    assert!(plan.url.is_none() && plan.open);
    assert_eq!((plan.connections, plan.backlog), (1024, 10_000));
    assert_eq!((plan.warmup(), plan.measured()), (Duration::ZERO, Duration::from_secs(10)));
}

#[test]
fn the_reference_targets_proxy_is_ours_unless_said() {
    assert_eq!(plan("--rps 1").unwrap().target_proxy, None);
    assert_eq!(plan("--rps 1 --target-proxy nginx").unwrap().target_proxy, Some(TargetProxy::Nginx));
}

#[test]
fn without_a_rate_the_loop_is_closed() {
    let error = plan("--arrivals poisson").unwrap_err();
    assert!(error.message.contains("give --rps or --stages"), "{}", error.message);
    let plan = plan("http://localhost -d 2s --warmup 500ms").unwrap();
    assert!(!plan.open && plan.connections == 64);
    assert_eq!(plan.steps.len(), 2);
}

#[test]
fn a_warm_up_goes_at_the_first_rate_and_does_not_count() {
    for (stages, rps) in [("1s:10-20,2s:30", 10.0), ("1s:0-20", 20.0)] {
        let plan = plan(&format!("http://h --stages {stages} --warmup 3s")).unwrap();
        assert!(!plan.steps[0].counted && plan.steps[0].from.rps() == rps && plan.steps[0].to.rps() == rps);
        assert!(plan.steps[1..].iter().all(|step| step.counted));
    }
}

#[test]
fn urls_that_cannot_be_loaded_are_refused() {
    for text in [
        "localhost:8080",
        "localhost",
        "ftp://x/",
        "http://",
        "http:///x",
        "http://h:/",
        "http://h:0/",
        "http://h:99999/",
        "http://u:p@h/",
        "http://a b/",
    ] {
        let refused = Plan::new(Cli::try_parse_from(["loadgen", text]).unwrap().run);
        assert!(refused.is_err_and(|e| e.exit == crate::failure::Exit::Usage), "{text}");
    }
    for text in ["http://h", "https://h:8443/", "http://h:80/a?b=c", "http://[::1]:8080/", "http://127.0.0.1"]
    {
        assert!(plan(text).is_ok(), "{text}");
    }
}

#[test]
fn stages_have_times_and_rates() {
    let rate = |rps: u64| Rate { micro: rps * 1_000_000 };
    let seconds = Duration::from_secs;
    assert_eq!(
        stages("10s:1000, 20s:1000-5000,1m:0-5"),
        Ok(Stages(vec![
            (seconds(10), rate(1000), rate(1000)),
            (seconds(20), rate(1000), rate(5000)),
            (seconds(60), rate(0), rate(5)),
        ]))
    );
    for text in
        ["", "10s", "10s:", "10s:0", "10s:0-0", "10:5", "0s:5", "10s:-5", "10s:5,", "10s:5-x", "10s:5-6-7"]
    {
        assert!(stages(text).is_err(), "{text}");
    }
}

#[test]
fn statuses_are_codes_and_ranges() {
    let Statuses(expected) = statuses("200,301-303").unwrap();
    let codes: Vec<usize> = (0..1000).filter(|code| expected[*code]).collect();
    assert_eq!(codes, [200, 301, 302, 303]);
    for text in ["", "99", "1000", "300-200", "ok"] {
        assert!(statuses(text).is_err(), "{text}");
    }
}

#[test]
fn connections_can_be_sent_elsewhere() {
    let to = connect_to("WWW.foobar.com:80:127.0.0.1:8080").unwrap();
    assert_eq!(
        (to.host.as_str(), to.port, to.address.to_string().as_str()),
        ("www.foobar.com", 80, "127.0.0.1:8080")
    );
    assert_eq!(connect_to("h:80:[::1]:81").unwrap().address.to_string(), "[::1]:81");
    for text in ["", "h:80", "h:80:x:81", "h:80:127.0.0.1:", ":::"] {
        assert!(connect_to(text).is_err(), "{text}");
    }
}

#[test]
fn endpoints_have_names() {
    for text in ["app=http://127.0.0.1:9100/metrics", "app=http://h/metrics#name=shop,image=a"] {
        assert!(observe(text).is_ok(), "{text}");
    }
    for text in ["http://127.0.0.1/", "=http://h/", "app=", "app=ftp://h/", "app=http://h/#top"] {
        assert!(observe(text).is_err(), "{text}");
    }
}

#[test]
fn a_scenario_goes_with_a_host_and_without_a_request() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/browsing.toml");
    for url in ["", "http://h", "http://h:80/"] {
        let plan = plan(&format!("{url} --scenario {file}")).unwrap();
        assert_eq!(plan.scenario.unwrap().entries().len(), 20);
    }
    assert!(plan("http://h").unwrap().scenario.is_none());
    let error = plan(&format!("http://h/shop --scenario {file}")).unwrap_err();
    assert!(error.message.contains("the URL gives only the host"), "{error}");
    let error = plan("--scenario none.toml").unwrap_err();
    assert!(error.message.starts_with("cannot read the scenario none.toml: "), "{error}");
    for other in ["-X POST", "--body x", "--body-file x"] {
        let line = format!("loadgen --scenario {file} {other}");
        assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{other}");
    }
}

#[test]
fn what_reqwest_cannot_do_is_refused() {
    for (options, refused) in [
        ("http://h/ --connect-to h:80:127.0.0.1:81", false),
        ("http://h:80/ --connect-to h:80:127.0.0.1:80", false),
        ("http://h:80/ --connect-to h:80:127.0.0.1:81", true),
        ("http://127.0.0.1/ --connect-to 127.0.0.1:80:127.0.0.2:80", true),
    ] {
        let plan = plan(&format!("{options} --transport reqwest --insecure"));
        let why = plan.err().map(|e| e.message).unwrap_or_default();
        assert_eq!(why.contains("--connect-to"), refused, "{options}: {why}");
    }
}

#[test]
fn sessions_begin_as_the_rate_lets_them() {
    let dir = tempfile::tempdir().unwrap();
    let closed = SessionArrivals::Closed { users: 2000 };
    let half = SessionArrivals::PartlyOpen { stay: 0.5 };
    for (sessions, options, want) in [
        ("", "--rps 5", Ok((SessionArrivals::Open, 1024))),
        ("", "-c 8", Ok((SessionArrivals::Closed { users: 8 }, 8))),
        ("arrivals = 'closed'\nusers = 2000", "", Ok((closed, 2000))),
        ("arrivals = 'closed'\nusers = 2000", "-c 8", Ok((closed, 8))),
        ("arrivals = 'closed'\nusers = 2000", "--rps 5", Err("leave out --rps")),
        ("arrivals = 'partly-open'\nstay = 0.5", "--stages 1s:5", Ok((half, 1024))),
        ("arrivals = 'partly-open'\nstay = 0.5", "", Err("give --rps or --stages")),
    ] {
        let path = dir.path().join("s.toml");
        std::fs::write(&path, format!("[sessions]\n{sessions}\n[[interaction]]\nname = 'a'\npath = '/'\n"))
            .unwrap();
        let plan = plan(&format!("http://h --scenario {} {options}", path.display()));
        match want {
            Ok(want) => {
                let plan = plan.unwrap();
                assert_eq!((plan.scenario.unwrap().arrivals, plan.connections), want, "{sessions} {options}");
                assert!(plan.backlog >= 1000 && (want.0 != closed || plan.backlog == 2000));
            }
            Err(part) => assert!(plan.is_err_and(|e| e.message.contains(part)), "{sessions} {options}"),
        }
    }
}
