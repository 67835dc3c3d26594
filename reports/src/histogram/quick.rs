//! The coding of a histogram read into what occurred in it, with no histogram in between: one of those is a quarter of a megabyte, and a
//! merge reads millions of codings of a few hundred values. What is not exactly as our own histograms are written is left to the reader that
//! knows all codings, and knows what to say.
//!
//! HdrHistogram's V2: a cookie and a length, deflated; in it a cookie, the payload's length, the offset, digits, lowest and highest value, the
//! ratio, and then the counts of all values in their order as ZigZag LEB128 of 64 bits in at most 9 bytes, a negative one being so many zeros.

use super::{MAX_NS, SIGNIFICANT_DIGITS};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::{Decompress, FlushDecompress, Status};
use std::cell::RefCell;

const DEFLATED: u32 = 0x1c84_9314;
const COOKIE: u32 = 0x1c84_9313;
/// Before the counts.
const HEADER: usize = 40;
/// More bytes than a histogram of ours can have are none of ours.
const MOST: usize = 1 << 19;
/// Values of one power of two that are told apart.
const HALF: usize = 1024;

/// What is used again for each.
struct Scratch {
    coded: Vec<u8>,
    plain: Vec<u8>,
    inflate: Decompress,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> =
        RefCell::new(Scratch { coded: Vec::new(), plain: vec![0; MOST], inflate: Decompress::new(true) });
}

/// The recorded values with their counts, ascending; `None` where it takes another reader to say.
pub(super) fn decode(text: &str) -> Option<Vec<(u64, u64)>> {
    SCRATCH.with_borrow_mut(|Scratch { coded, plain, inflate }| {
        coded.clear();
        STANDARD.decode_vec(text, coded).ok()?;
        let deflated = coded.get(8..)?;
        if word(coded, 0)? != DEFLATED || word(coded, 4)? as usize != deflated.len() {
            return None;
        }
        inflate.reset(true);
        if inflate.decompress(deflated, plain, FlushDecompress::Finish).ok()? != Status::StreamEnd {
            return None;
        }
        let plain = plain.get(..usize::try_from(inflate.total_out()).ok()?)?;
        counts(plain)
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn counts(plain: &[u8]) -> Option<Vec<(u64, u64)>> {
    let ours = word(plain, 0)? == COOKIE
        && word(plain, 8)? == 0
        && word(plain, 12)? == u32::from(SIGNIFICANT_DIGITS)
        && long(plain, 16)? == 1
        && long(plain, 24)? == MAX_NS
        && f64::from_bits(long(plain, 32)?) == 1.0;
    let mut rest = plain.get(HEADER..)?;
    if !ours || word(plain, 4)? as usize != rest.len() {
        return None;
    }
    let (mut found, mut index) = (Vec::new(), 0usize);
    while !rest.is_empty() {
        let number = number(&mut rest)?;
        if number < 0 {
            index = index.checked_add(usize::try_from(number.unsigned_abs()).ok()?)?;
        } else {
            if number > 0 {
                found.push((value(index)?, number.unsigned_abs()));
            }
            index += 1;
        }
    }
    Some(found)
}

/// Takes the next number.
fn number(rest: &mut &[u8]) -> Option<i64> {
    let mut bits = 0u64;
    for n in 0..9 {
        let (byte, left) = rest.split_first()?;
        *rest = left;
        // The ninth byte is taken as it is.
        let part = if n < 8 { byte & 0x7f } else { *byte };
        bits |= u64::from(part) << (7 * n);
        if n == 8 || byte & 0x80 == 0 {
            break;
        }
    }
    Some((bits >> 1) as i64 ^ -((bits & 1) as i64))
}

/// The largest value that is counted at `index`; `None` past the last one that there is.
fn value(index: usize) -> Option<u64> {
    // As many powers of two as hold the highest value, of which the first two share the first two halves.
    const POWERS: usize = (u64::BITS - MAX_NS.leading_zeros()) as usize - HALF.trailing_zeros() as usize;
    let power = (index / HALF).saturating_sub(1);
    let within = (index - HALF * power) as u64;
    (index < HALF * (POWERS + 1)).then(|| (within << power) + ((1u64 << power) - 1))
}

#[cfg(test)]
mod tests {
    use super::super::{Histogram, Sparse};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_reads_what_the_other_reader_reads(values in prop::collection::vec((0..2 * MAX_NS, 0..63u32), 0..200)) {
            let mut histogram = Histogram::default();
            // Of all sizes.
            values.iter().for_each(|(value, shift)| histogram.record(value >> (shift % 42)));
            let coded = histogram.encode().unwrap();
            prop_assert_eq!(decode(&coded), Some(Sparse::from(&histogram).recorded));
        }

        #[test]
        fn what_is_not_whole_is_left_to_the_other_reader(values in prop::collection::vec(1..MAX_NS, 1..50), cut in 1..40usize) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|value| histogram.record(*value));
            let coded = histogram.encode().unwrap();
            prop_assert_eq!(decode(&coded[..coded.len().saturating_sub(cut)]), None);
        }
    }

    #[test]
    fn other_histograms_are_left_to_the_other_reader() {
        assert_eq!(decode(&Histogram::coarse().encode().unwrap()), None);
        for text in ["", "!", "AAAA", "HISTFAAAAAB42g=="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
