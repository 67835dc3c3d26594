//! The proxy and the installed nginx, on one configuration: what they answer has to be the same, but for their names. What is known to
//! differ is in target-stack/README.md, and not asked here.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod config;
mod ends;
mod files;
mod routing;

use e2e::pair::Pair;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Asks both for every one of `paths`, with blanks between, as a client that closes.
fn hold(pair: &Pair, method: &str, host: &str, paths: &str, fields: &str) {
    let mut differences = String::new();
    for path in paths.split_whitespace() {
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n");
        let (ours, theirs) = pair.ask(&request);
        if ours != theirs {
            differences.push_str(&format!("{request}here: {ours:?}\nnginx: {theirs:?}\n\n"));
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

/// A file that was changed last in 1994.
fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)).unwrap();
}
