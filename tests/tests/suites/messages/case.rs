//! A case: bytes that a client sends, bytes that the origin answers, and what must come of it; and the text that cases are kept in:
//!
//! ```text
//! == NAME | EXPECTATION | a word that nobody reads
//! bytes, whose line ends are not meant: \r \n \t \0 \\ \xHH and \{COUNT:text}
//! -- answer
//! bytes, after which the origin closes
//! -- client|origin has|lacks: bytes
//! ```

/// See the module.
pub(crate) struct Case {
    pub(crate) suite: &'static str,
    pub(crate) name: String,
    pub(crate) expects: Expects,
    /// The client sends no more, and says so.
    pub(crate) cut: bool,
    pub(crate) bytes: Vec<u8>,
    pub(crate) answer: Option<Vec<u8>>,
    pub(crate) rules: Vec<Rule>,
}

/// What must come of a case.
#[derive(Clone)]
pub(crate) enum Expects {
    /// So many requests reach the origin, each well formed and on a connection of its own, and as many good answers the client.
    Accept(usize),
    /// The client gets one of these statuses (any from 400 on, where none is named), or a closed connection, and the origin so many requests.
    Refuse { codes: Vec<u16>, asked: usize },
    /// One or the other: what must not be is that anything ill-formed, or anything that the proxy did not see, reaches the origin.
    Safe,
    /// An answer of the origin reaches the client in a form that can be read in one way only, or 502 does.
    Clean,
    /// The client can tell that the answer was cut short.
    Broken,
}

/// What the client got, or the origin saw, has or lacks.
pub(crate) struct Rule {
    pub(crate) of_client: bool,
    pub(crate) has: bool,
    pub(crate) text: Vec<u8>,
}

/// The cases in a text.
pub(crate) fn read(suite: &'static str, text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut answering = false;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(head) = line.strip_prefix("== ") {
            let mut parts = head.split(" |");
            let name = parts.next().unwrap().to_owned();
            let (expects, cut) = expectation(parts.next().unwrap_or_else(|| panic!("{line}")));
            answering = false;
            cases.push(Case { suite, name, expects, cut, bytes: vec![], answer: None, rules: vec![] });
            continue;
        }
        if line.is_empty() {
            continue;
        }
        let case = cases.last_mut().expect("a case");
        if line == "-- answer" {
            answering = true;
            case.answer = Some(Vec::new());
        } else if let Some(rule) = line.strip_prefix("-- ") {
            let (what, text) = rule.split_once(": ").or(rule.split_once(':')).expect("a rule");
            let (whose, has) = what.split_once(' ').expect("a rule");
            let (of_client, has) = (whose == "client", has == "has");
            case.rules.push(Rule { of_client, has, text: bytes(text) });
        } else if answering {
            case.answer.as_mut().unwrap().extend(bytes(line));
        } else {
            case.bytes.extend(bytes(line));
        }
    }
    cases
}

fn expectation(text: &str) -> (Expects, bool) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let number_after = |word: &str| {
        let at = words.iter().position(|w| *w == word)?;
        words.get(at + 1)?.parse().ok()
    };
    let expects = match words[0] {
        "accept" => Expects::Accept(number_after("accept").expect("a count")),
        "refuse" | "cut" => {
            let codes =
                words.iter().filter_map(|word| word.parse().ok()).filter(|code| *code >= 100).collect();
            Expects::Refuse { codes, asked: number_after("asked").unwrap_or(0) }
        }
        "safe" => Expects::Safe,
        "clean" => Expects::Clean,
        "broken" => Expects::Broken,
        other => panic!("{other}"),
    };
    (expects, words.contains(&"cut"))
}

fn bytes(line: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find('\\') {
        out.extend(rest[..at].bytes());
        let mark = rest.as_bytes()[at + 1];
        rest = &rest[at + 2..];
        match mark {
            b'r' => out.push(b'\r'),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'0' => out.push(0),
            b'\\' => out.push(b'\\'),
            b'x' => {
                out.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                rest = &rest[2..];
            }
            b'{' => {
                let (what, behind) = rest.split_once('}').expect("}");
                let (count, text) = what.split_once(':').expect(":");
                out.extend(text.repeat(count.parse().unwrap()).bytes());
                rest = behind;
            }
            other => panic!("\\{}", char::from(other)),
        }
    }
    out.extend(rest.bytes());
    out
}
