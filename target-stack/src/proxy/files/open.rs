//! Looking at files without holding up the event loop. What the kernel can answer from its caches is asked for at once
//! (`RESOLVE_CACHED`); all else goes to tokio's blocking threads, of which a worker has a bounded number, since a disk, or a
//! file system on another machine, may take its time. Symbolic links are followed, as nginx follows them by default.

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat2};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;

/// Something that was found at a path.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) kind: Kind,
    /// In bytes, when it was opened.
    pub(crate) size: u64,
    /// Its last change, in seconds since 1970.
    pub(crate) modified: i64,
    pub(crate) file: OwnedFd,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Other,
}

/// Opens what is at `path` for reading.
///
/// # Errors
/// The system's.
pub(crate) async fn read(path: &[u8]) -> io::Result<Found> {
    // Not to hang at a pipe that nobody writes to; on files it has no effect.
    found(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC).await
}

/// Looks at what is at `path`, which need not be readable.
///
/// # Errors
/// The system's.
pub(crate) async fn look(path: &[u8]) -> io::Result<Kind> {
    found(path, OFlags::PATH | OFlags::CLOEXEC).await.map(|found| found.kind)
}

async fn found(path: &[u8], flags: OFlags) -> io::Result<Found> {
    match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED) {
        Ok(file) => return stat(file),
        // Not in the caches, or a kernel that does not know the question, or a filter before it.
        Err(Errno::AGAIN | Errno::INVAL | Errno::NOSYS | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let path = path.to_vec();
    tokio::task::spawn_blocking(move || stat(open(path, flags, Mode::empty())?)).await?
}

fn stat(file: OwnedFd) -> io::Result<Found> {
    let stat: Stat = fstat(&file)?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        _ => Kind::Other,
    };
    Ok(Found { kind, size: u64::try_from(stat.st_size).unwrap_or(0), modified: stat.st_mtime, file })
}
