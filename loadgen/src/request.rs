//! Requests as bytes. Given what the user asked for, it encodes every request of the run before the run begins; a
//! thread then picks one by the index of its arrival. It never touches a socket.

use crate::failure::{Failure, Outcome};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Method, Uri};
use reports::random::SplitMix;

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
    pub(crate) body: Option<Bytes>,
}

/// All requests of a run, encoded, one of them for each index.
#[derive(Debug)]
pub(crate) struct Requests {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    seed: u64,
    head: bool,
    parts: Parts,
}

/// How a request names its target.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// By path and query, and the host in a field of its own: HTTP/1.1 (RFC 9112, section 3.2.1).
    Path,
    /// By scheme, authority and path, without any field that is about the connection: HTTP/2 (RFC 9113, section 8.2.2).
    Stream,
}

/// The requests as client libraries take them, in pieces that are cheap to copy.
#[derive(Debug)]
struct Parts {
    method: Method,
    paths: Vec<Uri>,
    streams: Vec<Uri>,
    fields: HeaderMap,
    stream_fields: HeaderMap,
    body: Bytes,
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
        let host = host(url)?;
        let tail = template.tail(host);
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        let mut parts = Parts::new(template, host);
        for target in targets {
            parts.add(target, url)?;
            bytes.extend_from_slice(template.method.as_str().as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(target.as_bytes());
            bytes.extend_from_slice(&tail);
            ends.push(bytes.len());
        }
        Ok(Self { bytes, ends, seed, head: template.method == Method::HEAD, parts })
    }

    /// The request of the arrival with this index: the same for any number of threads.
    pub(crate) fn pick(&self, index: u64) -> &[u8] {
        let which = self.which(index);
        let start = if which == 0 { 0 } else { self.ends[which - 1] };
        &self.bytes[start..self.ends[which]]
    }

    /// The same request, as a client library takes it.
    pub(crate) fn parts(&self, index: u64, form: Form) -> http::Request<Bytes> {
        self.nth(self.which(index), form)
    }

    /// The request with this number.
    fn nth(&self, which: usize, form: Form) -> http::Request<Bytes> {
        let parts = &self.parts;
        let (uris, fields) = match form {
            Form::Path => (&parts.paths, &parts.fields),
            Form::Stream => (&parts.streams, &parts.stream_fields),
        };
        let mut request = http::Request::new(parts.body.clone());
        request.method_mut().clone_from(&parts.method);
        request.uri_mut().clone_from(&uris[which]);
        request.headers_mut().clone_from(fields);
        request
    }

    /// The number of the request of the arrival with this index.
    fn which(&self, index: u64) -> usize {
        match self.ends.len() {
            0 | 1 => 0,
            n => {
                let random = SplitMix::new(self.seed ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15)).bits();
                // Multiply and shift (Lemire, 2019): without the bias and the cost of a remainder.
                ((u128::from(random) * n as u128) >> 64) as usize
            }
        }
    }

    /// Whether the answers have no body whatever their fields say.
    pub(crate) fn are_head(&self) -> bool {
        self.head
    }
}

impl Template {
    /// All that follows the request's target.
    fn tail(&self, host: &str) -> Vec<u8> {
        let mut tail = b" HTTP/1.1\r\n".to_vec();
        self.fields(host, |name, value| {
            tail.extend_from_slice(name.as_bytes());
            tail.extend_from_slice(b": ");
            tail.extend_from_slice(value);
            tail.extend_from_slice(b"\r\n");
        });
        tail.extend_from_slice(b"\r\n");
        tail.extend_from_slice(self.body.as_deref().unwrap_or_default());
        tail
    }

    fn gives(&self, name: &str) -> bool {
        self.headers.iter().any(|(have, _)| have.as_str() == name)
    }

    /// Gives each header field in turn. The user's own fields replace the ones that are sent by default.
    fn fields(&self, host: &str, mut field: impl FnMut(&str, &[u8])) {
        if !self.gives("host") {
            field("Host", host.as_bytes());
        }
        if !self.gives("user-agent") {
            field("User-Agent", USER_AGENT.as_bytes());
        }
        if !self.gives("accept") {
            field("Accept", b"*/*");
        }
        for (name, value) in &self.headers {
            field(name.as_str(), value.as_bytes());
        }
        let body = self.body.as_deref();
        if body.is_some() || expects_body(&self.method) {
            field("Content-Length", body.map_or(0, <[u8]>::len).to_string().as_bytes());
        }
    }
}

/// Fields about a connection, or about what HTTP/2 says otherwise.
const OF_A_CONNECTION: [HeaderName; 5] = [
    header::HOST,
    header::CONNECTION,
    header::TE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Makes a request that has only path and query, and no host unless the user gave one, one to the host of `base`.
///
/// # Errors
/// When the two make no URI.
pub(crate) fn addressed(
    request: http::Request<Bytes>,
    form: Form,
    base: &Uri,
) -> http::Result<http::Request<Bytes>> {
    let (mut head, body) = request.into_parts();
    let host = base.authority().map_or("", Authority::as_str);
    match form {
        Form::Path => {
            let host = HeaderValue::from_str(host)?;
            head.headers.entry(header::HOST).or_insert(host);
        }
        Form::Stream => {
            let given =
                head.headers.get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
            let mut uri = base.clone().into_parts();
            uri.authority = given.or(uri.authority);
            uri.path_and_query = head.uri.path_and_query().cloned();
            head.uri = Uri::from_parts(uri)?;
            OF_A_CONNECTION.iter().for_each(|name| drop(head.headers.remove(name)));
        }
    }
    Ok(http::Request::from_parts(head, body))
}

impl Parts {
    fn new(template: &Template, host: &str) -> Self {
        let mut fields = HeaderMap::new();
        template.fields(host, |name, value| {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value)) {
                fields.append(name, value);
            }
        });
        // Not by removing, which would change the order of the others.
        let stream_fields = fields.iter().filter(|(name, _)| !OF_A_CONNECTION.contains(name));
        let stream_fields = stream_fields.map(|(name, value)| (name.clone(), value.clone())).collect();
        let body = template.body.clone().unwrap_or_default();
        Self {
            method: template.method.clone(),
            paths: Vec::new(),
            streams: Vec::new(),
            fields,
            stream_fields,
            body,
        }
    }

    /// Adds a request to `target` of the host that the fields name.
    fn add(&mut self, target: &str, url: &Uri) -> Outcome {
        let wrong =
            |e: http::Error| Failure::usage(format!("`{target}` is no path that can be asked for: {e}"));
        let host = self.fields.get(header::HOST).map(HeaderValue::as_bytes).unwrap_or_default();
        // A host that is none is a user's experiment, which only a field can carry.
        let authority = Authority::try_from(host).ok().or_else(|| url.authority().cloned());
        let authority = authority.ok_or_else(|| Failure::usage(format!("{url} has no host")))?;
        let scheme = url.scheme().cloned().unwrap_or(Scheme::HTTP);
        let path = Uri::builder().path_and_query(target).build().map_err(wrong)?;
        let whole = Uri::builder().scheme(scheme).authority(authority).path_and_query(target);
        self.streams.push(whole.build().map_err(wrong)?);
        self.paths.push(path);
        Ok(())
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
    Ok((header::AUTHORIZATION, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(method: Method, headers: &[&str], body: Option<&str>) -> Template {
        let headers = headers.iter().map(|h| header(h).unwrap()).collect();
        Template { method, headers, body: body.map(|b| Bytes::copy_from_slice(b.as_bytes())) }
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
    fn the_parts_say_what_the_bytes_say() {
        let url = Uri::from_static("https://shop.test:8443/");
        let template = template(Method::POST, &["X-A: 1", "Connection: close", "Cookie: a=b"], Some("hi"));
        let requests = Requests::encode(&template, &url, ["/a?b=c", "/d"], 1).unwrap();
        for which in 0..2 {
            let parts = requests.nth(which, Form::Path);
            let mut text = format!("POST {} HTTP/1.1\r\n", parts.uri());
            for (name, value) in parts.headers() {
                text += &format!("{name}: {}\r\n", value.to_str().unwrap());
            }
            text += "\r\nhi";
            let bytes: Vec<u8> =
                (0..).find(|i| requests.which(*i) == which).map(|i| requests.pick(i).to_vec()).unwrap();
            assert_eq!(text.to_lowercase(), String::from_utf8(bytes).unwrap().to_lowercase());
        }
        let stream = requests.nth(0, Form::Stream);
        assert_eq!(stream.uri(), "https://shop.test:8443/a?b=c");
        let names: Vec<&str> = stream.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["user-agent", "accept", "x-a", "cookie", "content-length"]);
        assert_eq!(stream.body(), "hi");
    }

    #[test]
    fn in_http_2_the_users_host_is_the_authority() {
        let url = Uri::from_static("http://127.0.0.1:81/");
        let requests =
            Requests::encode(&template(Method::GET, &["Host: shop.test"], None), &url, ["/"], 1).unwrap();
        assert_eq!(requests.parts(3, Form::Stream).uri(), "http://shop.test/");
        assert_eq!(requests.parts(3, Form::Path).headers()["host"], "shop.test");
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
