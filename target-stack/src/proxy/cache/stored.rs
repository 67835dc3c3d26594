//! A stored answer, ready to be sent. Given the record of an answer, it gives the head that clients get by default, so that a hit
//! copies it and changes nothing, and beside it what the configuration may want instead. It knows no request.

use super::record::{self, Fault, Head};
use crate::proxy::fields::Fields;
use crate::proxy::headers::{self, HIDDEN};
use crate::proxy::pages;
use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, SERVER};
use http::{HeaderName, HeaderValue, StatusCode};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Bodies up to this length are held in memory.
pub(crate) const SMALL: usize = 64 << 10;
/// About what a field takes beside its bytes, in each of the forms that are held.
const FIELD: usize = 120;

/// A stored answer.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) head: Head,
    pub(crate) reason: Option<Bytes>,
    /// The upstream takes requests for ranges.
    pub(crate) ranges: bool,
    pub(crate) body: Body,
    /// The fields that the client does not get by default, and which the head does not have any more.
    withheld: Vec<(HeaderName, HeaderValue)>,
}

/// Where a body is.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Memory(Bytes),
    /// In the answer's file, as long as that is the one with this stamp.
    File {
        start: u64,
        length: u64,
        stamp: Stamp,
    },
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    pub(crate) length: u64,
    modified: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(file: &Metadata) -> Self {
        Self { inode: file.ino(), length: file.len(), modified: (file.mtime(), file.mtime_nsec()) }
    }
}

impl Stored {
    /// The answer whose record begins with `record`, with a body that was checked.
    ///
    /// # Errors
    /// When the record is not a whole one.
    pub(crate) fn new(record: &Bytes, body: Body) -> Result<Self, Fault> {
        let mut head = record::read(record)?;
        let mut withheld = Vec::new();
        for name in &HIDDEN {
            withheld.extend(head.fields.get_all(name).map(|value| (name.clone(), value.clone())));
        }
        headers::for_client(&mut head.fields, &HIDDEN);
        let ranges = head.fields.remove(&ACCEPT_RANGES).is_some();
        let length = body.length();
        if head.status != StatusCode::NO_CONTENT {
            head.fields.insert(CONTENT_LENGTH, length.into());
        }
        if ranges && head.status == StatusCode::OK {
            head.fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        let reason = reason(&head);
        Ok(Self { head, reason, ranges, body, withheld })
    }

    /// The fields for a client that is not shown those in `hide`.
    pub(crate) fn fields(&self, hide: &[HeaderName]) -> Fields {
        let mut fields = self.head.fields.clone();
        if hide == HIDDEN {
            return fields;
        }
        if !hide.contains(&SERVER) && self.withheld.iter().any(|(name, _)| *name == SERVER) {
            fields.remove(&SERVER);
        }
        for (name, value) in self.withheld.iter().filter(|(name, _)| !hide.contains(name)) {
            fields.append(name.clone(), value.clone());
        }
        for name in hide.iter().filter(|name| !HIDDEN.contains(name)) {
            fields.remove(name);
        }
        fields
    }

    /// The fields as the upstream sent them.
    pub(crate) fn upstream_fields(&self) -> Fields {
        let mut fields = self.head.fields.clone();
        fields.remove(&SERVER);
        for (name, value) in &self.withheld {
            fields.append(name.clone(), value.clone());
        }
        fields
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn weight(&self) -> usize {
        let Head { key, variant, vary, fields, .. } = &self.head;
        let text: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let body = match &self.body {
            Body::Memory(body) => body.len(),
            Body::File { .. } => 0,
        };
        record::FIXED + key.len() + variant.len() + vary.len() + text + FIELD * fields.len() + body
    }
}

/// The upstream's words for the status, where they are not those that nginx has for it.
fn reason(head: &Head) -> Option<Bytes> {
    if !head.reason.is_empty() {
        let is_text = head.reason.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
        return is_text.then(|| head.reason.clone());
    }
    let usual = head.status.canonical_reason().filter(|usual| *usual != pages::reason(head.status));
    usual.map(|usual| Bytes::from_static(usual.as_bytes()))
}

impl Body {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Memory(body) => body.len() as u64,
            Self::File { length, .. } => *length,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::proxy::cache::freshness::Freshness;
    use crate::proxy::cache::record::Given;
    use http::header::{DATE, ETAG};

    /// An answer with this key, fields and body, fresh until second `until`.
    pub(crate) fn stored(key: &str, until: u64, fields: &[(HeaderName, &str)], body: &str) -> Stored {
        let fields =
            fields.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect();
        let given = Given {
            key: key.as_bytes(),
            variant: b"",
            vary: b"",
            freshness: Freshness { until, updating: 0, error: 0, born: 0 },
            status: StatusCode::OK,
            reason: b"",
            fields: &fields,
        };
        let mut record = record::begin(&given, 0);
        record::seal(&mut record, body.len() as u64, record::crc(body.as_bytes()));
        let body = Body::Memory(Bytes::copy_from_slice(body.as_bytes()));
        Stored::new(&record.freeze(), body).expect("a record")
    }

    fn shown<'a>(fields: &'a Fields, names: &[HeaderName]) -> Vec<&'a str> {
        names.iter().map(|name| fields.get(name).expect("a field").to_str().expect("text")).collect()
    }

    #[test]
    fn a_client_gets_what_is_not_hidden() {
        let fields = [(SERVER, "app"), (DATE, "x"), (ETAG, "\"a\""), (ACCEPT_RANGES, "none")];
        let stored = stored("k", 1, &fields, "hello");
        let got = stored.fields(&HIDDEN);
        assert_eq!(
            shown(&got, &[SERVER, CONTENT_LENGTH, ACCEPT_RANGES]),
            [headers::SERVER_NAME, "5", "bytes"]
        );
        assert!(got.has(&ETAG) && !got.has(&DATE));

        let got = stored.fields(&[DATE, ETAG]);
        assert_eq!(
            (got.get_all(&SERVER).count(), got.get(&SERVER).is_some_and(|server| server == "app")),
            (1, true)
        );
        assert!(!got.has(&DATE) && !got.has(&ETAG));

        let got = stored.upstream_fields();
        assert_eq!(shown(&got, &[SERVER, DATE, ETAG]), ["app", "x", "\"a\""]);
        assert!(stored.weight() > 5 + 64 && stored.weight() < 2000, "{}", stored.weight());
    }
}
