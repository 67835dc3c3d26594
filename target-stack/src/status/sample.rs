//! What a tier's metrics say at an instant, and what two such samples say of the time between. Given an endpoint, it asks
//! once and in bounded time; what a tier does not export is `None`, never 0.

use crate::{ask, pace};
use serde::Serialize;
use std::time::{Duration, Instant};

/// How long a tier may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

const CPU: &[&str] = &["process_cpu_seconds_total"];
/// Of an exporter beside a server: the server may be silent while it is not.
const UP: &[&str] = &["mysql_up", "nginx_up"];
/// A tier has one of these; of the database they are statements, of the zone questions.
const REQUESTS: &[&str] = &[
    "http_requests_total",
    "nginx_http_requests_total",
    "mysql_global_status_questions",
    "dns_queries_total",
];
const CONNECTIONS: &[&str] = &["nginx_connections_active", "mysql_global_status_threads_connected"];

/// One scrape, reduced to what is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    at: Instant,
    /// Whether the server answers that the endpoint speaks for.
    pub(super) up: bool,
    cpu_s: Option<f64>,
    requests: Option<f64>,
    connections: Option<f64>,
}

/// What a tier had to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Load {
    /// CPUs in use.
    pub(super) cpu_share: Option<f64>,
    /// Requests per second.
    pub(super) rps: Option<f64>,
    /// Connections of its clients, at the end.
    pub(super) connections: Option<f64>,
}

impl Sample {
    fn parse(text: &str, at: Instant) -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| sum(text, name));
        let up = first(UP) != Some(0.0);
        Self { at, up, cpu_s: first(CPU), requests: first(REQUESTS), connections: first(CONNECTIONS) }
    }
}

impl Load {
    /// Between two samples of the same process. A counter that ran backwards was another process's.
    pub(super) fn between(before: Option<&Sample>, after: Option<&Sample>) -> Self {
        let Some(after) = after else { return Self::default() };
        let rate = |of: fn(&Sample) -> Option<f64>| {
            let before = before?;
            let span = after.at.checked_duration_since(before.at)?.as_secs_f64();
            let grown = of(after)? - of(before)?;
            (span > 0.0 && grown >= 0.0).then(|| grown / span)
        };
        Self {
            cpu_share: rate(|sample| sample.cpu_s),
            rps: rate(|sample| sample.requests),
            connections: after.connections,
        }
    }
}

/// The sum of a metric over its labels.
fn sum(text: &str, name: &str) -> Option<f64> {
    let of_name = |line: &str| {
        let rest = line.strip_prefix(name).filter(|rest| rest.starts_with([' ', '{']))?;
        // Behind the labels, which may hold blanks: the value, and perhaps a timestamp.
        let value = rest.rsplit_once('}').map_or(rest, |(_, value)| value);
        value.split_ascii_whitespace().next()?.parse::<f64>().ok().filter(|value| value.is_finite())
    };
    text.lines().filter_map(of_name).reduce(|a, b| a + b)
}

/// Asks the endpoint at `url`; `None` when it does not answer.
pub(super) async fn take(url: String) -> Option<Sample> {
    let answer = pace::within(ANSWER_LIMIT, ask::get(&url)).await?.ok()?;
    let at = pace::now();
    (answer.status == 200).then(|| Sample::parse(&answer.body, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[test]
    fn a_metric_is_summed_over_its_labels() {
        let text = "# TYPE a counter\na_total{code=\"a b\"} 1\na_total{code=\"} 7\"} 2.5 1700000000\nab_total 4\nb 1\nc NaN\n";
        for (name, want) in [
            ("a_total", Some(3.5)),
            ("ab_total", Some(4.0)),
            ("b", Some(1.0)),
            ("a", None),
            ("c", None),
            ("d", None),
        ] {
            assert_eq!(sum(text, name), want, "{name}");
        }
    }

    #[test]
    fn a_load_is_what_grew_over_the_time_between() {
        let at = pace::now();
        let app = "process_cpu_seconds_total 1.5\nhttp_requests_total{a=\"b\"} 100\n";
        let before = Sample::parse(app, at);
        let grown = app.replace("1.5", "2.5").replace("100", "300");
        let after = Sample::parse(&grown, at + Duration::from_secs(2));
        let load = Load { cpu_share: Some(0.5), rps: Some(100.0), connections: None };
        assert_eq!(Load::between(Some(&before), Some(&after)), load);

        let nothing = Load::default();
        for (before, after) in [
            (None, Some(&after)),
            (Some(&before), None),
            (Some(&after), Some(&before)),
            (Some(&before), Some(&before)),
        ] {
            assert_eq!(Load::between(before, after), nothing, "{before:?} {after:?}");
        }
        let restarted = Sample { at: after.at, ..Sample::parse(&app.replace("100", "10"), at) };
        assert_eq!(Load::between(Some(&before), Some(&restarted)), Load { cpu_share: Some(0.0), ..nothing });
        assert!(before.up && Sample::parse("mysql_up 1.0\n", at).up && Sample::parse("nginx_up 1\n", at).up);
        assert!(!Sample::parse("nginx_up 0\n", at).up && !Sample::parse("mysql_up 0.0\n", at).up);
        let proxy = Sample::parse("nginx_connections_active 3\nproxy_http_requests_total 5\n", at);
        assert_eq!(Load::between(None, Some(&proxy)), Load { connections: Some(3.0), ..nothing });
    }

    #[tokio::test]
    async fn only_a_whole_answer_is_a_sample() {
        for (answer, want) in [
            ("HTTP/1.1 200 OK\r\n\r\nnginx_connections_active 3\n", Some(Some(3.0))),
            ("HTTP/1.1 200 OK\r\n\r\n", Some(None)),
            ("HTTP/1.1 503 No\r\n\r\nnginx_connections_active 3\n", None),
            ("", None),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("its address");
            let serving = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await?;
                let n = stream.read(&mut [0; 512]).await?;
                stream.write_all(answer.as_bytes()).await?;
                std::io::Result::Ok(n)
            });
            let sample = take(format!("http://{address}/metrics")).await;
            assert_eq!(sample.map(|sample| sample.connections), want, "{answer}");
            assert!(serving.await.expect("a server").expect("an exchange") > 0);
            // Its port is closed by now.
            assert_eq!(take(format!("http://{address}/metrics")).await, None);
        }
        for url in ["", "https://127.0.0.1:1/metrics", "http://127.0.0.1:1"] {
            assert_eq!(take(url.to_owned()).await, None, "{url}");
        }
    }
}
