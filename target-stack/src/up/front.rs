//! A proxy of a stack, of either kind. It is given the app servers, and is started before them, has its configuration written, reads it
//! again, and says when it has nothing to do with one of them any more.

use super::places::Places;
use super::sizes::Limit;
use crate::caching::Caching;
use crate::descriptor::Tier;
use crate::failure::{Failure, Outcome};
use crate::nginx_conf::{Server, Site};
use crate::operate::words::{Part, Spot};
use crate::supervise::signal;
use crate::{ask, pace, procfs};
use clap::ValueEnum;
use rustix::process::Signal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How long a proxy may take to read its configuration.
const RELOAD_LIMIT: Duration = Duration::from_secs(20);
/// How long what it has to do with an app server may take to end.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// How long it may take to say how it is.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// What a worker process of nginx calls itself that takes nothing on any more.
const LEAVING: &str = "is shutting down";

/// What serves as the proxy; both read the same configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// The one of this program
    Builtin,
    /// The installed nginx
    Nginx,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) kind: Kind,
    pub(super) number: usize,
    /// Where its configuration and logs are.
    pub(super) dir: PathBuf,
    pub(super) workers: usize,
    pub(super) listen: SocketAddr,
    pub(super) caching: Caching,
}

impl Front {
    /// Its place.
    pub(super) fn at(&self) -> Spot {
        Spot { tier: Part::Proxy, number: self.number }
    }

    /// Starts it before `apps`.
    pub(super) async fn start(
        &self,
        places: &Places<'_>,
        apps: &[Server],
        limit: Option<Limit>,
    ) -> Outcome<Tier> {
        let Self { dir, workers, listen, .. } = self;
        std::fs::create_dir_all(dir).map_err(|e| self.unwritten(&e))?;
        let prefix = dir.display().to_string();
        if self.kind == Kind::Nginx {
            let fixed =
                [("--dir", prefix), ("--workers", workers.to_string()), ("--listen", listen.to_string())];
            let apps = apps.iter().map(|app| ("--app", app.address.clone()));
            let arguments = fixed.into_iter().chain(apps).flat_map(|(name, value)| [name.to_owned(), value]);
            let arguments = arguments.chain(self.caching.arguments()).collect();
            return places.take(self.at(), "nginx", limit, arguments).await;
        }
        self.configure(apps)?;
        let file = self.file().display().to_string();
        let arguments = [String::from("-p"), prefix, String::from("-c"), file].into();
        places.take(self.at(), "proxy", limit, arguments).await
    }

    fn file(&self) -> PathBuf {
        self.dir.join("nginx.conf")
    }

    fn unwritten(&self, e: &std::io::Error) -> Failure {
        Failure::start(format!("cannot write {}: {e}", self.file().display()))
    }

    /// Writes the configuration of the proxy here, whole at any time, with what `apps` are from its next reading on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn configure(&self, apps: &[Server]) -> Outcome {
        let Self { dir, workers, listen, caching, .. } = self;
        let site = Site { dir, apps, workers: *workers, listen: *listen, caching, temporary: None };
        let (file, new) = (self.file(), dir.join("nginx.conf.new"));
        std::fs::write(&new, site.configuration())
            .and_then(|()| std::fs::rename(&new, &file))
            .map_err(|e| self.unwritten(&e))
    }

    /// Has it read its configuration again, and waits until it serves by that.
    ///
    /// # Errors
    /// Exit 1 when it refuses that, or dies.
    pub(super) async fn reload(&self, tier: &Tier) -> Outcome {
        let reloaded = async {
            match self.kind {
                Kind::Builtin => self.reload_builtin(tier).await,
                Kind::Nginx => self.reload_nginx(tier.pid).await,
            }
        };
        let late = || Failure::dead(format!("{} has not reloaded within {RELOAD_LIMIT:?}", self.at()));
        pace::within(RELOAD_LIMIT, reloaded).await.unwrap_or_else(|| Err(late()))
    }

    async fn reload_builtin(&self, tier: &Tier) -> Outcome {
        let counts = |text: &str| {
            ["ok", "failed"].map(|result| {
                ask::sample(text, &format!("proxy_reloads_total{{result=\"{result}\"}}")).unwrap_or_default()
            })
        };
        let Some(before) = self.metrics(tier).await else { return Err(self.dead()) };
        let before = counts(&before);
        signal(Some(tier.pid), Signal::HUP);
        loop {
            let Some(text) = self.metrics(tier).await else { return Err(self.dead()) };
            let now = counts(&text);
            if now[0] > before[0] {
                return Ok(());
            }
            if now[1] > before[1] {
                let dir = self.dir.display();
                let why = format!("target-stack proxy -t -p {dir} -c nginx.conf says why");
                return Err(self.refuses(&why));
            }
            pace::pause(ASK_EVERY).await;
        }
    }

    /// nginx has done it when it has other workers, and those before have said that they leave.
    async fn reload_nginx(&self, master: u32) -> Outcome {
        let log = self.dir.join("nginx.log");
        let said = std::fs::read(&log).unwrap_or_default().len();
        let before = procfs::children(master);
        signal(Some(master), Signal::HUP);
        loop {
            let now = procfs::children(master);
            let leaving = |worker: &u32| !now.contains(worker) || procfs::title(*worker).contains(LEAVING);
            if now.iter().any(|worker| !before.contains(worker)) && before.iter().all(leaving) {
                return Ok(());
            }
            let log = std::fs::read(&log).unwrap_or_default();
            let fresh = String::from_utf8_lossy(log.get(said..).unwrap_or_default()).into_owned();
            if let Some((_, why)) = fresh.lines().find_map(|line| line.split_once("[emerg] ")) {
                let why = why.split_once(": ").map_or(why, |(_, why)| why);
                return Err(self.refuses(why));
            }
            if !procfs::runs(master) {
                return Err(self.dead());
            }
            pace::pause(ASK_EVERY).await;
        }
    }

    fn refuses(&self, why: &str) -> Failure {
        Failure::dead(format!(
            "{} refuses its configuration, and goes on with the one before: {why}",
            self.at()
        ))
    }

    fn dead(&self) -> Failure {
        Failure::dead(format!("{} is dead", self.at()))
    }

    /// Waits until the proxy here, whose configuration has no more use for the app server at `server`, works on no request
    /// there, and none of its workers is left that had; for a while, since a client can hold one up. Gives whether that is so now.
    pub(super) async fn let_go(&self, tier: &Tier, server: &str) -> bool {
        let works = format!("proxy_upstream_requests_in_flight{{upstream=\"app\",server=\"{server}\"}}");
        let workers = self.workers as f64;
        let let_go = async {
            while let Some(text) = self.metrics(tier).await {
                let value = |name: &str| ask::sample(&text, name).unwrap_or_default();
                let [serving, leaving] =
                    ["serving", "leaving"].map(|state| value(&format!("proxy_workers{{state=\"{state}\"}}")));
                if serving <= workers && leaving == 0.0 && value(&works) == 0.0 {
                    return;
                }
                pace::pause(ASK_EVERY).await;
            }
        };
        pace::within(DRAIN_LIMIT, let_go).await.is_some()
    }

    /// What it says of itself, as long as it lives.
    async fn metrics(&self, tier: &Tier) -> Option<String> {
        while procfs::runs(tier.pid) {
            match pace::within(ANSWER_LIMIT, ask::get(&tier.metrics)).await {
                Some(Ok(answer)) if answer.status == 200 => return Some(answer.body),
                _ => pace::pause(ASK_EVERY).await,
            }
        }
        None
    }
}
