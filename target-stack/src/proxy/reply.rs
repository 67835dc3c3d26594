//! What the configuration adds to an answer's head: `expires` and `add_header`. Given the settings of the location that answers, it
//! changes the fields as nginx's headers filter does; it knows no body.

use super::config::{Added, Expires, ReplySettings, Span};
use super::exchange::Exchange;
use super::fields::Fields;
use super::{calendar, headers};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, ETAG, EXPIRES, LAST_MODIFIED};
use http::{HeaderName, HeaderValue, StatusCode};
use std::time::Duration;

const DAY: i64 = 86_400;

/// Whether nginx adds to answers of this status without being told `always`.
fn is_fine(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 201 | 204 | 206 | 301 | 302 | 303 | 304 | 307 | 308)
}

/// Adds to `fields`, those of the answer with `status`, at `now`, a time since 1970.
pub(crate) fn add(
    settings: &ReplySettings,
    exchange: &Exchange,
    status: StatusCode,
    fields: &mut Fields,
    now: Duration,
) {
    if is_fine(status)
        && let Some(expires) = &settings.expires
    {
        expire(expires, exchange, fields, now);
    }
    // The connection's own framing is not for the configuration to break.
    let is_framing = |name: &HeaderName| *name == CONTENT_LENGTH || headers::is_one_hop(name);
    let wanted = |added: &&Added| (added.always || is_fine(status)) && !is_framing(&added.name);
    for added in settings.added.iter().filter(wanted) {
        add_field(added, exchange, fields);
    }
}

fn add_field(added: &Added, exchange: &Exchange, fields: &mut Fields) {
    let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(added.value.render(exchange))) else { return };
    match (&added.name, value.is_empty()) {
        (&ETAG | &LAST_MODIFIED, true) => drop(fields.remove(&added.name)),
        (&ETAG | &LAST_MODIFIED, false) => drop(fields.insert(added.name.clone(), value)),
        (_, true) => {}
        (_, false) => fields.append(added.name.clone(), value),
    }
}

fn expire(expires: &Expires, exchange: &Exchange, fields: &mut Fields, now: Duration) {
    let span = match expires {
        Expires::Fixed(span) => Some(*span),
        Expires::Variable(template) => Span::parse(&String::from_utf8_lossy(&template.render(exchange))),
    };
    let modified = fields.get(&LAST_MODIFIED).and_then(|value| calendar::parse_http(value.as_bytes()));
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let Some((instant, control)) = span.and_then(|span| until(span, modified, now)) else { return };
    let mut text = Vec::new();
    calendar::http(Duration::from_secs(u64::try_from(instant).unwrap_or(0)), &mut text);
    if let (Ok(instant), Ok(control)) = (HeaderValue::from_bytes(&text), HeaderValue::try_from(control)) {
        fields.insert(EXPIRES, instant);
        fields.insert(CACHE_CONTROL, control);
    }
}

/// The instant in seconds since 1970 up to which an answer is good, and its Cache-Control.
fn until(span: Span, modified: Option<i64>, now: i64) -> Option<(i64, String)> {
    let (instant, negative) = match span {
        Span::Off => return None,
        Span::Epoch => return Some((1, "no-cache".to_owned())),
        // Thu, 31 Dec 2037 23:55:55 GMT
        Span::Max => return Some((2_145_916_555, "max-age=315360000".to_owned())),
        Span::Access(0) | Span::Modified(0) => return Some((now, "max-age=0".to_owned())),
        Span::Access(seconds) => (now.saturating_add(seconds), seconds < 0),
        Span::Modified(seconds) => (modified.unwrap_or(now).saturating_add(seconds), seconds < 0),
        Span::Daily(second) => {
            let today = now - now.rem_euclid(DAY) + second;
            (if today > now { today } else { today + DAY }, false)
        }
    };
    let age = instant.saturating_sub(now);
    Some((instant, if negative || age < 0 { "no-cache".to_owned() } else { format!("max-age={age}") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_end_where_nginx_ends_them() {
        let now = 10 * DAY + 100;
        let rows = [
            (Span::Off, None, None),
            (Span::Epoch, None, Some((1, "no-cache"))),
            (Span::Max, None, Some((2_145_916_555, "max-age=315360000"))),
            (Span::Access(0), None, Some((now, "max-age=0"))),
            (Span::Access(60), Some(5), Some((now + 60, "max-age=60"))),
            (Span::Access(-60), None, Some((now - 60, "no-cache"))),
            (Span::Modified(60), None, Some((now + 60, "max-age=60"))),
            (Span::Modified(60), Some(now - 10), Some((now + 50, "max-age=50"))),
            (Span::Modified(60), Some(0), Some((60, "no-cache"))),
            (Span::Daily(200), None, Some((now + 100, "max-age=100"))),
            (Span::Daily(50), None, Some((now - 50 + DAY, "max-age=86350"))),
        ];
        for (span, modified, want) in rows {
            let want = want.map(|(instant, control)| (instant, control.to_owned()));
            assert_eq!(until(span, modified, now), want, "{span:?}");
        }
    }
}
