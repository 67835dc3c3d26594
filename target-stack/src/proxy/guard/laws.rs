//! What has to hold of the guard for any bytes at all. Given bytes and where they are cut, it shows them in one piece and in
//! several, and panics where that makes a difference, or where what passes would not be read by hyper's parser as the guard read
//! it. The tests beside it and the fuzz target (`target-stack/fuzz`) share it.

use super::{Guard, Limits, Refusal, Verdict};

/// What was made of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Bytes that passed.
    pub(crate) passed: usize,
    /// Heads that passed.
    pub(crate) heads: u32,
    pub(crate) refused: Option<Refusal>,
}

/// Shows `bytes` in pieces of the lengths `cuts`, over and over; `look` sees each run of bytes that passes, and how many
/// heads had passed then.
pub(crate) fn judge(
    bytes: &[u8],
    cuts: &[usize],
    limits: Limits,
    mut look: impl FnMut(&[u8], u32),
) -> Judged {
    let mut guard = Guard::new(limits);
    let mut cuts = cuts.iter().copied().filter(|length| *length > 0).cycle();
    let (mut passed, mut shown) = (0, 0);
    while shown < bytes.len() {
        shown = (shown + cuts.next().unwrap_or(bytes.len())).min(bytes.len());
        let verdict = judge_on(&mut guard, &bytes[passed..shown]);
        assert!(verdict.passed <= shown - passed, "more passed than there was");
        look(&bytes[passed..passed + verdict.passed], guard.heads());
        passed += verdict.passed;
        if verdict.refused.is_some() {
            let again = guard.judge(&bytes[passed..]);
            assert_eq!((again.passed, again.refused), (0, verdict.refused), "what was refused stays so");
            return Judged { passed, heads: guard.heads(), refused: verdict.refused };
        }
        let bound = limits.first + limits.number * limits.size;
        assert!(shown - passed <= bound, "{} bytes are held", shown - passed);
    }
    Judged { passed, heads: guard.heads(), refused: None }
}

/// What `guard` makes of `bytes` where no request that asks for another protocol gets it.
fn judge_on(guard: &mut Guard, bytes: &[u8]) -> Verdict {
    let mut passed = 0;
    loop {
        let verdict = guard.judge(&bytes[passed..]);
        passed += verdict.passed;
        if !guard.is_paused() {
            return Verdict { passed, ..verdict };
        }
        guard.resume();
    }
}

/// Holds the guard to its laws.
pub(crate) fn hold(bytes: &[u8], cuts: &[usize], limits: Limits) {
    let whole = judge(bytes, &[], limits, |_, _| {});
    assert_eq!(judge(bytes, cuts, limits, |_, _| {}), whole, "cut at {cuts:?}");
    // Byte by byte, a head passes alone.
    let mut heads = 0;
    let singly = judge(bytes, &[1], limits, |passed, now| {
        if now > heads {
            heads = now;
            read_by_hyper(passed);
        }
    });
    assert_eq!(singly, whole, "byte by byte");
}

/// Asserts that `head` is one whole head to the parser that hyper uses, and its target one to the crate that holds it.
fn read_by_hyper(head: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(head);
    assert_eq!(parsed, Ok(httparse::Status::Complete(head.len())), "{head:?}");
    assert!(request.path.is_some_and(|path| http::Uri::try_from(path).is_ok()), "{:?}", request.path);
}
