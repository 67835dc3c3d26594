//! A path as nginx reads it. Given the path of a request, it gives it with escapes decoded, runs of slashes merged and dot
//! segments resolved; what leaves the root so, or is malformed, it refuses. Nothing after it decodes a path again.

use std::borrow::Cow;

/// The path that locations are chosen by. `None` when it is malformed, has a NUL, or leaves the root.
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

#[cfg(test)]
mod tests {
    use super::super::escape_path;
    use super::*;
    use proptest::prelude::*;

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
            ("/...", Some("/...")),
            ("/a/%2e%2e/b", Some("/b")),
            ("/a%2f..%2fb", Some("/b")),
            ("/a/..%2f..%2fb", None),
            ("/%252e%252e/b", Some("/%2e%2e/b")),
            ("/a\\..\\b", Some("/a\\..\\b")),
            ("/..", None),
            ("/a/../../b", None),
            ("/%", None),
            ("/%zz", None),
            ("/%00", None),
            ("/a%00.html", None),
            ("*", None),
            ("", None),
        ];
        for (path, want) in rows {
            assert_eq!(normalise(path).as_deref(), want.map(str::as_bytes), "{path}");
        }
    }

    /// The same by another way: segment by segment, with a list for a stack.
    fn by_segments(path: &str) -> Option<Vec<u8>> {
        let decoded = decode(path.as_bytes())?;
        let mut stack: Vec<&[u8]> = Vec::new();
        let segments: Vec<&[u8]> = decoded.strip_prefix(b"/")?.split(|&b| b == b'/').collect();
        for segment in &segments {
            match *segment {
                b".." => drop(stack.pop()?),
                b"." | b"" => {}
                name => stack.push(name),
            }
        }
        let mut out: Vec<u8> = stack.iter().flat_map(|name| [b"/", *name].concat()).collect();
        if matches!(segments.last(), Some(&(b"" | b"." | b".."))) {
            out.push(b'/');
        }
        Some(out)
    }

    proptest! {
        #[test]
        fn two_ways_to_normalise_agree(path in "/([ab.]|/|\\.\\.|%2e|%2F|%41|%00|%){0,14}") {
            prop_assert_eq!(normalise(&path).map(Cow::into_owned), by_segments(&path));
        }

        #[test]
        fn a_normalised_path_stays_below_its_root(path in "/(a|\\.|/|%2[eEfF]|%5c|%c0%ae|%[0-9a-f]{2}|\u{e9}){0,20}") {
            if let Some(path) = normalise(&path) {
                prop_assert!(path.starts_with(b"/") && !path.contains(&0));
                prop_assert!(!path.windows(2).any(|pair| pair == b"//"));
                prop_assert!(path.split(|&b| b == b'/').all(|s| s != b".." && s != b"."));
            }
        }

        #[test]
        fn a_normalised_path_escaped_is_read_as_itself(path in "/([ab. ?#]|/|%2e|%25|%[0-9a-f]{2}){0,14}") {
            if let Some(path) = normalise(&path) {
                let mut escaped = Vec::new();
                escape_path(&path, &mut escaped);
                let escaped = String::from_utf8(escaped).expect("escaped text");
                prop_assert_eq!(normalise(&escaped).map(Cow::into_owned), Some(path.into_owned()));
            }
        }
    }
}
