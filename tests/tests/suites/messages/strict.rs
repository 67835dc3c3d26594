//! A message as RFC 9112 has it and in no other way. Given bytes, it gives the message at their beginning and all that is wrong with its
//! form; it forgives nothing, so that what two readers could read differently is seen.

/// See the module.
pub(crate) struct Message {
    /// The first line.
    pub(crate) line: String,
    /// Names in small letters.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether its end has come.
    pub(crate) whole: bool,
    pub(crate) faults: Vec<&'static str>,
}

impl Message {
    /// The status, of an answer.
    pub(crate) fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    fn values(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The first value of a field.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values(name).first().copied()
    }
}

/// What the message is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    /// An answer, behind which the connection has ended.
    Answer,
    /// The same to HEAD.
    Bodyless,
}

/// The message at the beginning of `bytes`, and its length; nothing as long as its head has no end.
pub(crate) fn read(bytes: &[u8], kind: Kind) -> Option<(Message, usize)> {
    let end = find(bytes, b"\r\n\r\n")?;
    let head = &bytes[..end];
    let mut message =
        Message { line: String::new(), fields: vec![], body: vec![], whole: true, faults: vec![] };
    for (n, line) in split(head).into_iter().enumerate() {
        let text: String = line.iter().map(|byte| char::from(*byte)).collect();
        if line.iter().any(|byte| *byte != b'\t' && byte.is_ascii_control()) {
            message.faults.push("a control byte");
        }
        if n == 0 {
            message.line = text;
            continue;
        }
        let (name, value) = text.split_once(':').unwrap_or((&text, ""));
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) || !text.contains(':') {
            message.faults.push("a line that is no field");
        }
        message.fields.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
    }
    if kind == Kind::Request && message.line.ends_with("1.1") && message.values("host").len() != 1 {
        message.faults.push("not one Host");
    }
    let used = body(&mut message, &bytes[end + 4..], kind);
    Some((message, end + 4 + used))
}

/// Reads the body, and gives its length on the connection.
fn body(message: &mut Message, rest: &[u8], kind: Kind) -> usize {
    let codings: Vec<String> =
        message.values("transfer-encoding").iter().map(|v| v.to_ascii_lowercase()).collect();
    let lengths: Vec<String> = message.values("content-length").iter().map(|v| (*v).to_owned()).collect();
    if !codings.is_empty() && !lengths.is_empty() {
        message.faults.push("a length beside a coding");
    }
    if lengths.len() > 1 || lengths.iter().any(|v| v.is_empty() || !v.bytes().all(|b| b.is_ascii_digit())) {
        message.faults.push("a length that is none");
    }
    if !codings.is_empty() && codings != ["chunked"] {
        message.faults.push("another coding than chunked");
    }
    let status = message.status();
    let none =
        kind == Kind::Bodyless || kind == Kind::Answer && (status < 200 || [204, 304].contains(&status));
    if none {
        return 0;
    }
    if !codings.is_empty() {
        return chunks(message, rest);
    }
    if let Some(length) = lengths.first() {
        let length = length.parse().unwrap_or(0);
        message.whole = rest.len() >= length;
        message.body = rest[..length.min(rest.len())].to_vec();
        return message.body.len();
    }
    if kind == Kind::Request {
        return 0;
    }
    message.body = rest.to_vec();
    rest.len()
}

fn chunks(message: &mut Message, rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(end) = find(&rest[at..], b"\r\n") {
        let line = &rest[at..at + end];
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size =
            std::str::from_utf8(&line[..digits]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let more = line[digits..].trim_ascii_start();
        let good =
            (more.is_empty() && line.len() == digits || more.starts_with(b";")) && !line.contains(&b'\r');
        let Some(size) = size.filter(|size| good && *size < 1 << 30) else {
            message.faults.push("a chunk that is none");
            break;
        };
        at += end + 2;
        if size == 0 {
            // The trailer is a head without a first line.
            if rest[at..].starts_with(b"\r\n") {
                return at + 2;
            }
            let Some(end) = find(&rest[at..], b"\r\n\r\n") else { break };
            return at + end + 4;
        }
        if rest.len() < at + size + 2 {
            message.body.extend_from_slice(&rest[at..rest.len().min(at + size)]);
            break;
        }
        message.body.extend_from_slice(&rest[at..at + size]);
        if &rest[at + size..at + size + 2] != b"\r\n" {
            message.faults.push("a chunk that is none");
            break;
        }
        at += size + 2;
    }
    message.whole = false;
    rest.len()
}

/// Where `part` begins.
pub(crate) fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// The lines, as CR LF ends them.
fn split(head: &[u8]) -> Vec<&[u8]> {
    let (mut lines, mut rest) = (Vec::new(), head);
    while let Some(at) = find(rest, b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    lines
}
