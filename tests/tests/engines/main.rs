//! What starts a load on many machines (scripts/deploy): the manifests hold together, the images are what they should be, the
//! scripts tell every piece the same and hand back what the merge says, and all of them use options that there are. Nothing here needs a
//! network, a cluster or a container engine: what stands in for those notes what it is told.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod desk;
mod images;
mod manifests;
mod options;
mod references;
mod scale;
mod scripts;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use yaml_rust2::{Yaml, YamlLoader};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn deploy() -> PathBuf {
    top().join("scripts/deploy")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The files under `dir`, with their paths from there, sorted.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(next).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() { dirs.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// The documents of a YAML file.
fn documents(path: &Path) -> Vec<Yaml> {
    YamlLoader::load_from_str(&read(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The objects of both bases: where each stands, and what it says.
fn objects() -> Vec<(String, Yaml)> {
    let mut found = Vec::new();
    for base in ["loadgen", "target"] {
        for path in files(&deploy().join("kubernetes").join(base)) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.ends_with(".yaml") && name != "kustomization.yaml" {
                found.extend(documents(&path).into_iter().map(|object| (name.clone(), object)));
            }
        }
    }
    assert!(found.len() >= 15, "{}", found.len());
    found
}

/// A list, which may be missing.
fn list(of: &Yaml) -> &[Yaml] {
    of.as_vec().map(Vec::as_slice).unwrap_or_default()
}

/// What a text says; panics where there is none.
fn text(of: &Yaml) -> &str {
    of.as_str().unwrap_or_else(|| panic!("no text: {of:?}"))
}

/// An object's kind and name.
fn called(object: &Yaml) -> String {
    format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// The pod that an object starts, if it starts any.
fn pod(object: &Yaml) -> Option<&Yaml> {
    let starts = matches!(text(&object["kind"]), "Job" | "Deployment" | "StatefulSet");
    starts.then(|| &object["spec"]["template"])
}

/// The containers of a pod, those before it included.
fn containers(pod: &Yaml) -> Vec<&Yaml> {
    let found: Vec<_> =
        list(&pod["spec"]["initContainers"]).iter().chain(list(&pod["spec"]["containers"])).collect();
    assert!(!found.is_empty(), "{pod:?}");
    found
}

/// The variables of a file of `NAME=value` lines.
fn variables(path: &Path) -> Vec<(String, String)> {
    let lines = read(path);
    let set = lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    set.map(|line| line.split_once('=').unwrap_or_else(|| panic!("{}: {line}", path.display())))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Says what could not be tested here.
fn not_tested(why: &str) {
    let _ = writeln!(std::io::stderr(), "NOT TESTED: {why}");
}

/// Writes a program of bash.
fn program(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/usr/bin/env bash\n{text}")).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}
