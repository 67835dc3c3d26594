//! Requests as bytes. Given what the user asked for, it encodes every request of the run before the run begins; a
//! thread then picks one by the index of its arrival. It never touches a socket.

use crate::failure::{Failure, Outcome};
use crate::schedule::SplitMix;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Method, Uri};

/// Who asks, unless the user says otherwise.
pub(crate) const USER_AGENT: &str = concat!("loadgen/", env!("CARGO_PKG_VERSION"));

/// What all requests of a run have in common.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    /// The method.
    pub(crate) method: Method,
    /// The fields that the user gave, in order.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The body, if one is sent.
    pub(crate) body: Option<Vec<u8>>,
}

/// All requests of a run, encoded, one of them for each index.
#[derive(Debug)]
pub(crate) struct Requests {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    seed: u64,
    head: bool,
}

impl Requests {
    /// Encodes one request per target in `targets`: paths with their queries, on the host that `url` names.
    ///
    /// # Errors
    /// When `url` has no host.
    pub(crate) fn encode<'a>(
        template: &Template,
        url: &Uri,
        targets: impl IntoIterator<Item = &'a str>,
        seed: u64,
    ) -> Outcome<Self> {
        let tail = template.tail(host(url)?);
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for target in targets {
            bytes.extend_from_slice(template.method.as_str().as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(target.as_bytes());
            bytes.extend_from_slice(&tail);
            ends.push(bytes.len());
        }
        Ok(Self { bytes, ends, seed, head: template.method == Method::HEAD })
    }

    /// The request of the arrival with this index: the same for any number of threads.
    pub(crate) fn pick(&self, index: u64) -> &[u8] {
        let which = match self.ends.len() {
            0 | 1 => 0,
            n => {
                let random = SplitMix::new(self.seed ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15)).next();
                // Multiply and shift (Lemire, 2019): without the bias and the cost of a remainder.
                ((u128::from(random) * n as u128) >> 64) as usize
            }
        };
        let start = if which == 0 { 0 } else { self.ends[which - 1] };
        &self.bytes[start..self.ends[which]]
    }

    /// Whether the answers have no body whatever their fields say.
    pub(crate) fn are_head(&self) -> bool {
        self.head
    }
}

impl Template {
    /// All that follows the request's target. The user's own fields replace the ones that are sent by default.
    fn tail(&self, host: &str) -> Vec<u8> {
        let mut tail = b" HTTP/1.1\r\n".to_vec();
        let mut field = |name: &str, value: &[u8]| {
            tail.extend_from_slice(name.as_bytes());
            tail.extend_from_slice(b": ");
            tail.extend_from_slice(value);
            tail.extend_from_slice(b"\r\n");
        };
        let given = |name: &str| self.headers.iter().any(|(have, _)| have.as_str() == name);
        if !given("host") {
            field("Host", host.as_bytes());
        }
        if !given("user-agent") {
            field("User-Agent", USER_AGENT.as_bytes());
        }
        if !given("accept") {
            field("Accept", b"*/*");
        }
        for (name, value) in &self.headers {
            field(name.as_str(), value.as_bytes());
        }
        let body = self.body.as_deref();
        if body.is_some() || expects_body(&self.method) {
            field("Content-Length", body.map_or(0, <[u8]>::len).to_string().as_bytes());
        }
        tail.extend_from_slice(b"\r\n");
        tail.extend_from_slice(body.unwrap_or_default());
        tail
    }
}

/// The host that a URL names, as `Host` wants it.
///
/// # Errors
/// When it names none.
pub(crate) fn host(url: &Uri) -> Outcome<&str> {
    let host = url.authority().ok_or_else(|| Failure::usage(format!("{url} has no host")))?.as_str();
    Ok(host.rsplit_once('@').map_or(host, |(_, host)| host))
}

/// Whether a method gives a meaning to content: then a request says the length even of none (RFC 9110, section 8.6).
pub(crate) fn expects_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Reads `Name: value` as curl's `-H` does.
///
/// # Errors
/// When it is no header field, or one that only the generator itself can get right.
pub(crate) fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) =
        text.split_once(':').ok_or_else(|| format!("`{text}` is no header; write 'Name: value'"))?;
    let name = field_name(name.trim())?;
    let value = HeaderValue::from_str(value.trim())
        .map_err(|_| format!("the value of `{name}` has characters that a header cannot carry"))?;
    Ok((name, value))
}

/// Reads the name of a header field.
///
/// # Errors
/// When it is none, or one that only the generator itself can get right.
pub(crate) fn field_name(text: &str) -> Result<HeaderName, String> {
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| format!("`{text}` is no header name"))?;
    if matches!(name.as_str(), "content-length" | "transfer-encoding" | "upgrade" | "expect") {
        return Err(format!("`{name}` is set by the generator itself"));
    }
    Ok(name)
}

/// The field that `--basic-auth USER:PASSWORD` stands for (RFC 7617).
pub(crate) fn basic_auth(credentials: &str) -> Result<(HeaderName, HeaderValue), String> {
    if !credentials.contains(':') {
        return Err(String::from("credentials are written USER:PASSWORD"));
    }
    let value = format!("Basic {}", STANDARD.encode(credentials));
    let value = HeaderValue::from_str(&value).map_err(|e| e.to_string())?;
    Ok((http::header::AUTHORIZATION, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(method: Method, headers: &[&str], body: Option<&str>) -> Template {
        let headers = headers.iter().map(|h| header(h).unwrap()).collect();
        Template { method, headers, body: body.map(|b| b.as_bytes().to_vec()) }
    }

    fn encoded(template: &Template) -> String {
        let url = Uri::from_static("http://shop.test:8080/a?b=c");
        let requests = Requests::encode(template, &url, ["/a?b=c"], 1).unwrap();
        String::from_utf8(requests.pick(7).to_vec()).unwrap()
    }

    #[test]
    fn a_plain_request() {
        let agent = concat!("loadgen/", env!("CARGO_PKG_VERSION"));
        assert_eq!(
            encoded(&template(Method::GET, &[], None)),
            format!(
                "GET /a?b=c HTTP/1.1\r\nHost: shop.test:8080\r\nUser-Agent: {agent}\r\nAccept: */*\r\n\r\n"
            )
        );
    }

    #[test]
    fn the_users_fields_replace_the_default_ones() {
        let text =
            encoded(&template(Method::POST, &["Host: x", "accept: text/html", "User-Agent: me"], Some("hi")));
        assert_eq!(
            text,
            "POST /a?b=c HTTP/1.1\r\nhost: x\r\naccept: text/html\r\nuser-agent: me\r\nContent-Length: 2\r\n\r\nhi"
        );
        assert!(encoded(&template(Method::PUT, &[], None)).contains("Content-Length: 0\r\n\r\n"));
    }

    #[test]
    fn what_would_break_the_framing_is_refused() {
        for text in ["x", "a b: c", ": c", "x: a\r\ny: b", "Content-Length: 3", "Transfer-Encoding: chunked"]
        {
            assert!(header(text).is_err(), "{text}");
        }
    }

    #[test]
    fn basic_auth_is_rfc_7617() {
        let (name, value) = basic_auth("Aladdin:open sesame").unwrap();
        assert_eq!(
            (name.as_str(), value.to_str().unwrap()),
            ("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
        );
    }

    #[test]
    fn picks_are_spread_over_all_requests_and_depend_on_seed_and_index_only() {
        let url = Uri::from_static("http://h/");
        let targets: Vec<String> = (0..100).map(|i| format!("/{i}")).collect();
        let targets = || targets.iter().map(String::as_str);
        let plain = template(Method::GET, &[], None);
        let (one, two) =
            (Requests::encode(&plain, &url, targets(), 1), Requests::encode(&plain, &url, targets(), 2));
        let (one, two) = (one.unwrap(), two.unwrap());
        let mut seen = std::collections::HashMap::<&[u8], u32>::new();
        for index in 0..10_000 {
            *seen.entry(one.pick(index)).or_default() += 1;
        }
        assert_eq!(seen.len(), 100);
        assert!(seen.values().all(|n| (50..200).contains(n)), "{seen:?}");
        assert!((0..100).any(|index| one.pick(index) != two.pick(index)));
    }
}
