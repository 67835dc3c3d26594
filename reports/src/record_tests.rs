//! The names in the JSON, and what stands where nothing is known.

use crate::fixture;
use serde_json::Value;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The names that `loadgen.run/1` promises, and the ones that were added to it: none may go or change.
#[test]
fn the_names_in_the_json_are_a_promise() {
    let record = fixture::healthy();
    let json = serde_json::to_value(&record.run).unwrap();
    let has = |value: &Value, names: &str| {
        let mut names: Vec<_> = names.split_whitespace().collect();
        names.sort_unstable();
        assert_eq!(keys(value), names);
    };
    has(
        &json,
        "schema partial seed command started_at target loop arrivals duration_s connections_max planned sent ok \
         dropped unfinished errors status rps response_ms service_ms send_lag_ms ok_response_ms bytes generator \
         observed thresholds verdict died_at_s dns wire steps timeline host \
         steady arrival_stream interactions sessions machine telemetry load_digest",
    );
    has(&json["target"], "url kind what cpus");
    let mut versed = record.run.clone();
    versed.target.emulated.push("a size".into());
    versed.target.versions.insert("mariadb".into(), "10.11.6".into());
    has(&serde_json::to_value(&versed).unwrap()["target"], "url kind what cpus emulated versions");
    has(&json["errors"], "connect timeout reset protocol tls dns status check");
    has(&json["rps"], "planned sent ok");
    for times in ["response_ms", "service_ms", "send_lag_ms", "ok_response_ms"] {
        let blocks = if times == "response_ms" { " ci95_blocks blocks" } else { "" };
        has(&json[times], &format!("count mean p50 p90 p95 p99 p999 p9999 max ci95{blocks}"));
        has(&json[times]["ci95"], "p50 p99");
    }
    has(&json["response_ms"]["ci95_blocks"], "p50 p99");
    has(&json["response_ms"]["blocks"], "length_s count lag1 dependent");
    has(&json["steady"], "from_s grain_s reason");
    let scenario = serde_json::to_value(fixture::scenario().run).unwrap();
    has(
        &scenario["interactions"][0],
        "name step planned sent ok errors dropped unfinished share_planned response_ms failed_checks",
    );
    has(&scenario["sessions"], "begun completed failed");
    has(&json["bytes"], "sent received");
    has(
        &json["generator"],
        "cpu_s cpu_us_per_request cpu_share_max threads max_rss_bytes startup_s cpus receive_clock late_p50_ms late_p99_ms",
    );
    has(&json["thresholds"][0], "rule actual passed");
    has(&json["verdict"], "valid reasons");
    has(&json["steps"][0], "duration_s from_rps to_rps counted counts");
    has(&json["timeline"], "interval_s bins");
    has(&json["telemetry"], "tiers machine");
    has(&json["host"], "cpu cpus kernel version commit");
    assert_eq!(json["schema"], "loadgen.run/1");
    assert_eq!((&json["loop"], &json["target"]["kind"]), (&"open".into(), &"reference".into()));
    assert_eq!(json["status"]["200"], 50_000);
}

#[test]
fn what_is_not_known_is_null() {
    let json = serde_json::to_value(fixture::tiny().run).unwrap();
    assert!(json["response_ms"]["p99"].is_null() && json["died_at_s"].is_null());
    assert!(json["response_ms"]["max"].is_number());
}
