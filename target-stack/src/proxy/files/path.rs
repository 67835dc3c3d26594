//! From a URI to a path of the file system: `root` and `alias`. Given an exchange, it gives the path as nginx puts it together, or
//! none where that might climb out; it looks at no file.

use crate::proxy::config::Base;
use crate::proxy::exchange::Exchange;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A path below a location's `root` or `alias`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapped {
    pub(crate) path: Vec<u8>,
    /// How much of the path is the root.
    pub(crate) root: usize,
}

/// Why a URI has no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmapped {
    /// A rewriting moved the URI away from the location that `alias` replaces.
    Displaced,
    /// It has a `..` or a NUL in it. A path that came so was refused or resolved: this one a rewriting has made.
    Climbs,
}

/// The path that the current URI is kept at.
pub(crate) fn map(exchange: &Exchange) -> Result<Mapped, Unmapped> {
    let uri = exchange.uri();
    let rest = match below(exchange)? {
        Below::All => uri,
        Below::After(length) => uri.get(length..).unwrap_or_default(),
        Below::Nothing if exchange.course().is_some_and(|course| course.found_below_alias) => uri,
        Below::Nothing => b"",
    };
    join(root(exchange), rest)
}

/// The root with `rest` after it.
pub(crate) fn join(mut path: Vec<u8>, rest: &[u8]) -> Result<Mapped, Unmapped> {
    let climbs = rest.split(|&byte| byte == b'/').any(|segment| segment == b"..");
    if climbs || rest.contains(&0) {
        return Err(Unmapped::Climbs);
    }
    let root = path.len();
    path.extend_from_slice(rest);
    Ok(Mapped { path, root })
}

/// What of the URI stands after the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Below {
    /// `root`
    All,
    /// `alias` of a path of this length.
    After(usize),
    /// `alias` of a regular expression, which is the whole path.
    Nothing,
}

/// What of the current URI stands after the root.
pub(crate) fn below(exchange: &Exchange) -> Result<Below, Unmapped> {
    let below = match exchange.location().settings.files.root.base {
        Base::Root => return Ok(Below::All),
        Base::Alias(length) => Below::After(length),
        Base::AliasOfExpression => Below::Nothing,
    };
    if exchange.is_displaced() { Err(Unmapped::Displaced) } else { Ok(below) }
}

/// The root itself.
pub(crate) fn root(exchange: &Exchange) -> Vec<u8> {
    let root = &exchange.location().settings.files.root;
    let path = root.path.render(exchange);
    // Only what begins with a variable is not whole yet.
    if root.path.begins_with_text() || path.starts_with(b"/") {
        return path;
    }
    root.prefix.join(OsStr::from_bytes(&path)).into_os_string().into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::location::normalise;
    use proptest::prelude::*;

    #[test]
    fn what_climbs_has_no_path() {
        for (rest, fine) in [
            ("/a", true),
            ("/a/..b", true),
            ("/...", true),
            ("", true),
            ("/..", false),
            ("/a/../b", false),
            ("..", false),
            ("/a\0", false),
        ] {
            let mapped = join(b"/root".to_vec(), rest.as_bytes());
            assert_eq!(mapped.is_ok(), fine, "{rest:?}");
        }
    }

    proptest! {
        /// No path that a client can send leads out of the root.
        #[test]
        fn any_path_stays_below_the_root(path in "/(a|\\.|/|%2e|%2E|%2f|%00|%5c|%c0%ae|%[0-9a-f]{2}){0,20}") {
            let Some(path) = normalise(&path) else { return Ok(()) };
            let mapped = join(b"/srv/www".to_vec(), &path).expect("a normalised path does not climb");
            let path = std::path::PathBuf::from(std::ffi::OsString::from_vec(mapped.path));
            let mut depth = 0_i32;
            for part in path.strip_prefix("/srv/www").expect("below the root").components() {
                depth += if matches!(part, std::path::Component::Normal(_)) { 1 } else { -1 };
                prop_assert!(depth >= 0, "{}", path.display());
            }
        }
    }
}
