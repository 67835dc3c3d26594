//! A file system that is soon full. It is mounted where this user may do that, and goes away again.

use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// See the module.
#[derive(Debug)]
pub struct Small(TempDir);

impl Small {
    /// Mounts one of this size, such as `32k`; none where this user may not mount one.
    pub fn mount(size: &str) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(dir.path());
        mount.output().ok()?.status.success().then(|| Self(dir))
    }
}

impl Small {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}
