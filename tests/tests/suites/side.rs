//! The three proxies. Given what each has to do, they are started on it, and end with the value that stands for them.

use e2e::Target;
use e2e::haproxy::{HaProxy, haproxy_is_installed};
use e2e::nginx::Nginx;
use e2e::stack::nginx_is_installed;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// Who is judged, in the order of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Ours,
    Nginx,
    HaProxy,
}

impl Who {
    /// Those that are there.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::Ours];
        all.extend(nginx_is_installed().then_some(Self::Nginx));
        all.extend(haproxy_is_installed().then_some(Self::HaProxy));
        all
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Nginx => "nginx",
            Self::HaProxy => "HAProxy",
        }
    }
}

/// One of them, which serves.
pub(crate) struct Side {
    pub(crate) address: SocketAddr,
    _process: Process,
    _dir: TempDir,
}

enum Process {
    Ours { _target: Target },
    Nginx { _nginx: Nginx },
    HaProxy { _haproxy: HaProxy },
}

impl Side {
    /// Starts `who`: `nginx` is the inside of an `http` block for our proxy and for nginx, in which `LISTEN` stands for an address, and
    /// `haproxy` a whole configuration, in which it stands for what follows `bind`.
    pub(crate) fn start(who: Who, nginx: &str, haproxy: &str) -> Self {
        let dir = TempDir::new().unwrap();
        // nginx's workers are of another user.
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let text = |listen: &str, more: &str| {
            let http = nginx.replace("LISTEN", listen);
            format!(
                "daemon off; pid pid; error_log error.log; events {{ worker_connections 4096; }} http {{ {more} access_log off; {http} }}\n"
            )
        };
        let (address, process) = match who {
            Who::Ours => {
                std::fs::write(dir.path().join("nginx.conf"), text("127.0.0.1:0", "")).unwrap();
                let target = Target::start(&format!("proxy -p {} -c nginx.conf", dir.path().display()));
                (target.address().parse().unwrap(), Process::Ours { _target: target })
            }
            Who::Nginx => {
                let nginx = Nginx::start(dir.path(), text);
                (nginx.address, Process::Nginx { _nginx: nginx })
            }
            Who::HaProxy => {
                let haproxy = HaProxy::start(dir.path(), |bind| haproxy.replace("LISTEN", bind));
                (haproxy.address, Process::HaProxy { _haproxy: haproxy })
            }
        };
        Self { address, _process: process, _dir: dir }
    }
}
