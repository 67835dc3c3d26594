//! What the proxy tells Prometheus of its upstreams: of each group how often it was asked again or in vain, of each server how it
//! answered, what it works on, and whether it takes requests. Given a configuration, and another one after it, it gives handles, and the
//! servers' standings.

use super::{CLASSES, class};
use crate::pace;
use crate::proxy::config::{Config, Peer, Upstream};
use crate::proxy::standing::Standing;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use std::sync::{Arc, Mutex, PoisonError};

/// The counters of an upstream.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
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

/// Where the counters come from, for one configuration after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Families {
    retries: Family<UpstreamLabel, Counter>,
    refused: Family<UpstreamLabel, Counter>,
    unavailable: Family<UpstreamLabel, Counter>,
    failures: Family<ServerLabel, Counter>,
    ejections: Family<ServerLabel, Counter>,
    answers: Family<ServerCode, Counter>,
    in_flight: Family<ServerLabel, Gauge>,
    ups: Ups,
}

impl Families {
    /// All of them, registered under their names.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        let of = all.clone();
        registry.register("proxy_upstream_requests", "Answers by upstream, server and class", of.answers);
        registry.register("proxy_upstream_failures", "Failed tries by upstream and server", of.failures);
        let in_flight = "Requests that a server works on";
        registry.register("proxy_upstream_requests_in_flight", in_flight, of.in_flight);
        let ejections = "Times that a server was ejected for its failures";
        registry.register("proxy_upstream_ejections", ejections, of.ejections);
        registry.register("proxy_upstream_retries", "Tries beside a request's first one", of.retries);
        let refused = "Tries that the retry budget did not allow";
        registry.register("proxy_upstream_retries_refused", refused, of.refused);
        let unavailable = "Requests for which no server was left";
        registry.register("proxy_upstream_unavailable", unavailable, of.unavailable);
        registry.register_collector(Box::new(of.ups));
        all
    }

    /// Counters for the upstreams of `config`, and standings of their servers, of which nothing is known yet but on how many
    /// requests they work.
    pub(super) fn upstreams(&self, config: &Config) -> Vec<UpstreamCounters> {
        let epoch = pace::now();
        let peer = |group: &Upstream, peer: &Peer| {
            let label = label(group, peer);
            let seen =
                (self.in_flight.get_or_create_owned(&label), self.ejections.get_or_create_owned(&label));
            PeerCounters {
                by_class: CLASSES.map(|code| {
                    let ServerLabel { upstream, server } = label.clone();
                    self.answers.get_or_create_owned(&ServerCode { upstream, server, code })
                }),
                failures: self.failures.get_or_create_owned(&label),
                standing: Arc::new(Standing::new(peer, seen, epoch)),
            }
        };
        let upstream = |group: &Upstream| {
            let label = UpstreamLabel { upstream: group.name.clone() };
            UpstreamCounters {
                peers: group.peers.iter().map(|one| peer(group, one)).collect(),
                retries: self.retries.get_or_create_owned(&label),
                retries_refused: self.refused.get_or_create_owned(&label),
                unavailable: self.unavailable.get_or_create_owned(&label),
            }
        };
        config.upstreams.iter().map(upstream).collect()
    }

    /// From now on the servers of `config`, which has these counters, are those of which it is told whether they take requests.
    pub(super) fn show(&self, config: &Config, upstreams: &[UpstreamCounters]) {
        let groups = config.upstreams.iter().zip(upstreams);
        let of_group = |(group, counters): (&Upstream, &UpstreamCounters)| {
            let peers = group.peers.iter().zip(&counters.peers);
            peers
                .map(|(peer, known)| (label(group, peer), Arc::clone(&known.standing)))
                .collect::<Standings>()
        };
        *self.ups.0.lock().unwrap_or_else(PoisonError::into_inner) = groups.flat_map(of_group).collect();
    }
}

fn label(group: &Upstream, peer: &Peer) -> ServerLabel {
    ServerLabel { upstream: group.name.clone(), server: peer.name.as_ref().to_owned() }
}

impl PeerCounters {
    /// Counts an answer of this status from the server.
    pub(crate) fn answered(&self, status: u16) {
        self.by_class[class(status)].inc();
    }
}

/// Servers with their names.
type Standings = Vec<(ServerLabel, Arc<Standing>)>;

/// Which servers take requests.
#[derive(Clone, Debug, Default)]
struct Ups(Arc<Mutex<Standings>>);

impl Collector for Ups {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let now = pace::now();
        let help = "1 where a server takes requests, 0 where it is ejected or down";
        let mut metric =
            encoder.encode_descriptor("proxy_upstream_server_up", help, None, MetricType::Gauge)?;
        let standings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A group may name a server twice, and a name is told once.
        let mut told: Vec<(&ServerLabel, bool)> = Vec::new();
        for (label, standing) in standings.iter() {
            let up = !standing.down() && !standing.ejected(now);
            match told.iter_mut().find(|(known, _)| *known == label) {
                Some((_, known)) => *known |= up,
                None => told.push((label, up)),
            }
        }
        for (label, up) in told {
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
        let text = "events {} http { upstream a { server 127.0.0.1:1; server 127.0.0.1:2 down; server 127.0.0.1:3; \
                    server 127.0.0.1:3 down; } }";
        let config = Config::parse("f", text, Path::new("/")).expect("a valid configuration");
        let mut registry = Registry::default();
        let families = Families::register(&mut registry);
        let upstreams = families.upstreams(&config);
        families.show(&config, &upstreams);
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
        assert_eq!(
            text.matches("proxy_upstream_server_up{upstream=\"a\",server=\"127.0.0.1:3\"}").count(),
            1
        );
    }

    #[test]
    fn another_configuration_counts_on() {
        let parse = |text: &str| {
            let text = format!("events {{}} http {{ upstream a {{ {text} }} }}");
            Config::parse("f", &text, Path::new("/")).expect("a valid configuration")
        };
        let mut registry = Registry::default();
        let families = Families::register(&mut registry);
        let (first, second) =
            (parse("server 127.0.0.1:1;"), parse("server 127.0.0.1:2; server 127.0.0.1:1;"));
        let before = families.upstreams(&first);
        families.show(&first, &before);
        let after = families.upstreams(&second);
        // Until the other one is served, nothing else is shown.
        assert!(!metrics::render(&registry).contains("server_up{upstream=\"a\",server=\"127.0.0.1:2\"}"));
        families.show(&second, &after);
        before[0].peers[0].answered(200);
        after[0].peers[1].answered(200);
        assert!(before[0].peers[0].standing.enter() && after[0].peers[1].standing.enter());
        let text = metrics::render(&registry);
        for line in [
            "proxy_upstream_server_up{upstream=\"a\",server=\"127.0.0.1:2\"} 1",
            "proxy_upstream_requests_in_flight{upstream=\"a\",server=\"127.0.0.1:1\"} 2",
            "proxy_upstream_requests_total{upstream=\"a\",server=\"127.0.0.1:1\",code=\"2xx\"} 2",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
