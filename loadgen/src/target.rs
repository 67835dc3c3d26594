//! Targets that are started: the reference target, and whatever a user's command starts. Each says with a line that it answers, and is
//! taken down again; of a target only what that line says is known.

mod errand;
mod group;
mod guardian;
mod lines;
mod process;

use crate::cli::TargetProxy;
use crate::failure::{Failure, Outcome};
use crate::plan;
pub(crate) use errand::{End, Errand};
pub(crate) use process::Process;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// The descriptor's schema that this program reads.
const SCHEMA: &str = "target-stack.up/1";

/// What a stack says of itself; users may write one for a system of their own.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Descriptor {
    schema: String,
    /// The website's root.
    pub(crate) url: String,
    /// The name server of its zone.
    pub(crate) resolver: Option<SocketAddr>,
    /// The processes of each tier.
    pub(crate) tiers: BTreeMap<String, Vec<Tier>>,
    /// The CPUs that it is pinned to.
    #[serde(default)]
    pub(crate) cpus: Vec<usize>,
    /// What of it stands in for something else, in words.
    #[serde(default)]
    pub(crate) emulated: Vec<String>,
    /// The versions of what it uses.
    #[serde(default)]
    pub(crate) versions: BTreeMap<String, String>,
    /// Its directory, where it has one.
    #[serde(default)]
    pub(crate) dir: Option<PathBuf>,
    /// How many products the catalogue holds.
    #[serde(default = "one")]
    pub(crate) items: u32,
}

/// One process of a tier.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Tier {
    /// Where it is reached.
    pub(crate) address: String,
    /// Its Prometheus endpoint.
    pub(crate) metrics: Option<String>,
}

fn one() -> u32 {
    1
}

impl Descriptor {
    fn read(line: &str) -> Result<Self, String> {
        let descriptor: Self = serde_json::from_str(line).map_err(|e| e.to_string())?;
        if descriptor.schema == SCHEMA {
            Ok(descriptor)
        } else {
            Err(format!("schema {}", descriptor.schema))
        }
    }

    /// The product pages of the whole catalogue, as request targets.
    pub(crate) fn product_pages(&self) -> Vec<String> {
        (1..=self.items).map(|id| format!("/products/{id}")).collect()
    }

    /// The proxy's own address, for a stack without a zone.
    pub(crate) fn proxy_address(&self) -> Option<SocketAddr> {
        self.tiers.get("proxy")?.first()?.address.parse().ok()
    }
}

/// A URL in the midst of other text may be anything's, such as that of a manual, and is not loaded.
const RULE: &str = "and the first line that it prints has to be its URL and nothing else";

/// What any target says when it answers.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is a stack.
    Stack(Box<Descriptor>),
    /// It is at this URL.
    Url(String),
}

impl Answer {
    /// Reads the first line that a target has printed: a stack's descriptor, a tier's (which `target-stack queue` is, too), or a URL alone.
    pub(crate) fn read(line: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Tier {
            address: SocketAddr,
        }
        let line = line.trim();
        if !line.starts_with('{') {
            return plan::url(line).map(|_| Self::Url(line.to_owned())).map_err(|_| {
                format!("`{}` is neither a URL nor a stack's descriptor, {RULE}", shortened(line))
            });
        }
        if let Ok(Tier { address }) = serde_json::from_str(line) {
            return Ok(Self::Url(format!("http://{address}/")));
        }
        let stack = Descriptor::read(line);
        stack
            .map(|stack| Self::Stack(Box::new(stack)))
            .map_err(|why| format!("`{}` is no descriptor that can be read ({why}), {RULE}", shortened(line)))
    }
}

/// The beginning of what somebody says who says too much.
fn shortened(line: &str) -> String {
    const MOST: usize = 60;
    let more = if line.chars().count() > MOST { "..." } else { "" };
    line.chars().take(MOST).chain(more.chars()).collect()
}

/// What a stack says of a process of its own that died without having been asked to end.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Death {
    event: String,
    /// That of the descriptor.
    pub(crate) pid: u32,
    /// In words.
    pub(crate) reason: String,
}

impl Death {
    const EVENT: &str = "tier_died";

    fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok().filter(|death: &Self| death.event == Self::EVENT)
    }
}

/// A `target-stack up` of ours.
#[derive(Debug)]
pub(crate) struct Reference {
    process: Process,
}

impl Reference {
    /// What is being loaded, in words.
    pub(crate) const WHAT: &str = "random products, one database read each";

    /// What is started, in words.
    pub(crate) fn in_words(proxy: Option<TargetProxy>) -> String {
        let proxy = if proxy == Some(TargetProxy::Nginx) { "nginx" } else { "proxy" };
        format!("the reference target: DNS zone, {proxy}, app server, private MariaDB")
    }

    /// Starts the stack on `cpus`, with this proxy and further options of `target-stack up`.
    ///
    /// # Errors
    /// The target's fault: there is no such program.
    pub(crate) fn start(cpus: &[usize], proxy: Option<TargetProxy>, options: &[String]) -> Outcome<Self> {
        let list = list(cpus);
        let mut arguments = vec!["up", "--cpus", &list];
        arguments.extend(match proxy {
            None => &[][..],
            Some(TargetProxy::Builtin) => &["--proxy", "builtin"],
            Some(TargetProxy::Nginx) => &["--proxy", "nginx"],
        });
        arguments.extend(options.iter().map(String::as_str));
        let process = Process::start("the reference target", &arguments)?;
        Ok(Self { process })
    }

    /// Waits until all tiers answer.
    ///
    /// # Errors
    /// The target's fault, in its own words: it did not start, or did not say anything that can be read.
    pub(crate) async fn ready(&mut self) -> Outcome<Descriptor> {
        let line = self.process.ready().await?;
        Descriptor::read(&line)
            .map_err(|e| Failure::target(format!("the reference target's descriptor cannot be read: {e}")))
    }

    /// What it said when it ended by itself, or how it did; `None` while it runs.
    pub(crate) async fn died(&mut self) -> Option<String> {
        self.process.died().await
    }

    /// Takes the stack down and waits until it is gone; gives the deaths that it has told of since it answered, also those that it was
    /// asked for.
    pub(crate) async fn stop(self) -> Vec<Death> {
        self.process.stop().await
    }
}

/// Has `target-stack` do something to the stack in `dir`, such as `kill app`; gives what it prints.
///
/// # Errors
/// The target's fault, in its own words: it could not be done.
pub(crate) async fn operate(dir: &Path, words: &[&str]) -> Outcome<String> {
    let mut command = Command::new(program());
    let (verb, others) = words.split_first().unwrap_or((&"status", &[]));
    command.arg(verb).arg("--dir").arg(dir).args(others).stdin(Stdio::null()).kill_on_drop(true);
    // Ctrl-C at the terminal is for this program.
    command.process_group(0);
    let said =
        command.output().await.map_err(|e| Failure::target(format!("cannot start target-stack: {e}")))?;
    if said.status.success() {
        return Ok(String::from_utf8_lossy(&said.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&said.stderr).trim().to_owned();
    Err(Failure::target(why.strip_prefix("target-stack: ").unwrap_or(&why).to_owned()))
}

/// CPUs as an option has them.
pub(crate) fn list(cpus: &[usize]) -> String {
    cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

/// Why the sizes of a reference target cannot be limited here, if they cannot. What cannot be asked, it will say itself.
pub(crate) fn unlimited() -> Option<String> {
    let asked = std::process::Command::new(program()).arg("limits").output().ok()?;
    let said = String::from_utf8_lossy(&asked.stderr);
    let why = said.split_once("needs the right to write control groups: ")?.1.trim();
    (!asked.status.success()).then(|| format!("no right to write control groups ({why})"))
}

/// `target-stack` beside this executable, else the one on PATH.
pub(crate) fn program() -> PathBuf {
    let name = PathBuf::from("target-stack");
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(&name)));
    beside.filter(|path| path.is_file()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_says_where_it_is() {
        let url = |line: &str| match Answer::read(line) {
            Ok(Answer::Url(url)) => url,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(url(" http://127.0.0.1:8080/a?b=1 \n"), "http://127.0.0.1:8080/a?b=1");
        assert_eq!(url("https://h/"), "https://h/");
        assert_eq!(
            url(r#"{"pid":7,"address":"127.0.0.1:81","metrics":"http://x/"}"#),
            "http://127.0.0.1:81/"
        );
        let stack = r#"{"schema":"target-stack.up/1","url":"http://h:1/","tiers":{},"emulated":["a size"],"versions":{"mariadb":"10.11.6"}}"#;
        assert!(
            matches!(Answer::read(stack), Ok(Answer::Stack(stack)) if stack.emulated == ["a size"] && stack.versions["mariadb"] == "10.11.6")
        );
    }

    #[test]
    fn what_a_target_says_may_be_rubbish() {
        let long = "x".repeat(500);
        for (line, part) in [
            ("", "`` is neither a URL nor"),
            ("listening on 8080", "`listening on 8080` is neither"),
            ("ftp://h/", "neither"),
            ("see https://example.com/", "neither"),
            (r#"{"level":"info","msg":"listening on 8080"}"#, "missing field `schema`"),
            (r#"{"schema":"target-stack.up/9","url":"http://h/","tiers":{}}"#, "schema target-stack.up/9"),
            ("{", "EOF"),
            (&long, "xxx...` is neither"),
        ] {
            let why = Answer::read(line).err().unwrap_or_default();
            assert!(why.contains(part) && why.ends_with(RULE) && why.len() < 250, "{line}: {why}");
        }
    }
}
