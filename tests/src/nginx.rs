//! The installed nginx on a configuration of a test's own. Given a directory and a text, it runs one master with its workers, which ends
//! with the value that stands for it.

use crate::signal;
use rustix::io::FdFlags;
use rustix::process::Signal;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// An nginx that serves.
#[derive(Debug)]
pub struct Nginx {
    /// Where it listens.
    pub address: SocketAddr,
    master: Child,
}

impl Nginx {
    /// Starts it in `dir`, on the text that `configuration` gives for the address to listen at and for the directives of the `http`
    /// block that keep its temporary files in `dir`, too.
    pub fn start(dir: &Path, configuration: impl FnOnce(&str, &str) -> String) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {}/{name};", dir.display()))
            .collect();
        let file = dir.join("nginx.conf");
        std::fs::write(&file, configuration(&address.to_string(), &temporary)).unwrap();
        // A worker of another user has to get there.
        std::fs::set_permissions(dir, PermissionsExt::from_mode(0o755)).unwrap();
        // nginx takes the socket over, as it does from its predecessor, so that nobody else has the port meanwhile.
        rustix::io::fcntl_setfd(&socket, FdFlags::empty()).unwrap();
        let mut command = Command::new(program());
        command.arg("-p").arg(dir).arg("-c").arg(&file).args(["-e", "stderr"]).env("TZ", "UTC");
        command.env("NGINX", format!("{};", socket.as_raw_fd()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { address, master: command.spawn().unwrap() }
    }

    /// Ends it once what is under way has been answered, and is in the log.
    pub fn end(mut self) {
        signal(self.master.id(), Signal::QUIT);
        self.master.wait().unwrap();
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Ok(None) = self.master.try_wait() {
            // The master ends its workers first.
            signal(self.master.id(), Signal::TERM);
            let _ = self.master.wait();
        }
    }
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    places.map(|place| place.join("nginx")).find(|program| program.is_file()).unwrap()
}
