//! The coding of a histogram: how it is enclosed, and how it is read into what occurred in it, with no histogram in between: one of those is a
//! quarter of a megabyte, and a merge reads millions of codings of a few hundred values. What is not exactly as our own histograms are written
//! is left to the reader that knows all codings, and knows what to say.
//!
//! HdrHistogram's V2: a cookie and a length, and a zlib stream; in it a cookie, the payload's length, the offset, digits, lowest and highest
//! value, the ratio, and then the counts of all values in their order as ZigZag LEB128 of 64 bits in at most 9 bytes, a negative one being so
//! many zeros. Our streams are stored blocks (RFC 1951, 3.2.4), nearly always one; those of older versions are deflated.

use super::{MAX_NS, SIGNIFICANT_DIGITS};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::{Decompress, FlushDecompress, Status};
use std::cell::RefCell;

const COMPRESSED: u32 = 0x1c84_9314;
const COOKIE: u32 = 0x1c84_9313;
/// Before the counts.
const HEADER: usize = 40;
/// More bytes than a histogram of ours can have are none of ours.
const MOST: usize = 1 << 19;
/// Values of one power of two that are told apart.
pub(super) const HALF: usize = 1024;

/// The compressed form of a coding, in stored blocks.
pub(super) fn enclose(plain: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = plain.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        let length = block.len() as u16;
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(simd_adler32::adler32(&plain).to_be_bytes());
    [&COMPRESSED.to_be_bytes()[..], &(stream.len() as u32).to_be_bytes(), &stream].concat()
}

/// What is used again for each.
struct Scratch {
    coded: Vec<u8>,
    plain: Vec<u8>,
    inflate: Decompress,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> =
        RefCell::new(Scratch { coded: vec![0; MOST], plain: vec![0; MOST], inflate: Decompress::new(true) });
}

/// Puts the places of the recorded values with their counts, ascending, at the beginning of `found`, which grows as it has to, and says how
/// many there are; `None` where it takes another reader to say, such as of counts that need more than 32 bits.
pub(super) fn decode(text: &str, found: &mut Vec<(u32, u32)>) -> Option<usize> {
    SCRATCH.with_borrow_mut(|Scratch { coded, plain, inflate }| {
        let length = STANDARD.decode_slice(text, coded).ok()?;
        let stream = coded[..length].get(8..)?;
        if word(coded, 0)? != COMPRESSED || word(coded, 4)? as usize != stream.len() {
            return None;
        }
        if let Some(stored) = stored(stream) {
            return counts(stored, found);
        }
        inflate.reset(true);
        if inflate.decompress(stream, plain, FlushDecompress::Finish).ok()? != Status::StreamEnd {
            return None;
        }
        counts(plain.get(..usize::try_from(inflate.total_out()).ok()?)?, found)
    })
}

/// What a zlib stream of one stored block holds: two bytes of its own, the mark of a last block, its length and the same inverted, what it
/// holds, and the Adler-32 of that.
fn stored(stream: &[u8]) -> Option<&[u8]> {
    let (head, rest) = stream.split_at_checked(7)?;
    let (data, sum) = rest.split_at_checked(rest.len().checked_sub(4)?)?;
    let half = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let one = head[..3] == [0x78, 0x01, 1] && half(3) == !half(5) && usize::from(half(3)) == data.len();
    (one && simd_adler32::adler32(&data) == word(sum, 0)?).then_some(data)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn counts(plain: &[u8], found: &mut Vec<(u32, u32)>) -> Option<usize> {
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
    if found.len() < rest.len() {
        found.resize(rest.len(), (0, 0));
    }
    let found = found.as_mut_slice();
    let (mut filled, mut index) = (0, 0u64);
    while let Some((byte, left)) = rest.split_first() {
        // Nearly all are so small, and whether one is a count or a gap cannot be guessed: so nothing is decided here, but looked up.
        if let Some(small) = SMALL.get(usize::from(*byte)) {
            rest = left;
            found[filled] = (index as u32, small.count);
            filled += small.counts;
            index += small.steps;
            continue;
        }
        let number = number(&mut rest)?;
        let size = u32::try_from(number.unsigned_abs()).ok()?;
        if number < 0 {
            index += u64::from(size);
        } else {
            found[filled] = (index as u32, size);
            filled += usize::from(size > 0);
            index += 1;
        }
    }
    (index <= PLACES as u64).then_some(filled)
}

/// What a number of one byte says.
#[derive(Clone, Copy)]
struct Small {
    /// How many were counted, and whether that is any.
    count: u32,
    counts: usize,
    /// How many places further the next number is of.
    steps: u64,
}

static SMALL: [Small; 128] = {
    let mut all = [Small { count: 0, counts: 0, steps: 1 }; 128];
    let mut byte = 1;
    while byte < all.len() {
        let size = byte.div_ceil(2);
        all[byte] = if byte % 2 == 1 {
            Small { count: 0, counts: 0, steps: size as u64 }
        } else {
            Small { count: size as u32, counts: 1, steps: 1 }
        };
        byte += 1;
    }
    all
};

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

/// As many powers of two as hold the highest value, of which the first two share the first two halves.
const POWERS: usize = (u64::BITS - MAX_NS.leading_zeros()) as usize - HALF.trailing_zeros() as usize;
const PLACES: usize = HALF * (POWERS + 1);

/// The largest value that is counted at a place; `None` past the last one that there is.
pub(super) fn value(place: usize) -> Option<u64> {
    let power = (place / HALF).saturating_sub(1);
    let within = (place - HALF * power) as u64;
    (place < PLACES).then(|| (within << power) + ((1u64 << power) - 1))
}

#[cfg(test)]
mod tests {
    use super::super::{Histogram, Sparse};
    use super::*;
    use hdrhistogram::serialization::{Serializer, V2DeflateSerializer, V2Serializer};
    use proptest::prelude::*;

    /// As a histogram at rest has it.
    fn read(text: &str) -> Option<Sparse> {
        let mut found = Vec::new();
        let filled = decode(text, &mut found)?;
        Some(
            found
                .into_iter()
                .take(filled)
                .map(|(place, n)| (value(place as usize).unwrap(), n.into()))
                .collect(),
        )
    }

    fn deflated(histogram: &Histogram) -> String {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&histogram.inner, &mut bytes).unwrap();
        STANDARD.encode(bytes)
    }

    proptest! {
        #[test]
        fn it_reads_what_the_other_reader_reads(values in prop::collection::vec((0..2 * MAX_NS, 0..63u32), 0..200)) {
            let mut histogram = Histogram::default();
            // Of all sizes.
            values.iter().for_each(|(value, shift)| histogram.record(value >> (shift % 42)));
            let coded = histogram.encode().unwrap();
            prop_assert_eq!(&Histogram::decode(&coded).unwrap(), &histogram);
            for coded in [coded, deflated(&histogram)] {
                prop_assert_eq!(read(&coded), Some(Sparse::from(&histogram)));
            }
        }

        #[test]
        fn whatever_counts_come_it_reads_what_the_other_reader_reads(counts in prop::collection::vec(0..160u8, 0..200)) {
            let mut plain = Vec::new();
            V2Serializer::new().serialize(&Histogram::default().inner, &mut plain).unwrap();
            plain.truncate(HEADER);
            plain[4..8].copy_from_slice(&(counts.len() as u32).to_be_bytes());
            plain.extend(counts);
            let coded = STANDARD.encode(enclose(&plain));
            if let Some(found) = read(&coded) {
                prop_assert_eq!(Histogram::decode(&coded).map(|other| Sparse::from(&other)), Ok(found));
            }
        }

        #[test]
        fn what_is_not_whole_is_left_to_the_other_reader(
            values in prop::collection::vec(1..MAX_NS, 1..50),
            cut in 1..40usize,
            at in any::<prop::sample::Index>(),
            bit in 0..8u32,
        ) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|value| histogram.record(*value));
            for coded in [histogram.encode().unwrap(), deflated(&histogram)] {
                prop_assert_eq!(read(&coded[..coded.len().saturating_sub(cut)]), None);
                let mut bytes = STANDARD.decode(&coded).unwrap();
                *at.get_mut(&mut bytes) ^= 1 << bit;
                // Of the stream's own two bytes there are some that say the same.
                let read = read(&STANDARD.encode(bytes));
                prop_assert!(read.is_none() || read == Some(Sparse::from(&histogram)));
            }
        }
    }

    #[test]
    fn what_is_too_long_for_one_block_is_read() {
        let mut histogram = Histogram::default();
        // Each place so often that it takes three bytes to say.
        (0..PLACES).for_each(|place| histogram.inner.record_n(value(place).unwrap(), 10_000).unwrap());
        let coded = histogram.encode().unwrap();
        assert!(coded.len() > usize::from(u16::MAX) * 4 / 3, "{}", coded.len());
        assert_eq!(read(&coded), Some(Sparse::from(&histogram)));
        assert_eq!(Histogram::decode(&coded).unwrap(), histogram);
    }

    #[test]
    fn other_histograms_are_left_to_the_other_reader() {
        assert_eq!(read(&Histogram::coarse().encode().unwrap()), None);
        for text in ["", "!", "AAAA", "HISTFAAAAAB42g=="] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
