//! Where connections go: the addresses of a name, as they are when a connection is opened, or a unix socket. It opens none.

use crate::transport::names::Names;
use reports::record::Dns;
use std::path::PathBuf;
use std::sync::Arc;

/// Where connections go.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    /// The addresses of a name, in turn.
    Tcp(Arc<Names>),
    /// A unix socket.
    Unix(PathBuf),
}

impl Address {
    /// In words, for a message.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Tcp(names) => {
                names.addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            }
            Self::Unix(path) => path.display().to_string(),
        }
    }

    /// Keeps the addresses of a name fresh for as long as it is polled: it never ends.
    pub(crate) async fn keep_fresh(&self) {
        match self {
            Self::Tcp(names) => names.keep_fresh().await,
            Self::Unix(_) => std::future::pending().await,
        }
    }

    /// What name servers were asked and what came of it; `None` where none was.
    pub(crate) fn dns(&self) -> Option<Dns> {
        match self {
            Self::Tcp(names) => names.dns(),
            Self::Unix(_) => None,
        }
    }
}
