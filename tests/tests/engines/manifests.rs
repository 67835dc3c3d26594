//! What each manifest has to say by itself: shards that are an Indexed Job, and pods that may no more than they need.

use crate::{called, containers, deploy, documents, files, list, objects, pod, read, text, variables};
use yaml_rust2::Yaml;

/// Characters of a line (.yamllint.yml).
const LONGEST_LINE: usize = 120;

fn job(name: &str) -> Yaml {
    let wanted = format!("Job {name}");
    let (_, found) = objects().into_iter().find(|(_, object)| called(object) == wanted).unwrap();
    found
}

#[test]
fn the_shards_are_an_indexed_job_of_as_many_as_the_plan_says() {
    let job = job("loadgen");
    let spec = &job["spec"];
    assert_eq!(spec["completionMode"].as_str(), Some("Indexed"));
    assert_eq!(spec["completions"].as_i64(), spec["parallelism"].as_i64(), "all at once");
    let plan = variables(&deploy().join("kubernetes/loadgen/plan.env"));
    let shards = plan.iter().find(|(name, _)| name == "SHARDS").unwrap().1.parse::<i64>().unwrap();
    assert_eq!(spec["completions"].as_i64(), Some(shards));
    // One that fails is not sent again, and ends no other.
    assert_eq!(spec["backoffLimitPerIndex"].as_i64(), Some(0));
    assert!(spec["backoffLimit"].is_badvalue(), "it would end the others");
    let apart = &spec["template"]["spec"]["affinity"]["podAntiAffinity"];
    let apart = &apart["requiredDuringSchedulingIgnoredDuringExecution"][0]["topologyKey"];
    assert_eq!(apart.as_str(), Some("kubernetes.io/hostname"));
}

#[test]
fn every_job_ends_and_none_is_started_twice() {
    for (_, object) in objects().iter().filter(|(_, object)| text(&object["kind"]) == "Job") {
        let (name, spec) = (called(object), &object["spec"]);
        assert_eq!(spec["template"]["spec"]["restartPolicy"].as_str(), Some("Never"), "{name}");
        assert!(spec["activeDeadlineSeconds"].as_i64().is_some_and(|s| s > 0), "{name}");
        assert!(spec["ttlSecondsAfterFinished"].as_i64().is_some(), "{name}");
        if name != "Job loadgen" {
            assert_eq!(spec["suspend"].as_bool(), Some(true), "{name} waits for the shards");
            assert_eq!(spec["backoffLimit"].as_i64(), Some(0), "{name}");
        }
    }
}

#[test]
fn an_overlay_counts_the_shards_by_its_plan() {
    for overlay in ["url", "reference"] {
        let dir = deploy().join("kubernetes/overlays").join(overlay);
        let kustomization = documents(&dir.join("kustomization.yaml")).remove(0);
        let replacement = &kustomization["replacements"][0];
        assert_eq!(replacement["source"]["name"].as_str(), Some("loadgen-plan"), "{overlay}");
        assert_eq!(replacement["source"]["fieldPath"].as_str(), Some("data.SHARDS"), "{overlay}");
        let target = &replacement["targets"][0];
        assert_eq!(target["select"]["name"].as_str(), Some("loadgen"), "{overlay}");
        let fields: Vec<&str> = list(&target["fieldPaths"]).iter().map(text).collect();
        assert_eq!(fields, ["spec.completions", "spec.parallelism"], "{overlay}");
        let known = variables(&deploy().join("kubernetes/loadgen/plan.env"));
        for (name, _) in variables(&dir.join("plan.env")) {
            assert!(known.iter().any(|(other, _)| *other == name), "{overlay}: nobody reads {name}");
        }
    }
}

#[test]
fn nobody_begins_by_chance() {
    let plan = variables(&deploy().join("kubernetes/loadgen/plan.env"));
    let (_, never) = plan.iter().find(|(name, _)| name == "START_AT").unwrap();
    assert!(never.starts_with("2000-"), "{never} has not passed");
    let script = read(&deploy().join("kubernetes.sh"));
    assert!(script.contains(&format!("never={never}\n")), "it looks for another instant than {never}");
}

#[test]
fn a_pod_may_no_more_than_it_needs() {
    let mut pods = 0;
    for (_, object) in &objects() {
        let (name, Some(pod)) = (called(object), pod(object)) else { continue };
        pods += 1;
        let spec = &pod["spec"];
        let security = &spec["securityContext"];
        assert_eq!(security["runAsNonRoot"].as_bool(), Some(true), "{name}");
        assert!(security["runAsUser"].as_i64().is_some_and(|user| user > 0), "{name}");
        assert!(security["runAsGroup"].as_i64().is_some_and(|group| group > 0), "{name}");
        assert_eq!(security["seccompProfile"]["type"].as_str(), Some("RuntimeDefault"), "{name}");
        assert_eq!(spec["automountServiceAccountToken"].as_bool(), Some(false), "{name}");
        for key in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(spec[key].is_badvalue(), "{name}: {key}");
        }
        for container in containers(pod) {
            let at = format!("{name} {}", text(&container["name"]));
            may_little(container, &at);
            for of in ["requests", "limits"] {
                for what in ["cpu", "memory"] {
                    assert!(container["resources"][of][what].as_str().is_some(), "{at}: {of} of {what}");
                }
            }
        }
    }
    assert!(pods >= 7, "{pods}");
}

fn may_little(container: &Yaml, at: &str) {
    let security = &container["securityContext"];
    assert_eq!(security["allowPrivilegeEscalation"].as_bool(), Some(false), "{at}");
    assert_eq!(security["readOnlyRootFilesystem"].as_bool(), Some(true), "{at}");
    let dropped: Vec<&str> = list(&security["capabilities"]["drop"]).iter().map(text).collect();
    assert_eq!(dropped, ["ALL"], "{at}");
    assert!(security["capabilities"]["add"].is_badvalue(), "{at}");
    assert!(security["privileged"].is_badvalue(), "{at}");
    for key in ["runAsUser", "runAsNonRoot"] {
        assert!(security[key].is_badvalue(), "{at}: {key} is the pod's");
    }
    let image = text(&container["image"]);
    assert!(image.contains(':') && !image.ends_with(":latest"), "{at}: {image} is any version");
}

#[test]
fn what_serves_says_when_it_does() {
    for (_, object) in &objects() {
        let name = called(object);
        let (Some(pod), false) = (pod(object), text(&object["kind"]) == "Job") else { continue };
        for container in list(&pod["spec"]["containers"]) {
            assert!(!container["readinessProbe"].is_badvalue(), "{name}");
            let ports: Vec<&str> = list(&container["ports"]).iter().map(|port| text(&port["name"])).collect();
            for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
                for how in ["httpGet", "tcpSocket"] {
                    let port = container[probe][how]["port"].as_str();
                    assert!(port.is_none_or(|port| ports.contains(&port)), "{name} {probe}: {port:?}");
                }
            }
        }
    }
}

#[test]
fn the_database_has_room_for_as_many_servers_as_there_can_be() {
    let objects = objects();
    let one = |wanted: &str| &objects.iter().find(|(_, object)| called(object) == wanted).unwrap().1;
    let most = one("HorizontalPodAutoscaler target-app")["spec"]["maxReplicas"].as_i64().unwrap();
    let number = |container: &Yaml, option: &str| {
        let said = list(&container["args"]).iter().find_map(|arg| text(arg).strip_prefix(option)).unwrap();
        said.parse::<i64>().unwrap()
    };
    let container = |wanted: &str| one(wanted)["spec"]["template"]["spec"]["containers"][0].clone();
    let workers = number(&container("Deployment target-app"), "--workers=");
    let room = number(&container("StatefulSet target-db"), "--max-connections=");
    // One more for health checks, one to sweep; and a quarter more servers while a version takes another's place.
    let servers = most + (most + 3) / 4;
    assert!(servers * (workers + 2) <= room, "{servers} servers of {workers} workers, {room} connections");
}

#[test]
fn the_manifests_are_written_as_yamllint_wants_them() {
    for path in files(&deploy().join("kubernetes")) {
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let (said, file) = (read(&path), path.display());
        assert!(said.starts_with("---\n# ") || said.starts_with("---\napiVersion"), "{file}");
        assert!(said.ends_with('\n') && !said.ends_with("\n\n") && !said.contains("\n\n\n"), "{file}");
        assert!(!documents(&path).is_empty(), "{file}");
        for (n, line) in said.lines().enumerate() {
            let at = format!("{file}:{}: {line}", n + 1);
            assert!(line.len() <= LONGEST_LINE, "too long: {at}");
            assert!(!line.contains(['\t', '\r']) && line.trim_end() == line, "blanks: {at}");
            assert_eq!((line.len() - line.trim_start().len()) % 2, 0, "indented by an odd number: {at}");
        }
    }
}
