//! Which location answers, and under which URI the upstream is asked. Given a request's path, it gives the normalised
//! path, the location that nginx would choose, and the rewritten target; it reads no header and sends nothing.

use super::config::Settings;
use super::variables::Template;
use std::borrow::Cow;
use std::sync::Arc;

/// A `location`, or what stands in for one where none matches.
#[derive(Debug)]
pub(crate) struct Location {
    pub(crate) pattern: Pattern,
    pub(crate) handler: Handler,
    pub(crate) settings: Arc<Settings>,
}

/// Which paths a location is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// `= /path`
    Exact(String),
    /// `/path` or `^~ /path`; the latter rules out regular expressions, of which there are none yet.
    Prefix { path: String, no_regex: bool },
}

/// What answers.
#[derive(Debug)]
pub(crate) enum Handler {
    NotFound,
    StubStatus,
    Return { status: u16, text: Option<Template> },
    Proxy(Proxy),
}

/// A `proxy_pass`.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// An index of the configuration's upstreams.
    pub(crate) upstream: usize,
    /// `$proxy_host`.
    pub(crate) host: String,
    /// How much of the path the location names.
    pub(crate) prefix: usize,
    /// The URI part, which replaces what the location names; without it the request's own target is passed on.
    pub(crate) replacement: Option<String>,
}

impl Pattern {
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Exact(path) | Self::Prefix { path, .. } => path,
        }
    }

    /// Whether both are for the same paths.
    pub(crate) fn same(&self, other: &Self) -> bool {
        matches!(self, Self::Exact(_)) == matches!(other, Self::Exact(_)) && self.path() == other.path()
    }
}

/// The location for a normalised path: the one that names it exactly, or else the longest prefix.
pub(crate) fn choose(locations: &[Location], path: &[u8]) -> Option<usize> {
    let mut best: Option<(usize, usize)> = None;
    for (index, location) in locations.iter().enumerate() {
        match &location.pattern {
            Pattern::Exact(exact) if exact.as_bytes() == path => return Some(index),
            Pattern::Prefix { path: prefix, .. }
                if path.starts_with(prefix.as_bytes())
                    && best.is_none_or(|(_, length)| prefix.len() > length) =>
            {
                best = Some((index, prefix.len()));
            }
            _ => {}
        }
    }
    best.map(|(index, _)| index)
}

/// The path with escapes decoded, runs of slashes merged and dot segments resolved, as nginx does before it
/// chooses a location. `None` when it is malformed or leaves the root.
pub(crate) fn normalise(path: &str) -> Option<Cow<'_, [u8]>> {
    if !path.starts_with('/') {
        return None;
    }
    let bytes = path.as_bytes();
    let plain = !bytes.contains(&b'%') && !bytes.windows(2).any(|pair| pair == b"//" || pair == b"/.");
    if plain {
        return Some(Cow::Borrowed(bytes));
    }
    let decoded = decode(bytes)?;
    let mut out: Vec<u8> = Vec::with_capacity(decoded.len());
    let mut segments = decoded.split(|&b| b == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b".." => {
                let parent = out.iter().rposition(|&b| b == b'/')?;
                out.truncate(parent);
            }
            b"" | b"." => {}
            _ => {
                out.push(b'/');
                out.extend_from_slice(segment);
                continue;
            }
        }
        if last {
            out.push(b'/');
        }
    }
    Some(Cow::Owned(out))
}

fn decode(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.iter();
    while let Some(&byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let digit = |b: Option<&u8>| char::from(*b?).to_digit(16);
                u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?
            }
            _ => byte,
        };
        if byte == 0 {
            return None;
        }
        out.push(byte);
    }
    Some(out)
}

impl Proxy {
    /// The target to ask the upstream for, or `None` where the request's own is passed on unchanged: the location's
    /// part of the path is replaced by the URI of `proxy_pass`, the rest of it escaped again.
    pub(crate) fn target(&self, path: &[u8], args: Option<&str>) -> Option<Vec<u8>> {
        let replacement = self.replacement.as_deref()?;
        let mut out = replacement.as_bytes().to_vec();
        for &byte in path.get(self.prefix..).unwrap_or_default() {
            if needs_escape(byte) {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            } else {
                out.push(byte);
            }
        }
        if let Some(args) = args.filter(|args| !args.is_empty()) {
            out.push(b'?');
            out.extend_from_slice(args.as_bytes());
        }
        Some(out)
    }
}

/// What `ngx_escape_uri` escapes in a path.
fn needs_escape(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | 0x7f..=0xff)
        || matches!(byte, b'"' | b'#' | b'%' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn locations(patterns: &[&str]) -> Vec<Location> {
        let settings = Arc::new(Settings::default());
        let pattern = |text: &str| match text.strip_prefix('=') {
            Some(path) => Pattern::Exact(path.to_owned()),
            None => Pattern::Prefix { path: text.to_owned(), no_regex: false },
        };
        let location = |text: &&str| Location {
            pattern: pattern(text),
            handler: Handler::NotFound,
            settings: Arc::clone(&settings),
        };
        patterns.iter().map(location).collect()
    }

    #[test]
    fn the_exact_location_wins_then_the_longest_prefix() {
        let locations = locations(&["/", "/img/", "=/", "/img/big/", "=/img/"]);
        let rows = [("/", 2), ("/x", 0), ("/img", 0), ("/img/", 4), ("/img/a", 1), ("/img/big/a", 3)];
        for (path, want) in rows {
            assert_eq!(choose(&locations, path.as_bytes()), Some(want), "{path}");
        }
        assert_eq!(choose(&locations[1..2], b"/other"), None);
    }

    #[test]
    fn paths_are_normalised() {
        let rows = [
            ("/", Some("/")),
            ("/a/b", Some("/a/b")),
            ("/a%20b", Some("/a b")),
            ("//a///b", Some("/a/b")),
            ("/a/./b", Some("/a/b")),
            ("/a/../b", Some("/b")),
            ("/a/..", Some("/")),
            ("/a/b/.", Some("/a/b/")),
            ("/a//", Some("/a/")),
            ("/.hidden", Some("/.hidden")),
            ("/a/%2e%2e/b", Some("/b")),
            ("/..", None),
            ("/a/../../b", None),
            ("/%", None),
            ("/%zz", None),
            ("/%00", None),
            ("*", None),
            ("", None),
        ];
        for (path, want) in rows {
            assert_eq!(normalise(path).as_deref(), want.map(str::as_bytes), "{path}");
        }
    }

    #[test]
    fn the_uri_of_proxy_pass_replaces_the_locations_part() {
        let rows = [
            (None, "/a/", "/a/x", None, None),
            (Some("/"), "/a/", "/a/x", None, Some("/x")),
            (Some("/b/"), "/a/", "/a/x y", Some("q=1"), Some("/b/x%20y?q=1")),
            (Some("/b"), "/a", "/a/x", None, Some("/b/x")),
            (Some("/b"), "/a", "/a", None, Some("/b")),
            (Some("/"), "/a/", "/a/?#", None, Some("/%3F%23")),
        ];
        for (replacement, location, path, args, want) in rows {
            let proxy = Proxy {
                upstream: 0,
                host: String::new(),
                prefix: location.len(),
                replacement: replacement.map(str::to_owned),
            };
            let got = proxy.target(path.as_bytes(), args).map(|t| String::from_utf8_lossy(&t).into_owned());
            assert_eq!(got.as_deref(), want, "{replacement:?} {path}");
        }
    }

    proptest! {
        #[test]
        fn a_normalised_path_has_no_dot_segments(path in "/[a./%2e]{0,30}") {
            if let Some(path) = normalise(&path) {
                prop_assert!(path.starts_with(b"/"));
                let mut segments = path.split(|&b| b == b'/');
                prop_assert!(segments.all(|s| s != b".." && s != b"."));
            }
        }
    }
}
