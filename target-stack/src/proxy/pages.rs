//! The proxy's own answers. Given a status, it gives nginx's small page for it; given the connection counters, the
//! text of `stub_status`.

use super::counters::Counters;
use super::headers::SERVER_NAME;
use http::StatusCode;

/// nginx's status of a head past its bounds.
const HEAD_TOO_LARGE: u16 = 494;
/// nginx's status of a request that should have come by TLS.
const TO_HTTPS: u16 = 497;

/// nginx's reason phrase, where it is not the one of RFC 9110.
pub(crate) fn reason(status: StatusCode) -> Option<&'static str> {
    match status.as_u16() {
        302 => Some("Moved Temporarily"),
        413 => Some("Request Entity Too Large"),
        414 => Some("Request-URI Too Large"),
        503 => Some("Service Temporarily Unavailable"),
        504 => Some("Gateway Time-out"),
        _ => None,
    }
}

/// The page of a status of 300 or more.
pub(crate) fn page(status: StatusCode) -> String {
    let reason = match status {
        // Here nginx itself differs between page and status line.
        StatusCode::FOUND => "Found",
        _ => reason(status).or(status.canonical_reason()).unwrap_or(""),
    };
    let title = format!("{} {reason}", status.as_u16());
    let title = title.trim_end();
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>{SERVER_NAME}</center>\r\n</body>\r\n</html>\r\n"
    )
}

/// The status and the page of a request that is refused with one of nginx's statuses: its own are a 400 to the client.
pub(crate) fn refusal(status: u16) -> (StatusCode, String) {
    let reason = match status {
        HEAD_TOO_LARGE => "Request Header Or Cookie Too Large",
        TO_HTTPS => "The plain HTTP request was sent to HTTPS port",
        _ => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            return (status, page(status));
        }
    };
    let center = format!("</h1></center>\r\n<center>{reason}</center>\r\n");
    let page = page(StatusCode::BAD_REQUEST)
        .replacen("400 Bad Request", &format!("400 {reason}"), 1)
        .replacen("</h1></center>\r\n", &center, 1);
    (StatusCode::BAD_REQUEST, page)
}

/// The text of `stub_status`. hyper does not say when a head is being read: such a connection counts as waiting.
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
