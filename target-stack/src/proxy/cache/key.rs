//! What an answer is stored under. Given a request's cache key, it gives the digest that names the place; given the `Vary` of
//! an answer and a request's fields, it gives the text by which requests of one key differ. It knows no clock and no disk.
//! Digests only find: whoever takes a stored answer compares key and text, so that a collision is a miss.

use crate::proxy::fields::Fields;
use http::HeaderName;
use md5::{Digest as _, Md5};

/// Where an answer is kept.
pub(crate) type Digest = [u8; 16];

/// The place of a key's first answer, under the name that nginx gives its file.
pub(crate) fn digest(key: &[u8]) -> Digest {
    Md5::digest(key).into()
}

/// The place of another answer under the same key, to requests that differ from the first one's by `variant`.
pub(crate) fn variant_digest(main: &Digest, variant: &[u8]) -> Digest {
    Md5::new().chain_update(main).chain_update(variant).finalize().into()
}

/// Whether `vary` rules out every other request (RFC 9110, section 12.5.5).
pub(crate) fn is_unmatched(vary: &[u8]) -> bool {
    names(vary).any(|name| name == b"*")
}

/// What `fields` say under the names in `vary`: a line for each, the same for two requests only where the same answer may be
/// sent. Lists of codings, languages and charsets are compared without regard to blanks, as nginx compares them.
pub(crate) fn variant(vary: &[u8], fields: &Fields) -> Vec<u8> {
    let mut text = Vec::new();
    for name in names(vary) {
        text.extend(name.iter().map(u8::to_ascii_lowercase));
        if let Ok(name) = HeaderName::from_bytes(name) {
            write_values(&name, fields, &mut text);
        }
        text.extend_from_slice(b"\r\n");
    }
    text
}

/// The members of a list of names.
fn names(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| matches!(byte, b',' | b' ' | b'\t')).filter(|name| !name.is_empty())
}

/// Nothing for a field that is absent, which is not the same as one that is empty.
fn write_values(name: &HeaderName, fields: &Fields, text: &mut Vec<u8>) {
    let blanks_count = !matches!(name.as_str(), "accept-charset" | "accept-encoding" | "accept-language");
    let mut separator = b':';
    for value in fields.get_all(name) {
        if blanks_count {
            text.push(std::mem::replace(&mut separator, b','));
            text.extend_from_slice(value.as_bytes());
            continue;
        }
        if separator == b':' {
            text.push(std::mem::replace(&mut separator, b' '));
        }
        for member in names(value.as_bytes()) {
            text.extend_from_slice(member);
            text.push(b',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;
    use proptest::prelude::*;

    fn map(fields: &[(&'static str, &str)]) -> Fields {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().expect("a value"))
        };
        fields.iter().map(pair).collect()
    }

    #[test]
    fn a_place_has_the_name_that_nginx_gives_it() {
        // `printf %s KEY | md5sum`
        let hex = |digest: Digest| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(digest(b"http://u/ranged?m2")), "6139080579423a98b645b558e5304e83");
        assert_eq!(hex(digest(b"")), "d41d8cd98f00b204e9800998ecf8427e");
    }

    #[test]
    fn requests_differ_by_what_vary_names() {
        let same = [
            ("Accept-Encoding", vec![("accept-encoding", "gzip, br")], vec![("accept-encoding", "gzip,br")]),
            (
                "accept-language",
                vec![("accept-language", "de"), ("accept-language", "en")],
                vec![("accept-language", "de, en")],
            ),
            ("X-A", vec![("x-a", "1"), ("x-b", "1")], vec![("x-a", "1"), ("x-b", "2")]),
            ("X-A", vec![("x-a", "1"), ("x-a", "2")], vec![("x-a", "1,2")]),
            ("X-A, X-B", vec![("x-a", "1")], vec![("x-a", "1")]),
            ("", vec![("x-a", "1")], vec![]),
        ];
        for (vary, first, second) in same {
            let both = [first, second].map(|fields| variant(vary.as_bytes(), &map(&fields)));
            assert_eq!(both[0], both[1], "{vary}");
        }
        let different = [
            ("X-A", vec![("x-a", "1")], vec![("x-a", "2")]),
            ("X-A", vec![("x-a", "1, 2")], vec![("x-a", "1,2")]),
            ("X-A", vec![("x-a", "")], vec![]),
            ("Accept-Encoding", vec![("accept-encoding", "")], vec![]),
            ("Accept-Encoding", vec![("accept-encoding", "gzip")], vec![("accept-encoding", "br")]),
            ("X-A X-B", vec![("x-a", "1")], vec![("x-b", "1")]),
        ];
        for (vary, first, second) in different {
            let both = [first, second].map(|fields| variant(vary.as_bytes(), &map(&fields)));
            assert_ne!(both[0], both[1], "{vary}");
        }
    }

    #[test]
    fn a_star_matches_no_request() {
        for (vary, want) in [("*", true), ("Accept, *", true), ("Accept", false), ("", false), ("a*", false)]
        {
            assert_eq!(is_unmatched(vary.as_bytes()), want, "{vary}");
        }
    }

    fn fields() -> impl Strategy<Value = Fields> {
        let name = prop::sample::select(vec!["accept-encoding", "x-a", "x-b", "cookie"]);
        let value = "[ab ,:\t]{0,6}";
        prop::collection::vec((name, value), 0..5).prop_map(|fields| {
            let pairs = fields.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>();
            map(&pairs)
        })
    }

    proptest! {
        #[test]
        fn the_laws_hold(
            vary in "[ab*, -]{0,3}|((Accept-Encoding|X-a|x-B|Cookie|\\*)[, ]){0,4}",
            keys in ("[ab\r\n:]{0,4}", "[ab\r\n:]{0,4}"),
            both in (fields(), fields()),
        ) {
            laws::hold(vary.as_bytes(), (keys.0.as_bytes(), &both.0), (keys.1.as_bytes(), &both.1));
        }
    }
}
