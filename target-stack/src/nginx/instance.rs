//! One nginx of this stack's own: its socket, its configuration, its processes, their end. Given the site, it gives an
//! nginx that answers; whatever happens afterwards, `end` leaves no process. The socket is bound here and handed over,
//! as nginx hands it to its own successor, so that nobody else can have taken the port meanwhile.

use super::software::Software;
use crate::cgroup::Group;
use crate::failure::{Failure, Outcome};
use crate::nginx_conf::Site;
use crate::{pace, supervise};
use rustix::io::FdFlags;
use rustix::process::Signal;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// The variable by which an nginx is told which sockets are open already.
const INHERITED: &str = "NGINX";
/// How long nginx may take to end: it gives its workers a second.
const END_LIMIT: Duration = Duration::from_secs(5);

/// The server and all that belongs to it.
#[derive(Debug)]
pub(super) struct Instance {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Instance {
    /// Writes the configuration and starts nginx, at port 0 on one of the kernel's choice. Must be called on the main thread: nginx
    /// dies with the thread that started it.
    ///
    /// # Errors
    /// When one of these fails. That nginx refuses to go on shows in [`Instance::died`].
    pub(super) fn start(nginx: &Software, site: Site<'_>, group: Option<&Group>) -> Outcome<Self> {
        let dir = site.dir;
        let failed = |what: &str, e: std::io::Error| Failure::start(format!("cannot {what}: {e}"));
        let socket = TcpListener::bind(site.listen).map_err(|e| failed("listen", e))?;
        let address = socket.local_addr().map_err(|e| failed("listen", e))?;
        // nginx takes an inherited socket as it is.
        socket.set_nonblocking(true).map_err(|e| failed("listen", e))?;
        rustix::io::fcntl_setfd(&socket, FdFlags::empty())
            .map_err(|e| failed("hand over a socket", e.into()))?;

        let (configuration, temporary, log) =
            (dir.join("nginx.conf"), dir.join("temp"), dir.join("nginx.log"));
        let names = Some((temporary.as_path(), nginx.build.temporary.as_slice()));
        let site = Site { listen: address, temporary: names, ..site };
        // nginx makes the directories in it, and gives them to its workers' user. They are there where one ran before.
        std::fs::create_dir_all(&temporary)
            .and_then(|()| std::fs::write(&configuration, site.configuration()))
            .map_err(|e| failed(&format!("write {}", configuration.display()), e))?;
        let said = File::create(&log).and_then(|file| Ok((file.try_clone()?, file)));
        let (out, errors) = said.map_err(|e| failed(&format!("write {}", log.display()), e))?;

        // This binary, even when its file has been replaced since.
        let mut command = Command::new("/proc/self/exe");
        if let Some(group) = group {
            command.arg("--group").arg(group.dir());
        }
        // nginx ends its workers when it is asked to end, and cannot when it is killed.
        command.args(["leash", "--gently", "--parent", &std::process::id().to_string(), "--"]);
        command.arg(&nginx.program).arg("-p").arg(dir).arg("-c").arg(&configuration);
        if nginx.build.error_option {
            command.args(["-e", "stderr"]);
        }
        command.args(["-g", "error_log stderr;"]);
        command.env(INHERITED, format!("{};", socket.as_raw_fd()));
        // A group of its own: Ctrl-C at the terminal is for the supervisor.
        command.process_group(0).current_dir(dir).stdin(Stdio::null()).stdout(out).stderr(errors);
        let child = command.spawn().map_err(|e| failed("start nginx", e))?;
        // The socket is nginx's alone from here on: if nginx dies, nobody waits at it.
        drop(socket);
        Ok(Self { child, address, log })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The pid of its master process, while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Resolves when the master process has ended by itself, with the reason.
    pub(super) async fn died(&mut self) -> Failure {
        match self.child.wait().await {
            Ok(status) => Failure::start(self.ended(status)),
            Err(e) => Failure::start(format!("lost sight of nginx: {e}")),
        }
    }

    /// Ends the processes that there are: workers outlive a master that was killed.
    pub(super) async fn end(mut self) {
        supervise::signal(self.child.id(), Signal::TERM);
        if pace::within(END_LIMIT, self.child.wait()).await.is_none() {
            // It may have ended in between; then there is nothing to kill.
            let _ = self.child.kill().await;
        }
        supervise::end_orphans().await;
    }

    /// One line of how it ended, with the end of its log, which goes with the directory.
    fn ended(&self, status: ExitStatus) -> String {
        // Whoever was killed has not said why: what it complained of before is an older story.
        let killed = status.signal() == Some(Signal::KILL.as_raw());
        let log = if killed { Vec::new() } else { std::fs::read(&self.log).unwrap_or_default() };
        format!("nginx {}{}", supervise::ended(status), last_words(&String::from_utf8_lossy(&log)))
    }
}

/// The log's last complaint that is serious, or nothing.
fn last_words(log: &str) -> String {
    let serious = |line: &str| {
        let from = ["[emerg]", "[alert]", "[crit]"].iter().find_map(|level| line.find(level))?;
        Some(line[from..].trim_end().to_owned())
    };
    log.lines().rev().find_map(serious).map_or_else(String::new, |line| format!("; its log says: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_cut_down_to_its_last_serious_complaint() {
        for (log, want) in [
            ("", ""),
            ("2026/11/24 18:00:00 [error] 7#7: *1 connect() failed\n", ""),
            (
                "nginx: [emerg] bind() to 127.0.0.1:80 failed\n",
                "; its log says: [emerg] bind() to 127.0.0.1:80 failed",
            ),
            ("1 [emerg] a\n2 [alert] 7#7: b\n3 [error] c\n", "; its log says: [alert] 7#7: b"),
        ] {
            assert_eq!(last_words(log), want, "{log}");
        }
    }
}
