//! The places that an answer names. Given an answer's fields and the rules of `proxy_redirect`, it makes `Location` and `Refresh` name
//! what the client can reach, as nginx does; it sends nobody anywhere itself.

use super::config::{Redirect, RedirectRule};
use super::exchange::Exchange;
use super::fields::Fields;
use super::route;
use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderName, HeaderValue};

const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// Rewrites what `fields` name.
pub(crate) fn rewrite(fields: &mut Fields, redirect: &Redirect, exchange: &mut Exchange) {
    let Redirect::Rules(rules) = redirect else { return };
    if let Some(place) = fields.get(&LOCATION)
        && let Some(place) = apply(place.as_bytes(), rules, exchange)
    {
        replace(fields, LOCATION, route::absolute(exchange, &place));
    }
    if let Some(refresh) = fields.get(&REFRESH)
        && let Some(at) = url(refresh.as_bytes())
        && let Some(place) = apply(&refresh.as_bytes()[at..], rules, exchange)
    {
        let refresh = [&refresh.as_bytes()[..at], &place].concat();
        replace(fields, REFRESH, refresh);
    }
}

/// What the first rule that is for it makes of a place.
fn apply(place: &[u8], rules: &[RedirectRule], exchange: &mut Exchange) -> Option<Vec<u8>> {
    rules.iter().find_map(|rule| match rule {
        // Settled where requests are passed on, and nowhere else is there a place.
        RedirectRule::Default => None,
        RedirectRule::Beginning { from, to } => {
            let rest = place.strip_prefix(from.render(exchange).as_slice())?;
            Some([&to.render(exchange), rest].concat())
        }
        RedirectRule::Pattern { from, to } => {
            let captured = from.matches(place)?;
            exchange.capture(captured);
            Some(to.render(exchange))
        }
    })
}

/// Where the place begins that a `Refresh` names.
fn url(refresh: &[u8]) -> Option<usize> {
    const MARK: &[u8] = b"url=";
    let found = refresh.windows(MARK.len()).position(|part| part.eq_ignore_ascii_case(MARK))?;
    Some(found + MARK.len())
}

fn replace(fields: &mut Fields, name: HeaderName, value: Vec<u8>) {
    // What a variable may have brought in is no field's value, and then the server's own stays.
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) {
        fields.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_may_name_a_place() {
        for (refresh, want) in
            [("5; url=http://a/", Some(7)), ("0;URL=/x", Some(6)), ("3", None), ("", None), ("url=", Some(4))]
        {
            assert_eq!(url(refresh.as_bytes()), want, "{refresh}");
        }
    }
}
