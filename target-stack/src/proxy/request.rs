//! A request's head as all behind the gate see it. Given the bytes of a whole head and where its parts are in them, it gives the parts,
//! which share those bytes. It judges nothing: the guard has.

use super::fields::Fields;
use super::guard::Lines;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri, Version};
use std::ops::Range;

/// What a request's head says.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: Fields,
}

/// A request for `/`, without fields.
impl Default for Parts {
    fn default() -> Self {
        let (method, uri, version) = (Method::GET, Uri::default(), Version::HTTP_11);
        Self { method, uri, version, headers: Fields::new() }
    }
}

/// The parts of the head in `head`, or `None` where its bytes are not what the guard takes for a head.
pub(crate) fn parts(head: &Bytes, lines: &Lines) -> Option<Parts> {
    let method = Method::from_bytes(head.get(lines.method.clone())?).ok()?;
    let uri = Uri::from_maybe_shared(head.slice(lines.target.clone())).ok()?;
    let version = if lines.old { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut headers = Fields::with_capacity(lines.fields.len());
    for (name, value) in &lines.fields {
        let name = HeaderName::from_bytes(head.get(place(name))?).ok()?;
        let value = HeaderValue::from_maybe_shared(head.slice(trimmed(head, place(value))?)).ok()?;
        headers.append(name, value);
    }
    Some(Parts { method, uri, version, headers })
}

fn place(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// `range` without the white space around it.
fn trimmed(head: &Bytes, range: Range<usize>) -> Option<Range<usize>> {
    let text = head.get(range.clone())?;
    let start = range.end - text.trim_ascii_start().len();
    Some(start..start + text.trim_ascii().len())
}

#[cfg(test)]
mod tests {
    use super::super::guard::{Guard, Limits, Next};
    use super::*;

    #[test]
    fn a_head_is_read_into_its_parts() {
        let head = Bytes::from_static(
            b"\r\nPUT http://A.test/x?y#z HTTP/1.0\r\nHOST:a\nEmpty:\r\nx: \t one \t two \t\r\nX:\xe4\r\n\r\n",
        );
        let mut guard = Guard::new(Limits::default());
        assert_eq!(guard.next(&head), Next::Head(head.len()));
        let parts = parts(&head, guard.lines()).expect("a head");
        let said = (parts.method.as_str(), parts.uri.to_string(), parts.version);
        assert_eq!(said, ("PUT", "http://A.test/x?y".to_owned(), Version::HTTP_10));
        let fields: Vec<_> =
            parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let want: [(&str, &[u8]); 4] = [("host", b"a"), ("empty", b""), ("x", b"one \t two"), ("x", b"\xe4")];
        assert_eq!(fields, want);
    }
}
