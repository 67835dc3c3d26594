//! The images' recipe. No engine that could build it is needed: its stages are read as text.

use crate::{deploy, read, top};

/// A stage: its name, what it starts from, and its instructions.
struct Stage {
    name: String,
    from: String,
    says: Vec<(String, String)>,
}

impl Stage {
    /// The arguments of its instructions of this kind.
    fn all(&self, instruction: &str) -> Vec<&str> {
        self.says.iter().filter(|(kind, _)| kind == instruction).map(|(_, rest)| rest.as_str()).collect()
    }
}

/// The stages of the Containerfile, whose instructions may go on in further lines.
fn stages() -> Vec<Stage> {
    let text = read(&deploy().join("Containerfile"));
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let mut stages: Vec<Stage> = Vec::new();
    for line in lines.join("\n").replace("\\\n", " ").lines().filter(|line| !line.trim().is_empty()) {
        let (instruction, rest) = line.trim().split_once(' ').unwrap();
        if instruction == "FROM" {
            let (from, name) = rest.split_once(" AS ").unwrap_or_else(|| panic!("no name: {line}"));
            stages.push(Stage { name: name.to_owned(), from: from.to_owned(), says: Vec::new() });
        } else {
            stages.last_mut().unwrap().says.push((instruction.to_owned(), rest.trim().to_owned()));
        }
    }
    stages
}

#[test]
fn every_stage_that_is_copied_from_comes_before() {
    let stages = stages();
    let names: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["build", "shell", "loadgen", "target-stack"]);
    for (n, stage) in stages.iter().enumerate() {
        for copied in stage.all("COPY") {
            for word in copied.split_whitespace().filter_map(|word| word.strip_prefix("--from=")) {
                assert!(names[..n].contains(&word), "{}: {word} is no stage before it", stage.name);
            }
        }
    }
}

#[test]
fn what_is_built_on_is_a_version() {
    let manifest = read(&top().join("Cargo.toml"));
    let wanted = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    let wanted = wanted.trim_matches('"');
    for stage in stages() {
        let (image, tag) = stage.from.rsplit_once(':').unwrap_or_else(|| panic!("{}", stage.from));
        assert!(image.contains('/') && tag != "latest", "{}: any version", stage.from);
        if stage.name == "build" {
            assert!(tag.starts_with(&format!("{wanted}-")), "{tag} is not the rust-version, {wanted}");
        }
    }
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = ")).unwrap();
    for stage in &stages()[2..] {
        let said = stage.all("LABEL").join(" ");
        for label in ["title", "description", "version", "licenses"] {
            assert!(said.contains(&format!("org.opencontainers.image.{label}=")), "{}: {label}", stage.name);
        }
        let own = format!("org.opencontainers.image.version={version} ");
        assert!(said.contains(&own), "{}: {own}: {said}", stage.name);
    }
}

#[test]
fn the_binaries_are_built_as_they_were_tested() {
    let stages = stages();
    let built = stages[0].all("RUN").join("\n");
    for part in ["cargo build --release --locked", "--package loadgen", "--package target-stack"] {
        assert!(built.contains(part), "{part}: {built}");
    }
    for (stage, binaries) in [(&stages[2], vec!["loadgen"]), (&stages[3], vec!["loadgen", "target-stack"])] {
        let copied = stage.all("COPY").join("\n");
        for binary in &binaries {
            assert!(copied.contains(&format!("/built/{binary} ")), "{}: {binary}", stage.name);
        }
        let own = format!("[\"/usr/local/bin/{}\"]", stage.name);
        assert_eq!(stage.all("ENTRYPOINT"), [own.as_str()], "no shell before it");
    }
}

#[test]
fn nobody_is_root() {
    for stage in &stages()[2..] {
        let users = stage.all("USER");
        assert_eq!(users.len(), 1, "{}", stage.name);
        for id in users[0].split(':') {
            // A name would not do: Kubernetes cannot know whether it is root's.
            assert!(id.parse::<u32>().is_ok_and(|id| id > 0), "{}: {id}", stage.name);
        }
        let last = stage.says.iter().rposition(|(kind, _)| matches!(kind.as_str(), "RUN" | "COPY"));
        let user = stage.says.iter().position(|(kind, _)| kind == "USER");
        assert!(last < user, "{}: what is installed is root's", stage.name);
    }
}

#[test]
fn what_is_built_is_let_in() {
    let ignored = read(&top().join(".dockerignore"));
    let rules: Vec<&str> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(rules[0], "*", "nothing but what is named");
    let manifest = read(&top().join("Cargo.toml"));
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members = members.split('"').filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
    for name in members.chain(["Cargo.toml", "Cargo.lock", "LICENSE"]).filter(|name| !name.is_empty()) {
        assert!(rules.contains(&format!("!{name}").as_str()), "{name} is not let in");
    }
}
