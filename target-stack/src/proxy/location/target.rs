//! What an upstream is asked for. Given a request as rewriting has left it, and the `proxy_pass` that passes it on, it gives the
//! target: the request's own while nothing has changed it, or the path with the location's part replaced.

use super::{Proxy, escape_path};
use crate::proxy::exchange::Exchange;
use bytes::Bytes;
use http::uri::{PathAndQuery, Uri};

/// The target of `exchange`'s request at the upstream of `proxy`, or `None` where that would be no URI.
pub(crate) fn target(exchange: &Exchange, proxy: &Proxy) -> Option<Uri> {
    let sent = &exchange.parts.uri;
    if proxy.replacement.is_none() && !exchange.is_rewritten() {
        return sent.path_and_query().cloned().map(Uri::from);
    }
    let path =
        Path { uri: exchange.uri(), displaced: exchange.is_displaced(), escape: exchange.is_escaped() };
    let target = proxy.target(path, exchange.args());
    PathAndQuery::from_maybe_shared(Bytes::from(target)).ok().map(Uri::from)
}

/// A path to be passed on.
struct Path<'a> {
    uri: &'a [u8],
    /// Rewriting has moved it, and the location's part cannot be told any more.
    displaced: bool,
    /// It is not as it came, and has to be escaped again.
    escape: bool,
}

impl Proxy {
    fn target(&self, path: Path<'_>, args: &[u8]) -> Vec<u8> {
        let replacement = self.replacement.as_deref().filter(|_| !path.displaced || self.whole);
        let mut out = replacement.unwrap_or_default().as_bytes().to_vec();
        if self.whole && replacement.is_some() {
            return out;
        }
        let rest = path.uri.get(replacement.map_or(0, |_| self.prefix)..).unwrap_or_default();
        if path.escape {
            escape_path(rest, &mut out);
        } else {
            out.extend_from_slice(rest);
        }
        if !args.is_empty() {
            out.push(b'?');
            out.extend_from_slice(args);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uri_of_proxy_pass_replaces_the_locations_part() {
        let proxy = |location: &str, replacement: Option<&str>, whole| Proxy {
            upstream: 0,
            host: String::new(),
            prefix: location.len(),
            replacement: replacement.map(str::to_owned),
            whole,
        };
        let rows = [
            (proxy("/a/", Some("/"), false), "/a/x", "", false, "/x"),
            (proxy("/a/", Some("/b/"), false), "/a/x y", "q=1", false, "/b/x%20y?q=1"),
            (proxy("/a", Some("/b"), false), "/a/x", "", false, "/b/x"),
            (proxy("/a", Some("/b"), false), "/a", "", false, "/b"),
            (proxy("/a/", Some("/"), false), "/a/?#", "", false, "/%3F%23"),
            (proxy("/a/", Some("/b/"), false), "/c/x", "q", true, "/c/x?q"),
            (proxy("/a/", None, false), "/c/x y", "", true, "/c/x%20y"),
            (proxy("", Some("/w?v"), true), "/c/x", "q", true, "/w?v"),
        ];
        for (proxy, uri, args, displaced, want) in rows {
            let path = Path { uri: uri.as_bytes(), displaced, escape: true };
            assert_eq!(
                String::from_utf8_lossy(&proxy.target(path, args.as_bytes())),
                want,
                "{proxy:?} {uri}"
            );
        }
        let raw = Path { uri: "/a/é".as_bytes(), displaced: false, escape: false };
        assert_eq!(proxy("/a/", Some("/"), false).target(raw, b""), "/é".as_bytes());
    }
}
