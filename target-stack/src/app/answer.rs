//! From what a handler found to what the visitor gets: a page for a browser, the same data as JSON for a program.
//! This is the only room that looks at `Accept` or sets the status of a page.

use super::fault::Fault;
use super::pages;
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::Markup;
use serde::Serialize;
use std::convert::Infallible;

/// Something that can be shown.
pub(crate) trait View: Serialize {
    /// The page's title, and what stands between its header and its footer.
    fn page(&self) -> (String, Markup);

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
            (Ok(view), Self::Json) => Json(view).into_response(),
            (Ok(view), Self::Html) => match view.elsewhere() {
                Some(place) => (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response(),
                None => {
                    let (title, main) = view.page();
                    pages::layout(&title, &main).into_response()
                }
            },
        }
    }

    /// The answer to a request that failed.
    pub(crate) fn sorry(self, fault: &Fault) -> Response {
        let status = fault.status();
        let mut response = match self {
            Self::Json => (status, Json(Problem { error: fault.message() })).into_response(),
            Self::Html => (status, pages::sorry(status, fault.message())).into_response(),
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
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
}
