//! The secret by which a browser is known again: random, and kept in a cookie that neither scripts nor the forms of
//! other sites get hold of. Given a request's fields it gives the secret in them, and it writes the cookie; whose it
//! is, only the database knows. Behind the secret stands the first name of who has signed in, for pages that greet without
//! asking the database: whoever sends another name is greeted by it, and nothing else.

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
/// The hexadecimal digits of the longest first name: 20 characters, of at most four bytes each.
const NAME_DIGITS: usize = 160;

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
        (text.len() == DIGITS && are_digits(text)).then(|| Self(text.to_owned()))
    }
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The secret in a cookie's value, and the digits of the name behind it.
fn parts(value: &str) -> (&str, &str) {
    value.split_once('.').unwrap_or((value, ""))
}

/// The values of the cookies that could have a secret in them. Other cookies may hold any bytes, and one of this name may be
/// somebody else's nonsense.
fn values(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let fields = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let cookies = fields.flat_map(|field| field.split(|byte| *byte == b';'));
    let texts = cookies.filter_map(|cookie| std::str::from_utf8(cookie).ok()?.trim().split_once('='));
    let named = texts.filter(|(name, _)| *name == NAME).map(|(_, value)| value);
    named.filter(|value| {
        let (secret, name) = parts(value);
        let sound = name.len() <= NAME_DIGITS && name.len().is_multiple_of(2) && are_digits(name);
        sound && secret.len() == DIGITS && are_digits(secret)
    })
}

/// The first name of who has signed in, by the word of the browser alone.
pub(crate) fn name_in(headers: &HeaderMap) -> Option<String> {
    let (_, digits) = parts(values(headers).next()?);
    let bytes = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok());
    let name = String::from_utf8(bytes.collect::<Option<_>>()?).ok()?;
    (!name.is_empty() && !name.chars().any(char::is_control)).then_some(name)
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
        let token = values(headers).next().and_then(|value| Token::parse(parts(value).0));
        let secure = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
        Self { token, secure }
    }

    /// The answer, with which the browser is given the secret to keep, and the first name of who has signed in.
    pub(crate) fn give(&self, answer: Response, token: &Token, name: Option<&str>, life_s: u64) -> Response {
        let digits: String = name.unwrap_or_default().bytes().map(|byte| format!("{byte:02x}")).collect();
        let dot = if digits.is_empty() { "" } else { "." };
        self.set(answer, &format!("{}{dot}{digits}", token.digits()), life_s)
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
            (vec![format!("session={digits}.416461")], true),
            (vec![format!("session={digits}.x; session={digits}")], true),
            (vec![format!("session={digits}.x")], false),
            (vec![format!("session={digits}.4164610")], false),
            (vec![format!("session={digits}.41.42")], false),
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
            let answer = browser.give(Response::default(), &token, None, 604_800);
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
    fn the_name_behind_the_secret_is_read_as_it_was_written_and_nothing_else_is_one() {
        let token = Token::new().unwrap_or_else(|_| panic!("the system has randomness"));
        let read = |value: &str| {
            let cookie = HeaderValue::try_from(format!("a=b; session={value}")).expect("a field");
            name_in(&HeaderMap::from_iter([(header::COOKIE, cookie)]))
        };
        for name in ["Ada", "Zo\u{eb}", "a;b=\"c\" \u{1f4da}", &"\u{1f4da}".repeat(20)] {
            let answer = browser(&[]).give(Response::default(), &token, Some(name), 60);
            let cookie = answer.headers()[header::SET_COOKIE].to_str().expect("text");
            let value = cookie["session=".len()..].split(';').next().expect("a value");
            assert_eq!(read(value).as_deref(), Some(name), "{cookie}");
        }
        let long = "41".repeat(81);
        for digits in ["", "4", "416", "ff", "0a", "4A", "zz", &long] {
            assert_eq!(read(&format!("{}.{digits}", token.digits())), None, "{digits}");
        }
        assert_eq!((read("x.416461"), read(token.digits())), (None, None));
    }

    #[test]
    fn no_two_secrets_are_the_same_and_each_is_read_back() {
        let tokens: Vec<Token> = (0..100).filter_map(|_| Token::new().ok()).collect();
        let different: std::collections::BTreeSet<&str> = tokens.iter().map(Token::digits).collect();
        assert_eq!(different.len(), 100);
        assert!(tokens.iter().all(|token| Token::parse(token.digits()).as_ref() == Some(token)));
    }
}
