//! What manifests say of each other: labels that are selected, files that are listed, and what is mounted, scaled or asked for by name.

use crate::{called, containers, deploy, documents, list, objects, pod, read, text};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use yaml_rust2::Yaml;

/// The pairs of a map of texts, which may be missing.
fn pairs(of: &Yaml) -> BTreeSet<(&str, &str)> {
    of.as_hash().into_iter().flatten().map(|(name, value)| (text(name), text(value))).collect()
}

/// The labels of all pods, each with the object that starts it.
fn labelled(objects: &[(String, Yaml)]) -> Vec<(&Yaml, BTreeSet<(&str, &str)>)> {
    let pods = objects.iter().filter_map(|(_, object)| Some((object, pod(object)?)));
    pods.map(|(object, pod)| (object, pairs(&pod["metadata"]["labels"]))).collect()
}

#[test]
fn a_selector_selects_the_pods_that_it_is_for() {
    let objects = objects();
    for (object, labels) in labelled(&objects) {
        let (name, spec) = (called(object), &object["spec"]);
        if text(&object["kind"]) == "Job" {
            assert!(spec["selector"].is_badvalue(), "{name} gets one of its own");
        } else {
            let selected = pairs(&spec["selector"]["matchLabels"]);
            assert!(
                !selected.is_empty() && selected.is_subset(&labels),
                "{name}: {selected:?} of {labels:?}"
            );
        }
        let of_pod = &spec["template"]["spec"];
        let apart = &of_pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        for term in list(apart).iter().chain(list(&of_pod["topologySpreadConstraints"])) {
            let selected = pairs(&term["labelSelector"]["matchLabels"]);
            assert!(
                !selected.is_empty() && selected.is_subset(&labels),
                "{name} keeps away from others only"
            );
        }
        let beside =
            &of_pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"];
        for term in list(beside) {
            let selected = pairs(&term["podAffinityTerm"]["labelSelector"]["matchLabels"]);
            let found = labelled(&objects).iter().any(|(_, labels)| selected.is_subset(labels));
            assert!(!selected.is_empty() && found, "{name}: nothing has {selected:?}");
        }
    }
}

#[test]
fn a_service_has_pods_behind_it_and_a_port_of_theirs() {
    let objects = objects();
    let services: Vec<_> =
        objects.iter().filter(|(_, object)| text(&object["kind"]) == "Service").map(|(_, s)| s).collect();
    assert_eq!(services.len(), 4);
    for service in services {
        let (name, selected) = (called(service), pairs(&service["spec"]["selector"]));
        let behind: Vec<&Yaml> = labelled(&objects)
            .into_iter()
            .filter(|(_, labels)| selected.is_subset(labels))
            .map(|(object, _)| object)
            .collect();
        assert!(!selected.is_empty() && behind.len() == 1, "{name}: {} behind it", behind.len());
        let open: BTreeSet<(&str, &str)> = containers(&behind[0]["spec"]["template"])
            .into_iter()
            .flat_map(|container| list(&container["ports"]))
            .map(|port| (text(&port["name"]), port["protocol"].as_str().unwrap_or("TCP")))
            .collect();
        for port in list(&service["spec"]["ports"]) {
            let wanted = (text(&port["targetPort"]), port["protocol"].as_str().unwrap_or("TCP"));
            assert!(open.contains(&wanted), "{name}: {wanted:?} of {open:?}");
        }
    }
    let (_, database) = objects.iter().find(|(_, object)| called(object) == "StatefulSet target-db").unwrap();
    let governing = format!("Service {}", text(&database["spec"]["serviceName"]));
    assert!(objects.iter().any(|(_, object)| called(object) == governing), "{governing}");
    let (_, policy) = objects.iter().find(|(_, object)| called(object) == "NetworkPolicy target-db").unwrap();
    let from = &policy["spec"]["ingress"][0]["from"][0]["podSelector"];
    for selector in [&policy["spec"]["podSelector"], from] {
        let selected = pairs(&selector["matchLabels"]);
        assert!(labelled(&objects).iter().any(|(_, labels)| selected.is_subset(labels)), "{selected:?}");
    }
}

#[test]
fn an_autoscaler_scales_what_there_is_and_nobody_else_does() {
    let objects = objects();
    let scalers: Vec<_> = objects
        .iter()
        .filter(|(_, object)| text(&object["kind"]) == "HorizontalPodAutoscaler")
        .map(|(_, object)| &object["spec"])
        .collect();
    assert_eq!(scalers.len(), 1);
    for spec in scalers {
        let scaled = &spec["scaleTargetRef"];
        let name = format!("{} {}", text(&scaled["kind"]), text(&scaled["name"]));
        let (_, target) = objects.iter().find(|(_, object)| called(object) == name).unwrap();
        assert_eq!(target["apiVersion"], scaled["apiVersion"], "{name}");
        assert!(target["spec"]["replicas"].is_badvalue(), "{name}: `kubectl apply` would undo the scaling");
        let (least, most) = (spec["minReplicas"].as_i64().unwrap(), spec["maxReplicas"].as_i64().unwrap());
        assert!(0 < least && least < most, "{name}: {least} to {most}");
    }
}

#[test]
fn a_kustomization_lists_exactly_the_files_that_are_there() {
    for dir in ["loadgen", "target", "overlays/url", "overlays/reference"] {
        let place = deploy().join("kubernetes").join(dir);
        let said = documents(&place.join("kustomization.yaml")).remove(0);
        let generated = list(&said["configMapGenerator"]);
        let files = generated.iter().flat_map(|map| list(&map["files"]).iter().chain(list(&map["envs"])));
        let patches = list(&said["patches"]).iter().map(|patch| &patch["path"]);
        let named = list(&said["resources"]).iter().chain(files).chain(patches).map(text);
        let (bases, named): (Vec<&str>, Vec<&str>) = named.partition(|name| name.starts_with("../"));
        for base in bases {
            assert!(place.join(base).join("kustomization.yaml").is_file(), "{dir}: {base}");
        }
        let there = std::fs::read_dir(&place).unwrap().flatten();
        let there = there.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let there: BTreeSet<String> = there.filter(|name| name != "kustomization.yaml").collect();
        assert_eq!(named.len(), there.len(), "{dir}: one is listed twice");
        assert_eq!(named.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>(), there, "{dir}");
        assert_eq!(said["namespace"].as_str(), Some("loadgen"), "{dir}");
    }
}

/// The names of the config maps that kustomize makes.
fn generated() -> Vec<String> {
    let mut found = Vec::new();
    for dir in ["loadgen", "target"] {
        let said = documents(&deploy().join("kubernetes").join(dir).join("kustomization.yaml")).remove(0);
        found.extend(list(&said["configMapGenerator"]).iter().map(|map| text(&map["name"]).to_owned()));
    }
    found
}

#[test]
fn what_is_mounted_or_read_by_name_is_there() {
    let objects = objects();
    let maps = generated();
    let map = |name: &Yaml| maps.iter().any(|known| known == text(name));
    let mut secrets = BTreeSet::new();
    for (_, object) in &objects {
        let (name, Some(pod)) = (called(object), pod(object)) else { continue };
        let volumes = list(&pod["spec"]["volumes"]);
        for volume in volumes {
            let claim = &volume["persistentVolumeClaim"]["claimName"];
            if let Some(claim) = claim.as_str() {
                let wanted = format!("PersistentVolumeClaim {claim}");
                assert!(objects.iter().any(|(_, object)| called(object) == wanted), "{name}: {wanted}");
            }
            let of_map = &volume["configMap"]["name"];
            assert!(of_map.is_badvalue() || map(of_map), "{name}: {of_map:?}");
        }
        let claimed = list(&object["spec"]["volumeClaimTemplates"]).iter().map(|claim| &claim["metadata"]);
        let known: BTreeSet<&str> =
            volumes.iter().chain(claimed).map(|volume| text(&volume["name"])).collect();
        let mut mounted = BTreeSet::new();
        for container in containers(pod) {
            mounted.extend(list(&container["volumeMounts"]).iter().map(|mount| text(&mount["name"])));
            for from in list(&container["envFrom"]) {
                assert!(map(&from["configMapRef"]["name"]), "{name}: {from:?}");
            }
            for env in list(&container["env"]) {
                secrets.extend(env["valueFrom"]["secretKeyRef"]["name"].as_str().map(str::to_owned));
            }
        }
        assert_eq!(mounted, known, "{name}: mounted, and there");
    }
    // Made by hand, and the README says how.
    assert_eq!(secrets, ["target-db".to_owned()].into());
    assert!(read(&deploy().join("README.md")).contains("create secret generic target-db"));
}

#[test]
fn the_proxy_reads_its_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let text = read(&deploy().join("kubernetes/target/nginx.conf"));
    assert_eq!(text.matches("server target-app:8080;").count(), 1, "the app's service and its port");
    let file: PathBuf = dir.path().join("nginx.conf");
    // Outside of the cluster nobody knows the service.
    std::fs::write(&file, text.replace("target-app:8080", "127.0.0.1:8080")).unwrap();
    let tested = test_configuration(dir.path(), &file);
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
}

fn test_configuration(dir: &Path, file: &Path) -> std::process::Output {
    let mut proxy = std::process::Command::new(e2e::binary("target-stack"));
    proxy.args(["proxy", "-t", "-p"]).arg(dir).arg("-c").arg(file).output().unwrap()
}
