//! The secret by which a browser is known again: random, and kept in a cookie that neither scripts nor the forms of
//! other sites get hold of. Given a request's fields it gives the secret in them, and it writes the cookie; whose it
//! is, only the database knows.

use super::fault::Fault;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use rustix::rand::{GetRandomFlags, getrandom};
use std::convert::Infallible;

/// The cookie's name.
const NAME: &str = "session";
/// 128 bits, in hexadecimal digits.
const DIGITS: usize = 32;

/// The secret of one session. It cannot be printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

/// What a browser says about itself.
pub(crate) struct Browser {
    /// The secret that it sent, if that could be one.
    pub(crate) token: Option<Token>,
    /// Whether it came over TLS, as the proxy says.
    secure: bool,
}

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) fn new() -> Result<Self, Fault> {
        Ok(Self(format!("{:032x}", u128::from_ne_bytes(random()?))))
    }

    /// The digits, for the database.
    pub(crate) fn digits(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let sound =
            text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        sound.then(|| Self(text.to_owned()))
    }
}

/// Sixteen bytes that nobody can guess.
///
/// # Errors
/// When the system has none to give.
pub(crate) fn random() -> Result<[u8; 16], Fault> {
    let mut bytes = [0; 16];
    // So few come at once or not at all (getrandom(2)).
    let got = getrandom(&mut bytes[..], GetRandomFlags::empty()).map_err(|_| Fault::Inside)?;
    if got == bytes.len() { Ok(bytes) } else { Err(Fault::Inside) }
}

/// A key for a purchase, which nobody else can think of.
///
/// # Errors
/// When the system has no randomness to give.
pub(crate) fn new_key() -> Result<String, Fault> {
    Ok(format!("{:032x}", u128::from_ne_bytes(random()?)))
}

impl Browser {
    fn of(headers: &HeaderMap) -> Self {
        let fields = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
        // Other cookies may hold any bytes, and one of this name may be somebody else's nonsense.
        let cookies = fields.flat_map(|field| field.split(|byte| *byte == b';'));
        let texts = cookies.filter_map(|cookie| std::str::from_utf8(cookie).ok()?.trim().split_once('='));
        let token = texts.filter(|(name, _)| *name == NAME).find_map(|(_, value)| Token::parse(value));
        let secure = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
        Self { token, secure }
    }

    /// The answer, with which the browser is given the secret to keep.
    pub(crate) fn give(&self, answer: Response, token: &Token, life_s: u64) -> Response {
        self.set(answer, token.digits(), life_s)
    }

    /// The answer, with which the browser forgets its secret.
    pub(crate) fn forget(&self, answer: Response) -> Response {
        self.set(answer, "", 0)
    }

    fn set(&self, mut answer: Response, value: &str, seconds: u64) -> Response {
        let secure = if self.secure { "; Secure" } else { "" };
        let cookie = format!("{NAME}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
        answer
    }
}

impl<S: Sync> FromRequestParts<S> for Browser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn browser(fields: &[(&'static str, &str)]) -> Browser {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a field"));
        }
        Browser::of(&headers)
    }

    #[test]
    fn the_secret_is_found_among_other_cookies_and_nothing_else_is_one() {
        let digits = "0123456789abcdef0123456789abcdef";
        for (cookies, want) in [
            (vec![format!("session={digits}")], true),
            (vec![format!("a=1; session={digits}; b=2")], true),
            (vec!["a=1".into(), format!("session={digits}")], true),
            (vec!["a=b\u{e9}".into(), format!("session={digits}")], true),
            (vec![format!("a=\u{e9}; session={digits}")], true),
            (vec![format!("session=; session={digits}; session=x")], true),
            (vec![format!("session={digits}; session={}", digits.replace('0', "1"))], true),
            (vec![], false),
            (vec![format!("sessions={digits}")], false),
            (vec![format!("session={}", digits.to_uppercase())], false),
            (vec![format!("session={digits}0")], false),
            (vec![format!("session={}", &digits[1..])], false),
            (vec!["session=".into()], false),
            (vec!["session='; DROP TABLE session; --......".into()], false),
        ] {
            let fields: Vec<_> = cookies.iter().map(|cookie| ("cookie", cookie.as_str())).collect();
            let token = browser(&fields).token;
            assert_eq!(token.as_ref().map(Token::digits), want.then_some(digits), "{cookies:?}");
        }
    }

    #[test]
    fn the_cookie_is_for_this_site_s_pages_alone() {
        let token = Token::new().unwrap_or_else(|_| panic!("the system has randomness"));
        for (scheme, secure) in [("http", false), ("https", true)] {
            let browser = browser(&[("x-forwarded-proto", scheme)]);
            let answer = browser.give(Response::default(), &token, 604_800);
            let cookie = answer.headers()[header::SET_COOKIE].to_str().expect("text");
            assert!(cookie.starts_with(&format!("session={}; Path=/; Max-Age=604800; ", token.digits())));
            assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax"), "{cookie}");
            assert_eq!(cookie.contains("; Secure"), secure, "{cookie}");
            let answer = browser.forget(Response::default());
            let cookie = answer.headers()[header::SET_COOKIE].to_str().expect("text");
            assert!(cookie.starts_with("session=; Path=/; Max-Age=0; HttpOnly"), "{cookie}");
        }
    }

    #[test]
    fn no_two_secrets_are_the_same_and_each_is_read_back() {
        let tokens: Vec<Token> = (0..100).filter_map(|_| Token::new().ok()).collect();
        let different: std::collections::BTreeSet<&str> = tokens.iter().map(Token::digits).collect();
        assert_eq!(different.len(), 100);
        assert!(tokens.iter().all(|token| Token::parse(token.digits()).as_ref() == Some(token)));
    }
}
