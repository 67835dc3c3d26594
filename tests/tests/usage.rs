//! What a clumsy user gets: one line that says what is wrong and what to do, the right exit code, and nothing left.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::{Ended, Running, Target, binary, loadgen};
use std::process::Command;
use tempfile::TempDir;

fn left_nothing(ended: &Ended) {
    let left: Vec<_> =
        std::fs::read_dir(ended.dir.path()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(left.is_empty() || left == ["reports"], "{left:?}");
    let runs = ended.dir.path().join("reports/runs");
    assert!(!runs.exists() || std::fs::read_dir(&runs).unwrap().next().is_none(), "a record of nothing");
}

#[test]
fn wrong_use_is_said_in_one_line_with_exit_code_2() {
    for (arguments, part) in [
        ("--rpss 5000", "--rps"),
        ("--rps 0", "above zero"),
        ("--rps -1 http://127.0.0.1/", "above zero"),
        ("--rps lots", "is no rate"),
        ("-d 10 http://127.0.0.1/", "with a unit"),
        ("-d 0s http://127.0.0.1/", "longer than zero"),
        ("--stages 10s:1000,5s http://127.0.0.1/", "TIME:RATE"),
        ("--stages 10s:0 http://127.0.0.1/", "above zero"),
        ("--rps 5 localhost:8080", "http://host:port/path"),
        ("--rps 5 --transport raw https://127.0.0.1/", "leave it out"),
        ("--rps 5 --transport raw --http2 http://127.0.0.1/", "leave it out"),
        ("--rps 5 --cacert /nonexistent https://127.0.0.1/", "/nonexistent"),
        ("--rps 5 --cacert /dev/null https://127.0.0.1/", "there is none in it"),
        ("--rps 5 --insecure http://127.0.0.1/", "https://"),
        ("--rps 5 --cert /dev/null https://127.0.0.1/", "--key"),
        ("--rps 5 --streams 5 http://127.0.0.1/", "--http2"),
        ("--rps 5 --proxy http://127.0.0.1:1 http://127.0.0.1/", "--transport reqwest"),
        ("--rps 5 --transport reqwest --max-requests-per-connection 5 http://127.0.0.1/", "--no-keepalive"),
        ("--rps 5 --http2", "need a URL"),
        ("--rps 5 http://127.0.0.1:99999/", "http://127.0.0.1:99999/"),
        ("--rps 5 http://127.0.0.1/ --threshold p98<1ms", "p98"),
        ("--rps 5 http://127.0.0.1/ --cpus 4095", "CPU"),
        ("--rps 5 http://127.0.0.1/ --body-file /nonexistent", "/nonexistent"),
        ("--rps 5 http://127.0.0.1/ -H nonsense", "Name: value"),
        ("--rps 5 http://127.0.0.1/ --out /proc/nowhere", "/proc/nowhere"),
        ("--rps 5 http://127.0.0.1/ --json /proc/nowhere", "/proc/nowhere"),
        ("report /nonexistent", "/nonexistent"),
        ("cieling", "did you mean `ceiling`?"),
        ("cieling --slo p99<50ms http://127.0.0.1/", "did you mean `ceiling`?"),
    ] {
        let ended = loadgen(arguments);
        ended.refused(2, part);
        left_nothing(&ended);
    }
}

#[test]
fn wrong_use_of_a_search_is_said_in_one_line() {
    let empty = TempDir::new().unwrap();
    let ran = TempDir::new().unwrap();
    std::fs::write(ran.path().join("run.json"), "{}").unwrap();
    let (empty, ran) = (empty.path().display(), ran.path().display());
    for (arguments, part) in [
        ("--budget 1s http://127.0.0.1:1/".to_owned(), "at least 20s"),
        ("--budget 90 http://127.0.0.1:1/".to_owned(), "with a unit"),
        ("--budget 1000000000000000000s http://127.0.0.1:1/".to_owned(), "1000000000000000000s"),
        ("--min-rps 100 --max-rps 100 http://127.0.0.1:1/".to_owned(), "less than --max-rps"),
        ("--min-rps 200 --max-rps 100 http://127.0.0.1:1/".to_owned(), "less than --max-rps"),
        ("--max-rps 0.5 http://127.0.0.1:1/".to_owned(), "--min-rps"),
        ("--slo mean<5ms http://127.0.0.1:1/".to_owned(), "percentiles"),
        ("--slo p99 http://127.0.0.1:1/".to_owned(), "p99"),
        ("--precision 60% http://127.0.0.1:1/".to_owned(), "50%"),
        ("--workers 2 http://127.0.0.1:1/".to_owned(), "cannot be used with"),
        ("--confirm-cause http://127.0.0.1:1/".to_owned(), "cannot be used with"),
        (format!("--resume {empty} --budget 30s"), "leave out `--budget 30s`"),
        (format!("--resume {empty} http://127.0.0.1:1/"), "leave out `http://127.0.0.1:1/`"),
        (format!("--resume {empty}"), "has no search in it; give the directory of a search"),
        (format!("--resume {ran}"), "has an ordinary run in it"),
        ("--resume /nonexistent".to_owned(), "there is no directory /nonexistent"),
        ("--rps 500 http://127.0.0.1:1/".to_owned(), "--min-rps and --max-rps"),
        ("--slo p99<50ms;errors<0.1% http://127.0.0.1:1/".to_owned(), "a comma goes between two rules"),
        ("--out /proc/nowhere http://127.0.0.1:1/".to_owned(), "/proc/nowhere"),
        ("--json /proc/nowhere http://127.0.0.1:1/".to_owned(), "/proc/nowhere"),
    ] {
        let ended = loadgen(&format!("ceiling {arguments}"));
        ended.refused(2, part);
        assert!(
            ended.dir.path().read_dir().unwrap().all(|entry| entry.unwrap().file_name() == "reports"),
            "{ended:?}"
        );
    }
}

/// Generator and target are programs of their own, each with its rules for sizes: these have to be the same.
#[test]
fn a_size_is_refused_by_the_generator_as_by_the_target_before_anything_is_started() {
    for (size, part) in [
        ("--db-cpu 0", "from 0.01 to 1024"),
        ("--db-cpu 200m", "write 0.25 for a quarter of one"),
        ("--server-cpu 0.009", "from 0.01 to 1024"),
        ("--proxy-cpu 1025", "from 0.01 to 1024"),
        ("--workers 0", "a whole number from 1 to 4096"),
        ("--workers 4097", "a whole number from 1 to 4096"),
        ("--workers four", "a whole number from 1 to 4096"),
        ("--pool 0", "a whole number from 1 to 4096"),
        ("--pool 4097", "a whole number from 1 to 4096"),
        ("--servers 0", "a whole number from 1 to 64"),
        ("--servers 65", "a whole number from 1 to 64"),
        ("--scale huge", "small, default, large"),
        ("--service 0ms", "such as"),
        ("--service 3601s", "such as"),
        ("--db-latency 5", "such as"),
    ] {
        let option = size.split(' ').next().unwrap_or_default();
        let ended = loadgen(&format!("ceiling {size}"));
        let said = ended.refused(2, part);
        assert!(said.contains(option) && said.contains("(see loadgen ceiling --help)"), "{said}");
        left_nothing(&ended);
        let mut up = Command::new(binary("target-stack"));
        up.arg("up").args(size.split(' '));
        let said = Running::start(up).wait().refused(2, part);
        assert!(said.contains(option) && said.contains("(see target-stack up --help)"), "{said}");
    }
}

#[test]
fn a_server_larger_than_the_machine_is_refused_by_both_with_the_number_of_cpus_that_there_are() {
    for name in ["server", "proxy", "db"] {
        let size = format!("--{name}-cpu 1000");
        let ended = loadgen(&format!("ceiling {size}"));
        let said = ended.refused(2, &format!("{size}: the target has "));
        assert!(said.contains(" CPU") && said.contains(" at most"), "{said}");
        left_nothing(&ended);
        let mut up = Command::new(binary("target-stack"));
        up.arg("up").args(["--cpus", "0"]).args(size.split(' '));
        Running::start(up)
            .wait()
            .refused(2, &format!("{size}: the target runs on 1 CPU ([0]): ask for 1 at most"));
    }
}

#[test]
fn an_endpoint_that_is_dead_is_said_at_the_beginning_and_the_run_goes_on() {
    let target = Target::start("queue");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = loadgen(&format!(
        "--rps 50 -d 500ms --no-report --observe app=http://{closed}/metrics http://{}/",
        target.address()
    ));
    let first = ended.err.lines().next().unwrap_or_default();
    let part = format!("cannot read metrics of app at http://{closed}/metrics: Connection refused");
    assert!(first.starts_with(&part) && first.ends_with("going on without"), "{ended:?}");
    assert_eq!(ended.err.matches("going on without").count(), 1, "{ended:?}");
    assert!(ended.out.contains("50"), "{ended:?}");
}

#[test]
fn a_target_that_is_not_there_is_exit_code_3() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let silence = silent.local_addr().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (arguments, part) in [
        (format!("--rps 5 http://{closed}/"), "refused"),
        (String::from("--rps 5 http://nothing.invalid/"), "nothing.invalid"),
        (String::from("--rps 5 http://x/ --unix-socket /nonexistent"), "/nonexistent"),
        (format!("--rps 5 http://shop.test/ --resolver {silence}"), "shop.test"),
    ] {
        let ended = loadgen(&arguments);
        let lines: Vec<&str> = ended.err.lines().filter(|line| line.starts_with("loadgen: ")).collect();
        assert_eq!((ended.code, lines.len()), (3, 1), "{ended:?}");
        assert!(lines[0].contains(part), "{ended:?}");
        left_nothing(&ended);
    }
}

#[test]
fn a_target_that_does_not_speak_what_was_asked_for_is_exit_code_3() {
    let target = Target::start("queue");
    for (how, part) in [
        ("--insecure https", "does not speak TLS (is it http://?)"),
        ("--http2 http", "does not speak HTTP/2"),
    ] {
        let ended = loadgen(&format!("--rps 5 {how}://{}/", target.address()));
        ended.refused(3, part);
        left_nothing(&ended);
    }
}

#[test]
fn too_few_descriptors_are_said_before_anything_is_sent() {
    let mut command = Command::new("sh");
    let binary = binary("loadgen");
    command.args(["-c", &format!("ulimit -n 100; exec {} --rps 5 http://127.0.0.1:1/", binary.display())]);
    Running::start(command).wait().refused(2, "--connections to 36");
}

#[test]
fn a_port_that_is_taken_is_said() {
    let target = Target::start("queue");
    let mut command = Command::new(binary("target-stack"));
    command.args(["queue", "--listen", target.address()]);
    Running::start(command).wait().refused(3, target.address());
}

#[test]
fn the_target_refuses_wrong_use_in_one_line() {
    for (arguments, part) in [
        ("queue --workers 0", "workers"),
        ("queue --service 1", "with a unit"),
        ("queue --cpus x", "CPU"),
        ("up --dir /proc/nowhere", "/proc/nowhere"),
        ("up --scale huge", "scale"),
        ("proxy -c /nonexistent", "/nonexistent"),
        ("sideways", "sideways"),
    ] {
        let mut command = Command::new(binary("target-stack"));
        command.args(arguments.split(' '));
        let ended = Running::start(command).wait();
        assert!((1..=3).contains(&ended.code), "{ended:?}");
        ended.refused(ended.code, part);
    }
}

#[test]
fn help_and_completions_are_given() {
    let help = loadgen("--help");
    assert!(help.code == 0 && help.out.contains("--rps") && help.err.is_empty());
    let completions = loadgen("completions bash");
    assert!(completions.code == 0 && completions.out.contains("_loadgen"));
    let manual = loadgen("man");
    assert!(manual.code == 0 && manual.out.contains(".TH loadgen 1") && manual.out.contains("\\-\\-rps"));
}
