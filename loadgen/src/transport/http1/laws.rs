//! What has to hold of the reader for any bytes at all. Given bytes and where they are cut, it reads them in one piece and in
//! several, with and without the memory of the last head, and panics where that makes a difference. The tests beside it
//! and the fuzz target (`loadgen/fuzz`) share it.

use super::{Answer, LastHead, Malformed, Reader};

/// What was made of some bytes: the answers with the places where they ended, and the end of the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Whole answers, and how many of the bytes had been read by then.
    pub(crate) answers: Vec<(Answer, usize)>,
    /// The answer whose end was the connection's, or the refusal of what followed the others.
    pub(crate) end: Result<Option<Answer>, Malformed>,
}

/// Reads `bytes` in pieces of the lengths `cuts`, over and over; `look` sees the reader after each piece.
pub(crate) fn read(
    bytes: &[u8],
    cuts: &[usize],
    to_head: bool,
    last: &mut LastHead,
    mut look: impl FnMut(&Reader),
) -> Taken {
    let (mut reader, mut answers, mut at) = (Reader::default(), Vec::new(), 0);
    let mut cuts = cuts.iter().copied().filter(|length| *length > 0).cycle();
    while at < bytes.len() {
        let end = (at + cuts.next().unwrap_or(bytes.len())).min(bytes.len());
        while at < end {
            match reader.feed(&bytes[at..end], to_head, last, &mut ()) {
                Ok(Some((answer, used))) => {
                    assert!(used <= end - at, "more was used than there was");
                    at += used;
                    answers.push((answer, at));
                }
                Ok(None) => at = end,
                Err(refused) => return Taken { answers, end: Err(refused) },
            }
        }
        look(&reader);
    }
    Taken { answers, end: Ok(reader.end()) }
}

/// Holds the reader to its laws.
pub(crate) fn hold(bytes: &[u8], cuts: &[usize], to_head: bool) {
    let read = |bytes: &[u8], cuts: &[usize], last: &mut LastHead| read(bytes, cuts, to_head, last, |_| {});
    let (mut last, mut kept) = (LastHead::default(), LastHead::default());
    let whole = read(bytes, &[], &mut last);
    assert_eq!(read(bytes, &[], &mut last), whole, "the memory of a head makes a difference");
    for cuts in [cuts, &[1]] {
        let pieces = read(bytes, cuts, &mut kept);
        assert_eq!(pieces.answers, whole.answers, "cut at {cuts:?}");
        if pieces.end == whole.end {
            continue;
        }
        // A head that is wrong is refused at once when it comes whole, and at its end when it comes in pieces.
        assert_eq!((&pieces.end, &whole.end), (&Ok(None), &Err(Malformed)), "cut at {cuts:?}");
        let ended = read(&[bytes, b"\r\n\r\n"].concat(), cuts, &mut kept);
        assert_eq!(ended.end, Err(Malformed), "cut at {cuts:?}");
    }
}
