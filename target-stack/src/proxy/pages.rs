//! The proxy's own answers. Given a status, it gives nginx's small page for it; given the connection counters, the
//! text of `stub_status`.

use super::counters::Counters;
use super::headers::SERVER_NAME;
use http::{HeaderValue, StatusCode};

/// nginx's status of a head past its bounds.
const HEAD_TOO_LARGE: u16 = 494;
/// nginx's status of a request that should have come by TLS.
const TO_HTTPS: u16 = 497;

/// nginx's reason phrases.
const REASONS: &[(u16, &str)] = &[
    (200, "OK"),
    (201, "Created"),
    (202, "Accepted"),
    (204, "No Content"),
    (206, "Partial Content"),
    (301, "Moved Permanently"),
    (302, "Moved Temporarily"),
    (303, "See Other"),
    (304, "Not Modified"),
    (307, "Temporary Redirect"),
    (308, "Permanent Redirect"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (402, "Payment Required"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Not Allowed"),
    (406, "Not Acceptable"),
    (408, "Request Time-out"),
    (409, "Conflict"),
    (410, "Gone"),
    (411, "Length Required"),
    (412, "Precondition Failed"),
    (413, "Request Entity Too Large"),
    (414, "Request-URI Too Large"),
    (415, "Unsupported Media Type"),
    (416, "Requested Range Not Satisfiable"),
    (421, "Misdirected Request"),
    (429, "Too Many Requests"),
    (500, "Internal Server Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Temporarily Unavailable"),
    (504, "Gateway Time-out"),
    (505, "HTTP Version Not Supported"),
    (507, "Insufficient Storage"),
];

/// The server's name without its version.
const BARE_NAME: &str = "target-stack";

/// How the server calls itself where `server_tokens` is off, or on.
pub(crate) fn server_name(versionless: bool) -> &'static str {
    if versionless { BARE_NAME } else { SERVER_NAME }
}

/// Whether a field `Server` is the server's own.
pub(crate) fn is_own_name(value: &HeaderValue) -> bool {
    value == SERVER_NAME || value == BARE_NAME
}

/// nginx's reason phrase, or none.
pub(crate) fn reason(status: StatusCode) -> &'static str {
    let status = status.as_u16();
    REASONS.iter().find(|(known, _)| *known == status).map_or("", |(_, reason)| reason)
}

/// The page of a status of 300 or more by a server of this name: nothing for one that nginx has no words for.
fn page(status: StatusCode, name: &str) -> String {
    let reason = match status {
        // Here nginx itself differs between page and status line.
        StatusCode::FOUND => "Found",
        StatusCode::UNAUTHORIZED => "Authorization Required",
        _ => reason(status),
    };
    if reason.is_empty() {
        return String::new();
    }
    let title = format!("{} {reason}", status.as_u16());
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>{name}</center>\r\n</body>\r\n</html>\r\n"
    )
}

/// The status and the page of a request that a server of this name refuses with one of nginx's statuses: its own are a 400 to the client.
pub(crate) fn refusal(status: u16, name: &str) -> (StatusCode, String) {
    let reason = match status {
        HEAD_TOO_LARGE => "Request Header Or Cookie Too Large",
        TO_HTTPS => "The plain HTTP request was sent to HTTPS port",
        _ => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            return (status, page(status, name));
        }
    };
    let center = format!("</h1></center>\r\n<center>{reason}</center>\r\n");
    let page = page(StatusCode::BAD_REQUEST, name)
        .replacen("400 Bad Request", &format!("400 {reason}"), 1)
        .replacen("</h1></center>\r\n", &center, 1);
    (StatusCode::BAD_REQUEST, page)
}

/// The text of `stub_status`. A connection on which a head comes counts as waiting.
pub(crate) fn stub_status(counters: &Counters) -> String {
    let (active, writing) = (counters.active.get(), counters.writing.get());
    format!(
        "Active connections: {active} \nserver accepts handled requests\n {} {} {} \n\
         Reading: 0 Writing: {writing} Waiting: {} \n",
        counters.accepted.get(),
        counters.handled.get(),
        counters.requests.get(),
        (active - writing).max(0),
    )
}
