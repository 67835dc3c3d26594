//! Answers of the proxy's own making: nginx's pages, the texts of `return`, and how the proxy is. Given an exchange, it gives their
//! contents; it sends nothing.

use super::answer::{Content, Source};
use super::conditional::{self, Verdict};
use super::exchange::{Exchange, Tracked};
use super::fields::Fields;
use super::headers::SERVER_NAME;
use super::route::{Next, Refusal};
use super::{files, pages};
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, SERVER};
use http::{HeaderValue, Method, StatusCode};

const HTML: HeaderValue = HeaderValue::from_static("text/html");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain");

/// nginx's page for a refusal.
pub(crate) fn page(exchange: &Exchange, refusal: Refusal) -> Content {
    let name = pages::server_name(exchange.location().settings.reply.versionless);
    let (status, page) = pages::refusal(refusal.status, name);
    let mut fields = Fields::new();
    fields.extend(refusal.field);
    if !page.is_empty() {
        fields.insert(CONTENT_TYPE, HTML);
    }
    content(status, fields, page.into_bytes())
}

/// The text of a `return`, with the type that the path's ending has.
pub(crate) fn text(exchange: &mut Exchange, status: u16, text: Vec<u8>) -> Result<Content, Next> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut fields = Fields::new();
    if status != StatusCode::NO_CONTENT {
        fields.extend(files::content_type(exchange).map(|kind| (CONTENT_TYPE, kind)));
    }
    whole(exchange, content(status, fields, text))
}

/// How the proxy is, where GET or HEAD asks.
pub(crate) fn stub_status(exchange: &mut Tracked) -> Result<Content, Next> {
    if !matches!(exchange.parts.method, Method::GET | Method::HEAD) {
        let allow = Some((ALLOW, HeaderValue::from_static("GET, HEAD")));
        return Err(Next::Refuse(Refusal { status: 405, field: allow }));
    }
    let text = pages::stub_status(&exchange.worker().counters);
    whole(exchange, content(StatusCode::OK, Fields::from_iter([(CONTENT_TYPE, PLAIN)]), text.into_bytes()))
}

/// An answer without validators may have conditions put to it, too.
fn whole(exchange: &mut Exchange, content: Content) -> Result<Content, Next> {
    if exchange.status_for(content.status) != StatusCode::OK {
        return Ok(content);
    }
    match conditional::judge(&exchange.parts.headers, None, None) {
        Verdict::Send => Ok(content),
        Verdict::Failed => Err(Next::refuse(StatusCode::PRECONDITION_FAILED)),
        Verdict::NotModified => Ok(not_modified(exchange, Fields::new())),
    }
}

/// What the client has already.
pub(crate) fn not_modified(exchange: &mut Exchange, mut fields: Fields) -> Content {
    exchange.forget_status();
    fields.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
    Content { status: StatusCode::NOT_MODIFIED, fields, source: Source::Text(None), reason: None }
}

fn content(status: StatusCode, mut fields: Fields, text: Vec<u8>) -> Content {
    fields.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
    if status != StatusCode::NO_CONTENT {
        fields.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    }
    Content { status, fields, source: Source::text(text), reason: None }
}
