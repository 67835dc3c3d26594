//! What has to hold of the guard for any bytes at all. Given bytes and where they are cut, it shows them in one piece and in
//! several, and panics where that makes a difference, or where a head is not read by another parser, `httparse`, as the guard read
//! it. The tests beside it and the fuzz target (`target-stack/fuzz`) share it.

use super::{Guard, Limits, Lines, Next, Refusal};

/// What was made of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Bytes that passed.
    pub(crate) passed: usize,
    /// Heads that passed.
    pub(crate) heads: u32,
    /// What came of all bodies.
    pub(crate) content: Vec<u8>,
    pub(crate) refused: Option<Refusal>,
}

/// Shows `bytes` in pieces of the lengths `cuts`, over and over, to a guard of requests that are never given another protocol. `look`
/// sees each head, and where its parts are.
pub(crate) fn judge(
    bytes: &[u8],
    cuts: &[usize],
    limits: Limits,
    mut look: impl FnMut(&[u8], &Lines),
) -> Judged {
    let mut guard = Guard::new(limits);
    let mut cuts = cuts.iter().copied().filter(|length| *length > 0).cycle();
    let mut judged = Judged { passed: 0, heads: 0, content: Vec::new(), refused: None };
    let mut shown = 0;
    while shown < bytes.len() {
        shown = (shown + cuts.next().unwrap_or(bytes.len())).min(bytes.len());
        loop {
            let rest = &bytes[judged.passed..shown];
            judged.passed += match guard.next(rest) {
                Next::More if guard.is_paused() && !rest.is_empty() => {
                    guard.resume();
                    0
                }
                Next::More => break,
                Next::Head(length) => {
                    look(&rest[..length], guard.lines());
                    judged.heads += 1;
                    length
                }
                Next::Body { used, data } => {
                    judged.content.extend_from_slice(&rest[used - data..used]);
                    used
                }
                Next::Refused(refusal) => {
                    assert_eq!(guard.next(rest), Next::Refused(refusal), "what was refused stays so");
                    judged.refused = Some(refusal);
                    return judged;
                }
            };
        }
        let bound = limits.first + limits.number * limits.size;
        assert!(shown - judged.passed <= bound, "{} bytes are held", shown - judged.passed);
    }
    judged
}

/// Holds the guard to its laws.
pub(crate) fn hold(bytes: &[u8], cuts: &[usize], limits: Limits) {
    let whole = judge(bytes, &[], limits, read_by_another);
    assert_eq!(judge(bytes, cuts, limits, read_by_another), whole, "cut at {cuts:?}");
    assert_eq!(judge(bytes, &[1], limits, read_by_another), whole, "byte by byte");
}

/// Asserts that `head` is one whole head to another parser, with its parts at the same places, and its target one to the crate that
/// holds it.
fn read_by_another(head: &[u8], lines: &Lines) {
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(head);
    assert_eq!(parsed, Ok(httparse::Status::Complete(head.len())), "{head:?}");
    assert!(request.path.is_some_and(|path| http::Uri::try_from(path).is_ok()), "{:?}", request.path);
    assert_eq!(request.method.map(str::as_bytes), head.get(lines.method.clone()), "{head:?}");
    assert_eq!(request.path.map(str::as_bytes), head.get(lines.target.clone()), "{head:?}");
    assert_eq!(request.version, Some(u8::from(!lines.old)), "{head:?}");
    let at = |place: &std::ops::Range<u32>| head.get(place.start as usize..place.end as usize);
    let fields: Vec<_> =
        lines.fields.iter().map(|(name, value)| (at(name), at(value).map(<[u8]>::trim_ascii))).collect();
    let others: Vec<_> =
        request.headers.iter().map(|field| (Some(field.name.as_bytes()), Some(field.value))).collect();
    assert_eq!(fields, others, "{head:?}");
}
