//! What a 304 makes of the stored answer that it is about (RFC 9111, sections 3.2 and 4.3.4): as fresh as it says, with its fields in place
//! of those of the same names. Where it has nothing new to say, which is the rule, a few bytes of the file are written; otherwise
//! the answer is stored anew, from what is stored.

use super::content::Kept;
use super::disk::{self, Temporary};
use super::freshness::Freshness;
use super::key::Digest;
use super::record::{self, FIXED, Given};
use super::stored::{Body, Stamp, Stored};
use super::zone::{Zone, renewed};
use crate::proxy::config::os_error;
use crate::proxy::fields::Fields;
use crate::proxy::headers;
use bytes::BytesMut;
use http::HeaderName;
use http::header::{AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, SET_COOKIE, VARY};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// What stays as it was: what says which body is stored, how it is to be read, and for whom it is. `Date` and `Age` are in the freshness.
const KEPT: [HeaderName; 9] = [
    ETAG,
    HeaderName::from_static("content-md5"),
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    CONTENT_RANGE,
    VARY,
    SET_COOKIE,
    DATE,
    AGE,
];
/// Copied at once.
const BLOCK: usize = 128 << 10;

/// Renews the answer at `digest` by the 304 with the fields `said`, and gives what there is to send.
pub(super) async fn renew(
    zone: &Arc<Zone>,
    digest: Digest,
    kept: Kept,
    said: &Fields,
    freshness: Freshness,
) -> Kept {
    let Some(fields) = amended(&kept.stored, said) else {
        zone.renew(digest, Arc::clone(&kept.stored), freshness).await;
        let stored = renewed(&kept.stored, freshness, None);
        return Kept { stored, file: kept.file };
    };
    let head = &kept.stored.head;
    let given = Given {
        key: &head.key,
        variant: &head.variant,
        vary: &head.vary,
        freshness,
        status: head.status,
        reason: &head.reason,
        fields: &fields,
    };
    let mut record = record::begin(&given, 0);
    match &kept.stored.body {
        Body::Memory(body) => {
            let length = record.len();
            record::seal(&mut record, body.len() as u64, record::crc(body));
            let sent = Stored::new(&record.clone().freeze(), kept.stored.body.clone());
            record.extend_from_slice(body);
            zone.store(digest, record.freeze(), length);
            sent.map_or(kept, |sent| Kept { stored: Arc::new(sent), file: None })
        }
        Body::File { length, stamp, .. } => {
            let (length, stamp) = (*length, *stamp);
            let from = Arc::clone(zone);
            let copying = spawn_blocking(move || (copy(&from, &digest, stamp, &mut record, length), record));
            let Ok((copied, record)) = copying.await else { return kept };
            let head = record.freeze();
            let sent = Stored::new(&head, kept.stored.body.clone());
            match copied {
                Ok(Some(stamp)) => zone.store_large(digest, &head, length, stamp),
                // Another one is there by now.
                Ok(None) => {}
                Err(error) => zone.not_written(&digest, &os_error(&error)),
            }
            match sent {
                Ok(sent) => Kept { stored: Arc::new(sent), file: kept.file },
                Err(_) => kept,
            }
        }
    }
}

/// The fields of the answer with those that the 304 has in their places; `None` where that changes nothing.
fn amended(stored: &Stored, said: &Fields) -> Option<Fields> {
    let mut said = said.clone();
    headers::strip_one_hop(&mut said);
    for name in &KEPT {
        said.remove(name);
    }
    let mut fields = stored.upstream_fields();
    let mut changed = false;
    for name in said.keys() {
        if fields.get_all(name).eq(said.get_all(name)) {
            continue;
        }
        changed = true;
        fields.remove(name);
        for value in said.get_all(name) {
            fields.append(name.clone(), value.clone());
        }
    }
    changed.then_some(fields)
}

/// Puts a file in place of that of `digest`, if that has this stamp still: with the head that is `record`, which is sealed, and the same body.
fn copy(
    zone: &Zone,
    digest: &Digest,
    stamp: Stamp,
    record: &mut BytesMut,
    length: u64,
) -> io::Result<Option<Stamp>> {
    let Some(file) = disk::open(&zone.place().path(digest), stamp)? else { return Ok(None) };
    let mut fixed = [0; FIXED];
    file.read_exact_at(&mut fixed, 0)?;
    let Ok(before) = record::measure(&fixed) else { return Ok(None) };
    record::seal(record, length, before.body_crc);
    let mut target = Temporary::create(zone.place(), digest)?;
    target.append(record)?;
    append_rest(&mut target, &file, before.head as u64)?;
    target.place(zone.place(), digest, &record[..FIXED]).map(Some)
}

/// Appends what `file` has from `at` on.
fn append_rest(target: &mut Temporary, file: &File, mut at: u64) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        let count = file.read_at(&mut block, at)?;
        if count == 0 {
            return Ok(());
        }
        target.append(&block[..count])?;
        at += count as u64;
    }
}
