//! What is kept of an answer while it comes, where anybody asks for it. Given the pieces as the reader finds them, it holds the
//! head that counts and as much of the body as is wanted, and counts the rest; its memory is bounded by what is wanted.

use crate::scenario::answer::Answered;
use crate::scenario::script::Wants;
use crate::transport::http1::Sink;
use http::HeaderMap;

/// Keeps what is wanted.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    wants: Wants,
    head: Vec<u8>,
    body: Vec<u8>,
    size: u64,
}

/// The most fields that the reader lets through.
const MAX_FIELDS: usize = 128;

impl Capture {
    /// Forgets the last answer, and keeps of the next one what `wants` says.
    pub(crate) fn begin(&mut self, wants: Wants) {
        self.wants = wants;
        self.head.clear();
        self.body.clear();
        self.size = 0;
    }

    /// Keeps a head that a client library has read.
    pub(crate) fn parsed(&mut self, fields: &HeaderMap) {
        let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
        for (name, value) in fields {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        self.head(&head);
    }

    /// What was kept, of an answer with this status.
    pub(crate) fn read<T>(&self, status: u16, with: impl FnOnce(&Answered<'_>) -> T) -> T {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        // The reader has parsed it before.
        let _ = response.parse(&self.head);
        let head: Vec<(&str, &[u8])> =
            response.headers.iter().map(|field| (field.name, field.value)).collect();
        with(&Answered {
            status,
            head: if self.wants.head { &head } else { &[] },
            body: &self.body,
            size: self.size,
            whole_body: self.size == self.body.len() as u64,
        })
    }
}

impl Sink for Capture {
    fn head(&mut self, bytes: &[u8]) {
        if self.wants.head {
            self.head.clear();
            self.head.extend_from_slice(bytes);
        }
    }

    fn body(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        let room = self.wants.body_up_to.saturating_sub(self.body.len());
        self.body.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_kept_and_the_rest_is_counted() {
        let mut capture = Capture::default();
        capture.begin(Wants { head: true, body_up_to: 5, ..Wants::default() });
        capture.head(b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n");
        capture.head(b"HTTP/1.1 200 OK\r\nC: d\r\n\r\n");
        capture.body(b"abc");
        capture.body(b"defgh");
        capture.read(200, |answered| {
            assert_eq!(answered.head, [("C", b"d".as_slice())]);
            assert_eq!((answered.body, answered.size, answered.whole_body), (b"abcde".as_slice(), 8, false));
        });
        capture.begin(Wants { body_up_to: 5, ..Wants::default() });
        capture.head(b"HTTP/1.1 200 OK\r\nC: d\r\n\r\n");
        capture.body(b"abc");
        capture.read(200, |answered| {
            assert_eq!(
                (answered.head.len(), answered.body, answered.whole_body),
                (0, b"abc".as_slice(), true)
            );
        });
    }
}
