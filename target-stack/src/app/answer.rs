//! From what a handler found to what the visitor gets: a page for a browser, the same data as JSON for a program.
//! This is the only room that looks at `Accept` or sets the status of a page.

use super::fault::Fault;
use super::{pages, token};
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::Markup;
use serde::Serialize;
use std::convert::Infallible;

/// Something that can be shown.
pub(crate) trait View: Serialize {
    /// The page's title, and what stands between its header and its footer.
    fn page(&self) -> (String, Markup);

    /// How it went.
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }

    /// Where a browser goes instead of being shown this, so that reloading does not do it twice.
    fn elsewhere(&self) -> Option<String> {
        None
    }
}

/// What the visitor reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Html,
    Json,
}

/// Which representation there is depends on what was asked for; a cache has to know.
const VARY: (HeaderName, &str) = (header::VARY, "Accept");
/// A page shows what its own site serves, and sends its forms there and nowhere else.
const POLICY: (HeaderName, &str) = (
    header::CONTENT_SECURITY_POLICY,
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
/// Addresses have tickets in them, which are nobody else's business.
const NO_REFERRER: (HeaderName, &str) = (header::REFERRER_POLICY, "same-origin");
const NO_SNIFFING: (HeaderName, &str) = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");

/// Who reads an answer.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) format: Format,
    /// The first name of who has signed in, for the header of a page: the cookie's word, until the database is asked.
    name: Option<String>,
}

/// A fault as programs read it, and as who writes them does.
#[derive(Serialize)]
struct Problem<'a> {
    error: &'a str,
    /// The field that is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    /// What does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

/// How welcome one representation is, and by the most specific of the ranges that it is in.
#[derive(Clone, Copy)]
struct Wish {
    quality: f32,
    /// 3 of its name, 2 of its kind, 1 of anything.
    specific: u8,
    /// Where it is named, if it is.
    place: usize,
}

impl Default for Wish {
    fn default() -> Self {
        Self { quality: 0.0, specific: 0, place: usize::MAX }
    }
}

impl Wish {
    fn take(&mut self, media: &str, (name, kind): (&str, &str), quality: f32, place: usize) {
        let specific = match media {
            _ if media.eq_ignore_ascii_case(name) => 3,
            _ if media.eq_ignore_ascii_case(kind) => 2,
            "*/*" => 1,
            _ => return,
        };
        if specific > self.specific {
            *self = Self { quality, specific, place: if specific > 1 { place } else { usize::MAX } };
        }
    }
}

impl Format {
    /// The one that is preferred (RFC 9110, section 12.5.1). Between two that are as welcome it is the one that is named first;
    /// who names neither, or has no wish, is a browser.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let (mut html, mut json) = (Wish::default(), Wish::default());
        let fields = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        for (place, range) in fields.flat_map(|field| field.split(',')).enumerate() {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let weight = parts
                .filter_map(|part| part.split_once('='))
                .find(|(name, _)| name.eq_ignore_ascii_case("q"));
            let quality = weight.map_or(Some(1.0), |(_, value)| value.trim().parse::<f32>().ok());
            let Some(quality) = quality.filter(|quality| (0.0..=1.0).contains(quality)) else { continue };
            html.take(media, ("text/html", "text/*"), quality, place);
            json.take(media, ("application/json", "application/*"), quality, place);
        }
        let preferred =
            json.quality > html.quality || (json.quality == html.quality && json.place < html.place);
        if preferred && json.quality > 0.0 { Self::Json } else { Self::Html }
    }
}

impl Reader {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let format = Format::of(headers);
        let name = if format == Format::Html { token::name_in(headers) } else { None };
        Self { format, name }
    }

    /// The database was asked who is there, and knows better than the cookie.
    pub(crate) fn meet(&mut self, name: Option<&str>) {
        self.name = name.map(str::to_owned);
    }

    /// The answer to a request.
    pub(crate) fn answer<V: View>(&self, found: Result<V, Fault>) -> Response {
        match (found, self.format) {
            (Err(fault), _) => self.sorry(&fault),
            (Ok(view), Format::Json) => (view.status(), [VARY], Json(view)).into_response(),
            (Ok(view), Format::Html) => match view.elsewhere() {
                Some(place) => (StatusCode::SEE_OTHER, [(header::LOCATION, place)], [VARY]).into_response(),
                None => self.show(view.status(), view.page()),
            },
        }
    }

    /// The same for one visitor alone: no cache keeps it.
    pub(crate) fn answer_privately<V: View>(&self, found: Result<V, Fault>) -> Response {
        private(self.answer(found))
    }

    /// The answer to a request that failed.
    pub(crate) fn sorry(&self, fault: &Fault) -> Response {
        let status = fault.status();
        let mut response = match self.format {
            Format::Json => {
                let problem =
                    Problem { error: fault.message(), field: fault.field(), detail: fault.detail() };
                (status, [VARY], Json(problem)).into_response()
            }
            Format::Html => self.show(status, pages::sorry(status, fault.message())),
        };
        if let Some(seconds) = fault.retry_after_s() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            // A status 401 says how to do better (RFC 9110, section 11.6.1): not by a scheme that browsers would ask for.
            let scheme = HeaderValue::from_static("Session realm=\"/login\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }

    /// A page; one that greets somebody is for them alone.
    fn show(&self, status: StatusCode, (title, main): (String, Markup)) -> Response {
        let page = pages::layout(&title, &main, self.name.as_deref());
        let response = (status, [VARY, POLICY, NO_SNIFFING, NO_REFERRER], page).into_response();
        if self.name.is_some() { private(response) } else { response }
    }
}

/// No cache keeps it.
fn private(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}

/// A program, or a browser that nobody is known in.
impl From<Format> for Reader {
    fn from(format: Format) -> Self {
        Self { format, name: None }
    }
}

impl<S: Sync> FromRequestParts<S> for Reader {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_pages_and_programs_get_json() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (accept, want) in [
            (None, Format::Html),
            (Some("*/*"), Format::Html),
            (Some(browser), Format::Html),
            (Some("application/json"), Format::Json),
            (Some("application/json, text/html;q=0.5"), Format::Json),
            (Some("text/html, application/json;q=0.5"), Format::Html),
            (Some("text/html;q=0.5, application/json"), Format::Json),
            (Some("text/html, application/json"), Format::Html),
            (Some("application/json, text/plain, */*"), Format::Json),
            (Some("*/*, application/json;q=0.5"), Format::Html),
            (Some("*/*;q=0.1, application/json;q=0.5"), Format::Json),
            (Some("text/html;q=0.3, */*;q=0.5"), Format::Json),
            (Some("text/html;q=0.1 | application/json;q=0.2"), Format::Json),
            (Some("application/json;q=0"), Format::Html),
            (Some("application/json;q=0, */*;q=0"), Format::Html),
            (Some("application/*"), Format::Json),
            (Some("text/*, application/*"), Format::Html),
            (Some("Application/JSON ; Q=0.9 , text/html;q=0.8"), Format::Json),
            (Some("application/json;charset=utf-8;q=0.4, text/html;q=0.5"), Format::Html),
            (Some("application/json;q=2, text/html;q=0.1"), Format::Html),
            (Some("application/jsonp, image/png"), Format::Html),
            (Some(";q=1,,="), Format::Html),
            (Some(""), Format::Html),
        ] {
            let mut headers = HeaderMap::new();
            for field in accept.into_iter().flat_map(|accept| accept.split(" | ")) {
                headers.append(header::ACCEPT, HeaderValue::from_static(field));
            }
            assert_eq!(Format::of(&headers), want, "{accept:?}");
        }
    }

    #[test]
    fn busy_says_when_to_come_back() {
        let busy = Reader::from(Format::Json).sorry(&Fault::Full);
        assert_eq!(busy.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(busy.headers()[header::RETRY_AFTER], "1");
        let often =
            Reader::from(Format::Html).sorry(&Fault::TooOften(std::time::Duration::from_millis(2_001)));
        assert_eq!(
            (often.status(), &often.headers()[header::RETRY_AFTER]),
            (StatusCode::TOO_MANY_REQUESTS, &HeaderValue::from(3))
        );
        assert!(
            !Reader::from(Format::Html)
                .sorry(&Fault::NotFound("no"))
                .headers()
                .contains_key(header::RETRY_AFTER)
        );
    }

    #[test]
    fn a_page_runs_no_scripts_and_a_cache_knows_what_it_depends_on() {
        let page = Reader::from(Format::Html).sorry(&Fault::NotFound("no"));
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.contains("default-src 'none'") && !policy.contains("script-src"), "{policy}");
        for format in [Format::Html, Format::Json] {
            let answer = Reader::from(format).sorry(&Fault::SignIn("Who is there?"));
            assert_eq!(answer.headers()[header::VARY], "Accept");
            assert!(answer.headers().contains_key(header::WWW_AUTHENTICATE));
        }
    }

    #[test]
    fn a_page_greets_who_has_signed_in_and_is_theirs_alone() {
        let cookie =
            |value: &'static str| HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(value))]);
        let named = cookie("session=0123456789abcdef0123456789abcdef.416461");
        let mut programs = named.clone();
        programs.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let fault = Fault::NotFound("no");
        for (headers, name, private) in [
            (&HeaderMap::new(), None, false),
            (&cookie("session=0123456789abcdef0123456789abcdef"), None, false),
            (&named, Some("Ada"), true),
            (&programs, None, false),
        ] {
            let reader = Reader::of(headers);
            let answer = reader.sorry(&fault);
            let kept = answer.headers().get(header::CACHE_CONTROL).is_none();
            assert_eq!((reader.name.as_deref(), !kept), (name, private), "{headers:?}");
        }
        let mut reader = Reader::of(&named);
        reader.meet(None);
        assert!(reader.name.is_none() && !reader.sorry(&fault).headers().contains_key(header::CACHE_CONTROL));
    }
}
