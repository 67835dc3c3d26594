//! From what a handler found to what the visitor gets: a page for a browser, the same data as JSON for a program.
//! This is the only room that looks at `Accept` or sets the status of a page.

use super::fault::Fault;
use super::pages;
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
const NO_SNIFFING: (HeaderName, &str) = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");

/// A fault as programs read it.
#[derive(Serialize)]
struct Problem<'a> {
    error: &'a str,
}

impl Format {
    /// JSON for whoever names it and does not name HTML before it; everyone else is a browser.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match (accept.find("application/json"), accept.find("text/html")) {
            (Some(json), Some(html)) if html < json => Self::Html,
            (Some(_), _) => Self::Json,
            (None, _) => Self::Html,
        }
    }

    /// The answer to a request.
    pub(crate) fn answer<V: View>(self, found: Result<V, Fault>) -> Response {
        match (found, self) {
            (Err(fault), format) => format.sorry(&fault),
            (Ok(view), Self::Json) => (view.status(), [VARY], Json(view)).into_response(),
            (Ok(view), Self::Html) => match view.elsewhere() {
                Some(place) => (StatusCode::SEE_OTHER, [(header::LOCATION, place)], [VARY]).into_response(),
                None => {
                    let (title, main) = view.page();
                    let page = pages::layout(&title, &main);
                    (view.status(), [VARY, POLICY, NO_SNIFFING], page).into_response()
                }
            },
        }
    }

    /// The same for one visitor alone: no cache keeps it.
    pub(crate) fn answer_privately<V: View>(self, found: Result<V, Fault>) -> Response {
        let mut response = self.answer(found);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        response
    }

    /// The answer to a request that failed.
    pub(crate) fn sorry(self, fault: &Fault) -> Response {
        let status = fault.status();
        let mut response = match self {
            Self::Json => (status, [VARY], Json(Problem { error: fault.message() })).into_response(),
            Self::Html => {
                let page = pages::sorry(status, fault.message());
                (status, [VARY, POLICY, NO_SNIFFING], page).into_response()
            }
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if status == StatusCode::UNAUTHORIZED {
            // A status 401 says how to do better (RFC 9110, section 11.6.1): not by a scheme that browsers would ask for.
            let scheme = HeaderValue::from_static("Session realm=\"/login\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl<S: Sync> FromRequestParts<S> for Format {
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
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(Format::of(&headers), want, "{accept:?}");
        }
    }

    #[test]
    fn busy_says_when_to_come_back() {
        let busy = Format::Json.sorry(&Fault::Full);
        assert_eq!(busy.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(busy.headers()[header::RETRY_AFTER], "1");
        assert!(!Format::Html.sorry(&Fault::NotFound("no")).headers().contains_key(header::RETRY_AFTER));
    }

    #[test]
    fn a_page_runs_no_scripts_and_a_cache_knows_what_it_depends_on() {
        let page = Format::Html.sorry(&Fault::NotFound("no"));
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.contains("default-src 'none'") && !policy.contains("script-src"), "{policy}");
        for format in [Format::Html, Format::Json] {
            let answer = format.sorry(&Fault::SignIn("Who is there?"));
            assert_eq!(answer.headers()[header::VARY], "Accept");
            assert!(answer.headers().contains_key(header::WWW_AUTHENTICATE));
        }
    }
}
