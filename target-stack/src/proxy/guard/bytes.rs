//! Which bytes may stand where in a request. Given a class and bytes, it says how far they belong to it: one look at a
//! table for each byte. What the classes leave out is what the `http` crate refuses, or nginx does.

/// A method, as nginx reads it.
pub(super) const METHOD: u8 = 1;
/// The path of a target, with a fragment that nobody looks at.
pub(super) const PATH: u8 = 2;
/// What may follow the first `?`.
pub(super) const QUERY: u8 = 4;
/// A target of any form.
pub(super) const TARGET: u8 = 8;
/// A token (RFC 9110, section 5.6.2), which a field's name is.
pub(super) const NAME: u8 = 16;
/// A field's value, or a chunk's extension.
pub(super) const VALUE: u8 = 32;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = classes_of(byte as u8);
        byte += 1;
    }
    classes
};

const fn classes_of(byte: u8) -> u8 {
    let mut classes = 0;
    if matches!(byte, b'A'..=b'Z' | b'_' | b'-') {
        classes |= METHOD;
    }
    if matches!(byte, b'!'..=b'~' | 0x80..) {
        classes |= TARGET;
        if !matches!(byte, b'<' | b'>' | b'?' | b'`') {
            classes |= PATH;
        }
        if !matches!(byte, b'"' | b'<' | b'>') {
            classes |= QUERY;
        }
    }
    if byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+')
        || matches!(byte, b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
    {
        classes |= NAME;
    }
    if matches!(byte, b'\t' | b' '..=b'~' | 0x80..) {
        classes |= VALUE;
    }
    classes
}

/// Whether `byte` belongs to `class`.
pub(super) fn is(class: u8, byte: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// How many of the first `bytes` belong to `class`.
pub(super) fn run(class: u8, bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| !is(class, byte)).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::uri::PathAndQuery;
    use http::{HeaderName, HeaderValue, Method};

    /// The law of the table: what it lets through is understood by the crate that holds requests.
    #[test]
    fn no_class_is_wider_than_what_the_http_crate_reads() {
        for byte in 0..=u8::MAX {
            // A byte above ASCII passes here; that the whole is UTF-8 is looked at later.
            if byte.is_ascii() {
                let path = PathAndQuery::try_from(&[b'/', byte][..]).is_ok();
                assert!(!is(PATH, byte) || path, "{byte:#x} in a path");
                let query = PathAndQuery::try_from(&[b'/', b'?', byte][..]).is_ok();
                assert!(!is(QUERY, byte) || query, "{byte:#x} in a query");
            }
            assert!(!is(METHOD, byte) || Method::from_bytes(&[byte]).is_ok(), "{byte:#x} in a method");
            assert_eq!(is(NAME, byte), HeaderName::from_bytes(&[byte]).is_ok(), "{byte:#x} in a name");
            assert_eq!(is(VALUE, byte), HeaderValue::from_bytes(&[byte]).is_ok(), "{byte:#x} in a value");
        }
    }

    #[test]
    fn a_run_ends_at_the_first_other_byte() {
        for (class, bytes, want) in [(NAME, "a-b: c", 3), (VALUE, "a b\tc", 5), (METHOD, "get", 0)] {
            assert_eq!(run(class, bytes.as_bytes()), want, "{bytes}");
        }
    }
}
