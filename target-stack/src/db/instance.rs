//! One private database server: its directory, its process, its end. Given a directory and the sizes, it gives
//! connections to a server that answers; whatever happens afterwards, `end` leaves neither process nor file. It
//! knows nothing of the schema.

use super::account::{self, Account};
use super::complaints;
use super::software::{Flavour, Software};
use crate::cgroup::Group;
use crate::failure::{Failure, Outcome};
use crate::pace;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};
use rustix::process::{Pid, Signal};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// The file that says that the data is left to the next server.
pub(crate) const LEFT: &str = "left";
/// sockaddr_un's 108 bytes, less the terminating zero.
const SOCKET_PATH_BYTES: usize = 107;
/// How long a server may take until it answers, and how long until it has ended.
const START_LIMIT: Duration = Duration::from_secs(60);
const END_LIMIT: Duration = Duration::from_secs(10);
/// How often a starting server is asked.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// What the server is allowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) max_connections: u32,
    pub(super) buffer_pool_mib: u32,
}

/// The server and all that belongs to it.
#[derive(Debug)]
pub(super) struct Instance {
    software: Software,
    sizes: Sizes,
    account: Option<Account>,
    /// The control group that the server puts itself into.
    group: Option<Group>,
    dir: PathBuf,
    /// Whether `dir` is ours, and so ours to remove.
    claimed: bool,
    /// Whether the data of one that died here before is taken over.
    goes_on: bool,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Nothing,
    Installing(Child),
    Serving(Child),
}

impl Instance {
    /// An instance that has touched nothing yet.
    ///
    /// # Errors
    /// When `dir` cannot serve: its socket's path would be too long.
    pub(super) fn new(software: Software, dir: &Path, sizes: Sizes, group: Option<Group>) -> Outcome<Self> {
        let dir =
            std::path::absolute(dir).map_err(|e| Failure::usage(format!("--dir {}: {e}", dir.display())))?;
        let account = account::to_lend()?;
        let (claimed, goes_on, work) = (false, false, Work::Nothing);
        let instance = Self { software, sizes, account, group, dir, claimed, goes_on, work };
        if instance.dir.to_str().is_none() {
            return Err(Failure::usage(format!("--dir {} is not UTF-8", instance.dir.display())));
        }
        let length = instance.socket().as_os_str().as_bytes().len();
        if length > SOCKET_PATH_BYTES {
            return Err(Failure::usage(format!(
                "--dir {} is too long: its socket's path would have {length} bytes, and the system allows {SOCKET_PATH_BYTES}",
                instance.dir.display()
            )));
        }
        Ok(instance)
    }

    /// Has it take over the data of one that died in its directory, if there is any.
    pub(super) fn go_on(&mut self) {
        self.goes_on = self.dir.join("data").exists();
    }

    /// The server's unix socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.dir.join("mysql.sock")
    }

    /// The server's pid, while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        if let Work::Serving(child) = &self.work { child.id() } else { None }
    }

    /// The control group that the server is in.
    pub(super) fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// How to connect as the server's administrator, who has no password: the directory is closed to others.
    pub(super) fn administrator(&self) -> Opts {
        OptsBuilder::default().socket(self.socket().to_str()).user(Some("root")).into()
    }

    /// Claims the directory, makes the data in it, starts the server and waits until it answers. Gives whether the data is new: what
    /// was there before, the server has recovered by then.
    ///
    /// # Errors
    /// When one of these fails. Then, and when this is dropped half-way, [`Instance::end`] cleans up.
    pub(super) async fn start(&mut self) -> Outcome<bool> {
        if self.goes_on {
            self.take_over()?;
        } else {
            self.claim()?;
            self.install().await?;
        }
        let child = self.spawn(&self.software.server, &self.server_arguments())?;
        self.work = Work::Serving(child);
        self.answers().await.map(|()| !self.goes_on)
    }

    /// Resolves when the server has ended by itself, with the reason.
    pub(super) async fn died(&mut self) -> Failure {
        let Work::Serving(child) = &mut self.work else {
            return Failure::start("the database is not running");
        };
        match child.wait().await {
            Ok(status) => self.ended("the database server", status),
            Err(e) => Failure::start(format!("lost sight of the database server: {e}")),
        }
    }

    /// Ends the process, if there is one, and removes the directory, if it is ours.
    ///
    /// # Errors
    /// When the directory cannot be removed.
    pub(super) async fn end(mut self) -> Outcome {
        self.end_process().await;
        if self.claimed { self.remove() } else { Ok(()) }
    }

    /// Ends the process, if there is one, and leaves the directory to the next one, with a sign that nobody writes there.
    ///
    /// # Errors
    /// When the sign cannot be made.
    pub(super) async fn leave(mut self) -> Outcome {
        self.end_process().await;
        let sign = if self.claimed { File::create(self.dir.join(LEFT)).map(drop) } else { Ok(()) };
        sign.map_err(|e| Failure::start(format!("cannot leave {}: {e}", self.dir.display())))
    }

    async fn end_process(&mut self) {
        let child = match &mut self.work {
            Work::Nothing => None,
            // The installer is a script over several processes and soon done: waiting for it is the only
            // way to know that nobody writes any more.
            Work::Installing(child) => Some(child),
            Work::Serving(child) => {
                signal_group(child, Signal::TERM);
                Some(child)
            }
        };
        if let Some(child) = child
            && pace::within(END_LIMIT, child.wait()).await.is_none()
        {
            signal_group(child, Signal::KILL);
            let _ = child.wait().await;
        }
    }

    fn remove(&self) -> Outcome {
        fs::remove_dir_all(&self.dir)
            .map_err(|e| Failure::start(format!("cannot remove {}: {e}", self.dir.display())))
    }

    fn take_over(&mut self) -> Outcome {
        self.claimed = true;
        let log = self.log_path();
        // What the one before complained of is an older story.
        let steps = [fs::remove_file(self.dir.join(LEFT)), fs::rename(&log, log.with_extension("log.old"))];
        let failed = steps.into_iter().filter_map(Result::err).find(|e| e.kind() != ErrorKind::NotFound);
        let why = |e| Failure::start(format!("cannot go on in {}: {e}", self.dir.display()));
        failed.map_or(Ok(()), |e| Err(why(e)))
    }

    fn claim(&mut self) -> Outcome {
        let dir = self.dir.display();
        let fail = |e: std::io::Error| Failure::start(format!("cannot make the directory {dir}: {e}"));
        match fs::read_dir(&self.dir) {
            Ok(entries) => {
                if entries.count() > 0 {
                    return Err(Failure::usage(format!(
                        "--dir {dir} is not empty; name one that does not exist"
                    )));
                }
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(fail)?;
            }
            Err(e) => return Err(fail(e)),
        }
        self.claimed = true;
        fs::set_permissions(&self.dir, std::os::unix::fs::PermissionsExt::from_mode(0o700)).map_err(fail)?;
        let parts = ["data", "tmp"].map(|part| self.dir.join(part));
        for part in &parts {
            fs::create_dir(part).map_err(fail)?;
        }
        if let Some(account) = self.account {
            account::can_reach(&self.dir, account)?;
            for path in parts.iter().chain([&self.dir]) {
                account::give(path, account).map_err(fail)?;
            }
        }
        Ok(())
    }

    async fn install(&mut self) -> Outcome {
        let data = flag("--datadir=", &self.dir.join("data"));
        let child = match &self.software.flavour {
            Flavour::MariaDb { install } => {
                // What is half made when the machine stops is thrown away, so nothing waits for the disk.
                let rest = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-log-bin"];
                let hurry = [
                    "--innodb-flush-method=nosync",
                    "--loose-debug-no-sync",
                    "--innodb-log-file-size=64M",
                    "--innodb-buffer-pool-size=32M",
                ];
                let fixed = rest.into_iter().chain(hurry).map(OsString::from);
                let arguments: Vec<_> = ["--no-defaults".into(), data].into_iter().chain(fixed).collect();
                self.spawn(install, &arguments)?
            }
            Flavour::MySql => {
                let arguments = ["--no-defaults".into(), "--initialize-insecure".into(), data];
                self.spawn(&self.software.server, &arguments)?
            }
        };
        self.work = Work::Installing(child);
        let Work::Installing(child) = &mut self.work else { return Ok(()) };
        let status = child.wait().await;
        self.work = Work::Nothing;
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(self.ended("the database's installation", status)),
            Err(e) => Err(Failure::start(format!("lost sight of the database's installation: {e}"))),
        }
    }

    /// `--no-defaults` must come first: then no file of this machine has a say.
    fn server_arguments(&self) -> Vec<OsString> {
        let Sizes { max_connections, buffer_pool_mib } = self.sizes;
        let paths = [
            flag("--datadir=", &self.dir.join("data")),
            flag("--tmpdir=", &self.dir.join("tmp")),
            flag("--socket=", &self.socket()),
            flag("--pid-file=", &self.dir.join("mysql.pid")),
            flag("--loose-secure-file-priv=", &self.dir.join("tmp")),
        ];
        let fixed = [
            "--skip-networking",
            "--skip-log-bin",
            "--skip-name-resolve",
            "--performance-schema=OFF",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_general_ci",
            // A commit is on disk before it is acknowledged.
            "--innodb-flush-log-at-trx-commit=1",
            // What ends with us is thrown away: neither tidied nor remembered.
            "--innodb-fast-shutdown=2",
            "--innodb-buffer-pool-dump-at-shutdown=OFF",
            "--innodb-buffer-pool-load-at-startup=OFF",
            "--max-allowed-packet=16M",
            "--loose-innodb-log-file-size=64M",
            // MySQL's second protocol; MariaDB does not know it, hence `loose`.
            "--loose-mysqlx=OFF",
        ];
        let sized = [
            format!("--max-connections={max_connections}"),
            // A cached thread and table per connection: a burst shall not measure thread creation.
            format!("--thread-cache-size={max_connections}"),
            format!("--innodb-buffer-pool-size={buffer_pool_mib}M"),
        ];
        let words = fixed.into_iter().map(OsString::from).chain(sized.into_iter().map(OsString::from));
        [OsString::from("--no-defaults")].into_iter().chain(paths).chain(words).collect()
    }

    /// Starts `program` on a leash. The kernel binds the leash to the thread that starts it, which is why this
    /// tier has only its main thread.
    fn spawn(&self, program: &Path, arguments: &[OsString]) -> Outcome<Child> {
        let log = self.log().map_err(|e| Failure::start(format!("cannot write the database's log: {e}")))?;
        // This binary, even when its file has been replaced since.
        let mut command = Command::new("/proc/self/exe");
        if let Some(group) = &self.group {
            command.arg("--group").arg(group.dir());
        }
        command.arg("leash").arg("--parent").arg(std::process::id().to_string());
        if let Some(account) = self.account {
            command.arg("--account").arg(account.to_string());
        }
        command.arg("--").arg(program).args(arguments);
        // The installer's own temporary files, too, are in this directory and nowhere else.
        command.env("TMPDIR", self.dir.join("tmp"));
        // A group of its own: Ctrl-C at the terminal is for us, who then end it in order.
        command.process_group(0).current_dir(&self.dir).kill_on_drop(true).stdin(Stdio::null());
        command.stdout(log.0).stderr(log.1);
        command.spawn().map_err(|e| Failure::start(format!("cannot start {}: {e}", program.display())))
    }

    fn log(&self) -> std::io::Result<(File, File)> {
        let file = OpenOptions::new().create(true).append(true).open(self.log_path())?;
        Ok((file.try_clone()?, file))
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// Waits for the first query that is answered: a socket that exists proves nothing.
    async fn answers(&mut self) -> Outcome {
        let options = self.administrator();
        let asking = async {
            while ask(options.clone()).await.is_err() {
                pace::pause(ASK_EVERY).await;
            }
        };
        tokio::select! {
            failure = self.died() => Err(failure),
            answered = pace::within(START_LIMIT, asking) => answered.ok_or_else(|| {
                Failure::start(format!("the database does not answer after {} s", START_LIMIT.as_secs()))
            }),
        }
    }

    /// One line of how `what` ended, with what its log complains of, which goes with the directory.
    fn ended(&self, what: &str, status: ExitStatus) -> Failure {
        let how = match (status.signal(), status.code()) {
            (Some(signal), _) => format!("was killed by signal {signal}"),
            (None, code) => format!("ended with exit code {}", code.unwrap_or_default()),
        };
        // Whoever was killed has not said why: what it complained of before is an older story.
        let killed = status.signal() == Some(Signal::KILL.as_raw());
        let log = if killed { Vec::new() } else { fs::read(self.log_path()).unwrap_or_default() };
        Failure::start(format!("{what} {how}{}", complaints::of(&String::from_utf8_lossy(&log))))
    }
}

/// One query from a connection of its own.
async fn ask(options: Opts) -> mysql_async::Result<()> {
    let mut conn = Conn::new(options).await?;
    conn.query_drop("SELECT 1").await?;
    conn.disconnect().await
}

fn flag(name: &str, path: &Path) -> OsString {
    let mut flag = OsString::from(name);
    flag.push(path);
    flag
}

fn signal_group(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended on its own in the meantime, which is just as well.
        let _ = rustix::process::kill_process_group(pid, signal);
    }
}
