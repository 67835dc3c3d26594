//! The installed HAProxy on a configuration of a test's own. Given a directory and a text, it runs one process, which ends with the value that
//! stands for it.

use crate::signal;
use rustix::io::FdFlags;
use rustix::process::Signal;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A HAProxy that serves.
#[derive(Debug)]
pub struct HaProxy {
    /// Where it listens.
    pub address: SocketAddr,
    process: Child,
}

impl HaProxy {
    /// Starts it in `dir`, on the text that `configuration` gives for what follows `bind`.
    pub fn start(dir: &Path, configuration: impl FnOnce(&str) -> String) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let file = dir.join("haproxy.cfg");
        std::fs::write(&file, configuration(&format!("fd@{}", socket.as_raw_fd()))).unwrap();
        // It inherits the socket, so that nobody else has the port meanwhile.
        rustix::io::fcntl_setfd(&socket, FdFlags::empty()).unwrap();
        let mut command = Command::new(program().unwrap());
        command.args(["-db", "-q", "-f"]).arg(&file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { address, process: command.spawn().unwrap() }
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            signal(self.process.id(), Signal::TERM);
            let _ = self.process.wait();
        }
    }
}

/// Whether HAProxy is installed; says so if it is not, as what is then not tested.
pub fn haproxy_is_installed() -> bool {
    let there = program().is_some();
    if !there {
        let line = "NOT TESTED: HAProxy is not installed (scripts/need haproxy)";
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{line}\n"));
    }
    there
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    places.map(|place| place.join("haproxy")).find(|program| program.is_file())
}
