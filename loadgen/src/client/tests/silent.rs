//! Against a target that takes connections and never says anything.

use super::{reached, run};

#[test]
fn a_target_that_says_nothing_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for line in [format!("https://127.0.0.1:{port}/ --insecure"), format!("http://127.0.0.1:{port}/ --http2")]
    {
        let why = reached(&line).unwrap_err();
        assert!(why.contains("it was not ready for a request within 5s"), "{line}: {why}");
    }
}

#[test]
fn what_is_dropped_while_all_connections_are_busy_is_no_fault_of_the_generator_s() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for transport in ["raw", "hyper", "reqwest"] {
        let (counts, tally) = run(&format!(
            "http://127.0.0.1:{port}/ --transport {transport} --rps 100 -d 200ms -c 1 --max-backlog 0 -t 300ms"
        ));
        assert!(counts.dropped > 0 && tally.saturated, "{transport}: {counts:?}");
    }
}
