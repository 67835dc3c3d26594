//! What the proxy tells Prometheus of its upstreams: of each group how often it was asked again or in vain, of each server how it
//! answered, what it works on, and whether it takes requests. Given the configuration, it gives handles, and the servers' standings.

use super::{CLASSES, class};
use crate::pace;
use crate::proxy::config::Config;
use crate::proxy::standing::Standing;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// The counters of an upstream.
#[derive(Debug)]
pub(crate) struct UpstreamCounters {
    pub(crate) peers: Vec<PeerCounters>,
    /// Tries beside the first ones.
    pub(crate) retries: Counter,
    /// Tries that the retry budget did not allow.
    pub(crate) retries_refused: Counter,
    /// Requests for which no server was left.
    pub(crate) unavailable: Counter,
}

/// The counters of one server of an upstream.
#[derive(Debug)]
pub(crate) struct PeerCounters {
    by_class: [Counter; CLASSES.len()],
    pub(crate) failures: Counter,
    pub(crate) standing: Arc<Standing>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabel {
    upstream: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerLabel {
    upstream: String,
    server: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerCode {
    upstream: String,
    server: String,
    code: &'static str,
}

/// Counters for the upstreams of `config`, registered under their names.
pub(super) fn register(config: &Config, registry: &mut Registry) -> Vec<UpstreamCounters> {
    let [retries, refused, unavailable] = [(); 3].map(|()| Family::<UpstreamLabel, Counter>::default());
    let [failures, ejections] = [(); 2].map(|()| Family::<ServerLabel, Counter>::default());
    let answers = Family::<ServerCode, Counter>::default();
    let in_flight = Family::<ServerLabel, Gauge>::default();
    let mut ups = Vec::new();
    let epoch = pace::now();
    let mut upstreams = Vec::new();
    for group in &config.upstreams {
        let mut peers = Vec::new();
        for peer in &group.peers {
            let label = ServerLabel { upstream: group.name.clone(), server: peer.name.as_ref().to_owned() };
            let seen = (in_flight.get_or_create_owned(&label), ejections.get_or_create_owned(&label));
            let standing = Arc::new(Standing::new(peer, seen, epoch));
            peers.push(PeerCounters {
                by_class: CLASSES.map(|code| {
                    let ServerLabel { upstream, server } = label.clone();
                    answers.get_or_create_owned(&ServerCode { upstream, server, code })
                }),
                failures: failures.get_or_create_owned(&label),
                standing: Arc::clone(&standing),
            });
            ups.push((label, standing));
        }
        let label = UpstreamLabel { upstream: group.name.clone() };
        upstreams.push(UpstreamCounters {
            peers,
            retries: retries.get_or_create_owned(&label),
            retries_refused: refused.get_or_create_owned(&label),
            unavailable: unavailable.get_or_create_owned(&label),
        });
    }
    registry.register("proxy_upstream_requests", "Answers by upstream, server and class", answers);
    registry.register("proxy_upstream_failures", "Failed tries by upstream and server", failures);
    registry.register("proxy_upstream_requests_in_flight", "Requests that a server works on", in_flight);
    registry.register(
        "proxy_upstream_ejections",
        "Times that a server was ejected for its failures",
        ejections,
    );
    registry.register("proxy_upstream_retries", "Tries beside a request's first one", retries);
    registry.register("proxy_upstream_retries_refused", "Tries that the retry budget did not allow", refused);
    registry.register("proxy_upstream_unavailable", "Requests for which no server was left", unavailable);
    registry.register_collector(Box::new(Ups(ups)));
    upstreams
}

impl PeerCounters {
    /// Counts an answer of this status from the server.
    pub(crate) fn answered(&self, status: u16) {
        self.by_class[class(status)].inc();
    }
}

/// Which servers take requests.
#[derive(Debug)]
struct Ups(Vec<(ServerLabel, Arc<Standing>)>);

impl Collector for Ups {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let now = pace::now();
        let help = "1 where a server takes requests, 0 where it is ejected or down";
        let mut metric =
            encoder.encode_descriptor("proxy_upstream_server_up", help, None, MetricType::Gauge)?;
        for (label, standing) in &self.0 {
            let up = !standing.down() && !standing.ejected(now);
            ConstGauge::new(i64::from(up)).encode(metric.encode_family(label)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics;
    use std::path::Path;

    #[test]
    fn what_a_server_does_is_seen_with_its_name() {
        let text = "events {} http { upstream a { server 127.0.0.1:1; server 127.0.0.1:2 down; server 127.0.0.1:3; } }";
        let config = Config::parse("f", text, Path::new("/")).expect("a valid configuration");
        let mut registry = Registry::default();
        let upstreams = register(&config, &mut registry);
        let standing = &upstreams[0].peers[0].standing;
        assert!(standing.enter());
        standing.failed(pace::now());
        upstreams[0].peers[2].answered(404);
        upstreams[0].retries.inc();
        let text = metrics::render(&registry);
        for line in [
            "proxy_upstream_server_up{upstream=\"a\",server=\"127.0.0.1:1\"} 0",
            "proxy_upstream_server_up{upstream=\"a\",server=\"127.0.0.1:2\"} 0",
            "proxy_upstream_server_up{upstream=\"a\",server=\"127.0.0.1:3\"} 1",
            "proxy_upstream_requests_in_flight{upstream=\"a\",server=\"127.0.0.1:1\"} 1",
            "proxy_upstream_ejections_total{upstream=\"a\",server=\"127.0.0.1:1\"} 1",
            "proxy_upstream_requests_total{upstream=\"a\",server=\"127.0.0.1:3\",code=\"4xx\"} 1",
            "proxy_upstream_retries_total{upstream=\"a\"} 1",
            "proxy_upstream_retries_refused_total{upstream=\"a\"} 0",
            "proxy_upstream_unavailable_total{upstream=\"a\"} 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
