//! How long an answer may be used. Given an upstream's answer and what the configuration says of validity, it says whether the
//! answer may be stored and until when it is fresh, by RFC 9111 as nginx reads it; given the time, whether it still is. Times
//! are whole seconds since 1970, as in nginx: an answer is fresh up to the end of its last second. It reads no clock.

use super::key;
use crate::proxy::calendar;
use crate::proxy::fields::Fields;
use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, SET_COOKIE, VARY};
use http::{HeaderName, StatusCode};

pub(crate) const X_ACCEL_EXPIRES: HeaderName = HeaderName::from_static("x-accel-expires");

/// Until when an answer may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Freshness {
    /// The last second in which it is fresh.
    pub(crate) until: u64,
    /// So many seconds longer it may be sent while it is being updated (RFC 5861: `stale-while-revalidate`).
    pub(crate) updating: u64,
    /// So many seconds longer it may be sent where no better one can be had (RFC 5861: `stale-if-error`).
    pub(crate) error: u64,
    /// The second from which on its age counts: that in which it came, less what it had been kept before (RFC 9111, section 4.2.3).
    pub(crate) born: u64,
}

impl Freshness {
    /// How many seconds old it is.
    pub(crate) fn age(&self, now: u64) -> u64 {
        now.saturating_sub(self.born)
    }

    pub(crate) fn is_fresh(&self, now: u64) -> bool {
        self.until >= now
    }

    /// Whether it may be sent while it is being updated.
    pub(crate) fn bridges_update(&self, now: u64) -> bool {
        self.until.saturating_add(self.updating) >= now
    }

    /// Whether it may be sent in place of an error.
    pub(crate) fn bridges_error(&self, now: u64) -> bool {
        self.until.saturating_add(self.error) >= now
    }
}

/// Fields of an answer that do not count: `proxy_ignore_headers`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ignored {
    pub(crate) accel_buffering: bool,
    pub(crate) accel_expires: bool,
    pub(crate) cache_control: bool,
    pub(crate) expires: bool,
    pub(crate) set_cookie: bool,
    pub(crate) vary: bool,
}

/// A `proxy_cache_valid`: the seconds for which answers of this status, or of any, are fresh where they do not say.
pub(crate) type Valid = (Option<StatusCode>, u64);

/// Until when an answer may be used that came at `now`; `None` where it must not be stored. What the answer says of itself goes
/// first: `X-Accel-Expires`, then `Cache-Control`, then `Expires`.
pub(crate) fn judge(
    status: StatusCode,
    fields: &Fields,
    ignored: Ignored,
    valid: &[Valid],
    now: u64,
) -> Option<Freshness> {
    // What was asked for in full is stored in full: nothing here makes a whole of parts.
    if matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED) {
        return None;
    }
    let varies = !ignored.vary && fields.get_all(&VARY).any(|v| key::is_unmatched(v.as_bytes()));
    if varies || (!ignored.set_cookie && fields.has(&SET_COOKIE)) {
        return None;
    }
    let age = age(fields);
    let accelerated = if ignored.accel_expires { None } else { accel_expires(fields, now) };
    let mut said = Said { until: accelerated, updating: 0, error: 0 };
    if accelerated == Some(0) {
        return None;
    }
    if !ignored.cache_control {
        for value in fields.get_all(&CACHE_CONTROL) {
            said.cache_control(value.as_bytes(), accelerated.is_some(), status, (now, age))?;
        }
    }
    if said.until.is_none() && !ignored.expires && fields.has(&EXPIRES) {
        said.until = Some(expires(fields, now, age)?);
    }
    let until = said.until.or_else(|| configured(valid, status).map(|span| now.saturating_add(span)))?;
    Some(Freshness { until, updating: said.updating, error: said.error, born: now.saturating_sub(age) })
}

/// Whether an answer to a request with credentials may be given to others (RFC 9111, section 3.5).
pub(crate) fn is_shared_despite_credentials(fields: &Fields) -> bool {
    fields.get_all(&CACHE_CONTROL).any(|value| {
        ["public", "s-maxage=", "must-revalidate"].iter().any(|word| after(value.as_bytes(), word).is_some())
    })
}

/// The span that the configuration gives answers of this status.
pub(crate) fn configured(valid: &[Valid], status: StatusCode) -> Option<u64> {
    let row = valid.iter().find(|(only, _)| only.is_none_or(|only| only == status));
    row.map(|(_, span)| *span).filter(|span| *span > 0)
}

/// The time in the field `name`, if it is one.
pub(crate) fn date(fields: &Fields, name: &HeaderName) -> Option<u64> {
    calendar::parse_http(fields.get(name)?.as_bytes()).and_then(|instant| u64::try_from(instant).ok())
}

/// How long others have kept the answer, in seconds. Of several values the first counts, and one that is none does not (RFC 9111, section 5.1).
fn age(fields: &Fields) -> u64 {
    let first = fields.get(&AGE).and_then(|value| value.to_str().ok()?.split(',').next());
    first.and_then(|text| whole(text.trim())).unwrap_or(0)
}

/// The end that `Expires` sets. It is so long after the answer's own `Date`, and the time that others have kept it is gone: the
/// upstream's clock may be fast.
fn expires(fields: &Fields, now: u64, age: u64) -> Option<u64> {
    let end = date(fields, &EXPIRES)?;
    let span = end.checked_sub(date(fields, &DATE).unwrap_or(now))?.checked_sub(age)?;
    // What is over as it comes has no second.
    Some(end.min(now.saturating_add(span))).filter(|until| *until > now)
}

/// What an answer has said of itself so far.
struct Said {
    until: Option<u64>,
    updating: u64,
    error: u64,
}

impl Said {
    /// Takes in a line of `Cache-Control`; `None` where it forbids to store. Words are looked for anywhere in it, as nginx does,
    /// so that `no-cache="Set-Cookie"` forbids, too. With `extensions`, only what RFC 5861 adds counts.
    fn cache_control(
        &mut self,
        line: &[u8],
        extensions: bool,
        status: StatusCode,
        (now, age): (u64, u64),
    ) -> Option<()> {
        if !extensions {
            if ["no-cache", "no-store", "private"].iter().any(|word| after(line, word).is_some()) {
                return None;
            }
            // Of a status that nobody has defined nothing is understood (RFC 9111, section 5.2.2.3).
            if status.canonical_reason().is_none() && after(line, "must-understand").is_some() {
                return None;
            }
            if let Some(text) = after(line, "s-maxage=").or_else(|| after(line, "max-age=")) {
                let span = seconds(text).filter(|span| *span > age)? - age;
                self.until = Some(now.saturating_add(span));
            }
        }
        if let Some(text) = after(line, "stale-while-revalidate=") {
            self.updating = seconds(text)?;
            self.error = self.updating;
        }
        if let Some(text) = after(line, "stale-if-error=") {
            self.error = seconds(text)?;
        }
        Some(())
    }
}

/// The end that `X-Accel-Expires` sets: seconds from now, or an instant after an `@`; 0 forbids to store.
fn accel_expires(fields: &Fields, now: u64) -> Option<u64> {
    let value = fields.get(&X_ACCEL_EXPIRES)?.as_bytes();
    let number = |text: &[u8]| std::str::from_utf8(text).ok().and_then(whole);
    match value.strip_prefix(b"@") {
        // An instant of 0 says nothing in nginx.
        Some(instant) => number(instant).filter(|instant| *instant > 0),
        None => number(value).map(|span| if span == 0 { 0 } else { now.saturating_add(span) }),
    }
}

fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// What follows `word` in `line`, without regard to case.
fn after<'a>(line: &'a [u8], word: &str) -> Option<&'a [u8]> {
    let at = line.windows(word.len()).position(|part| part.eq_ignore_ascii_case(word.as_bytes()))?;
    Some(&line[at + word.len()..])
}

/// The number that `text` begins with, up to a separator; `None` where something else comes before one.
fn seconds(text: &[u8]) -> Option<u64> {
    let length = text.iter().position(|byte| matches!(byte, b',' | b';' | b' ')).unwrap_or(text.len());
    let mut number = 0_u64;
    for byte in &text[..length] {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number = number.saturating_mul(10).saturating_add(digit);
    }
    Some(number)
}

#[cfg(test)]
#[path = "freshness_tests.rs"]
mod tests;
