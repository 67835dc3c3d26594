//! Conditional requests. Given the fields of a request and the validators of what would be sent, it says whether that is sent: by
//! RFC 9110, section 13, in the order and with the comparisons of nginx's (`if_modified_since exact`).

use super::calendar;
use super::fields::Fields;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use http::{HeaderName, HeaderValue};

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Send,
    /// 304: the client has it.
    NotModified,
    /// 412
    Failed,
}

/// Judges by the entity tag, and by the time of the last change in seconds since 1970, as far as there are such.
pub(crate) fn judge(request: &Fields, etag: Option<&[u8]>, modified: Option<i64>) -> Verdict {
    let since = |name| instant(request, name);
    if let Some(since) = since(&IF_UNMODIFIED_SINCE)
        && modified.is_none_or(|modified| since.is_none_or(|since| since < modified))
    {
        return Verdict::Failed;
    }
    if let Some(list) = request.get(&IF_MATCH)
        && !matches(list, etag, false)
    {
        return Verdict::Failed;
    }
    let (since, none) = (since(&IF_MODIFIED_SINCE), request.get(&IF_NONE_MATCH));
    if since.is_none() && none.is_none() {
        return Verdict::Send;
    }
    let changed = since.is_some_and(|since| modified.is_none() || since != modified);
    let other = none.is_some_and(|list| !matches(list, etag, true));
    if changed || other { Verdict::Send } else { Verdict::NotModified }
}

/// Whether `If-Range` lets a range be sent.
pub(crate) fn range_holds(request: &Fields, etag: Option<&[u8]>, modified: Option<i64>) -> bool {
    match request.get(&IF_RANGE).map(HeaderValue::as_bytes) {
        None => true,
        Some(tag) if tag.len() >= 2 && tag.ends_with(b"\"") => etag == Some(tag),
        Some(date) => modified.is_some() && calendar::parse_http(date) == modified,
    }
}

/// The instant in a field, if the field is there, and if there is an instant in it.
fn instant(request: &Fields, name: &HeaderName) -> Option<Option<i64>> {
    request.get(name).map(|value| calendar::parse_http(value.as_bytes()))
}

/// Whether `list` names the tag. Compared weakly, `W/` does not count.
fn matches(list: &HeaderValue, etag: Option<&[u8]>, weak: bool) -> bool {
    if list == "*" {
        return true;
    }
    let strip =
        |tag: &[u8]| if weak { tag.strip_prefix(b"W/").unwrap_or(tag).to_vec() } else { tag.to_vec() };
    let Some(etag) = etag.map(strip) else { return false };
    // A tag of ours has no comma in it.
    list.as_bytes().split(|&byte| byte == b',').any(|tag| strip(tag.trim_ascii()) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const MODIFIED: i64 = 784_111_777;

    fn fields(text: &str) -> Fields {
        let field = |line: &str| {
            let (name, value) = line.split_once(": ").expect("a field");
            (name.parse::<HeaderName>().expect("a name"), value.parse::<HeaderValue>().expect("a value"))
        };
        text.lines().map(field).collect()
    }

    #[test]
    fn conditions_are_judged_as_nginx_judges_them() {
        use Verdict::{Failed, NotModified, Send};
        let rows = [
            (String::new(), Send, Send),
            (format!("if-modified-since: {THEN}"), NotModified, Send),
            (format!("if-modified-since: {LATER}"), Send, Send),
            ("if-modified-since: junk".to_owned(), Send, Send),
            (format!("if-unmodified-since: {THEN}"), Send, Failed),
            (format!("if-unmodified-since: {LATER}"), Send, Failed),
            ("if-unmodified-since: Sun, 06 Nov 1994 08:49:36 GMT".to_owned(), Failed, Failed),
            ("if-unmodified-since: junk".to_owned(), Failed, Failed),
            ("if-match: *".to_owned(), Send, Send),
            ("if-match: \"a\"".to_owned(), Send, Failed),
            ("if-match: W/\"a\"".to_owned(), Failed, Failed),
            ("if-match: \"b\" , \"a\"".to_owned(), Send, Failed),
            ("if-none-match: *".to_owned(), NotModified, NotModified),
            ("if-none-match: \"b\"".to_owned(), Send, Send),
            ("if-none-match: \"b\",W/\"a\"".to_owned(), NotModified, Send),
            ("if-none-match: \"aa\"".to_owned(), Send, Send),
            (format!("if-none-match: \"a\"\nif-modified-since: {LATER}"), Send, Send),
            (format!("if-none-match: \"b\"\nif-modified-since: {THEN}"), Send, Send),
            (format!("if-none-match: \"a\"\nif-modified-since: {THEN}"), NotModified, Send),
            (format!("if-match: \"b\"\nif-modified-since: {THEN}"), Failed, Failed),
        ];
        for (given, with, without) in rows {
            let got =
                (judge(&fields(&given), Some(b"\"a\""), Some(MODIFIED)), judge(&fields(&given), None, None));
            assert_eq!(got, (with, without), "{given}");
        }
    }

    #[test]
    fn a_range_is_sent_of_what_the_client_has() {
        let rows = [
            (String::new(), true),
            ("if-range: \"a\"".to_owned(), true),
            ("if-range: \"b\"".to_owned(), false),
            ("if-range: W/\"a\"".to_owned(), false),
            (format!("if-range: {THEN}"), true),
            (format!("if-range: {LATER}"), false),
            ("if-range: junk".to_owned(), false),
        ];
        for (given, want) in rows {
            assert_eq!(range_holds(&fields(&given), Some(b"\"a\""), Some(MODIFIED)), want, "{given}");
            assert!(!range_holds(&fields(&given), None, None) || given.is_empty(), "{given}");
        }
    }
}
