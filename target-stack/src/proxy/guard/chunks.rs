//! A chunked body (RFC 9112, section 7.1), as the guard follows it. Given its bytes, it says where the body ends, or which byte
//! is wrong. Line ends are CR LF and nothing else.

use super::Refusal;
use super::bytes::{NAME, VALUE, is, run};

/// The most bytes of extensions and trailer fields of one body.
const MOST_EXTRAS: usize = 16 << 10;
/// Hexadecimal digits of a chunk's size.
const MOST_DIGITS: u8 = 16;

#[derive(Clone, Debug, Default)]
pub(crate) struct Chunks {
    part: Part,
    /// Of the chunk: what its size line says so far, then how much of it is still to come.
    size: u64,
    digits: u8,
    /// Bytes of extensions and trailer fields so far.
    extras: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Size,
    /// White space after the digits.
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// The beginning of a line after the last chunk.
    Line,
    Name,
    Value,
    ValueLf,
    EndLf,
}

impl Chunks {
    /// Takes in `bytes` up to the end of the first run of data. Gives how many of them belong to the body and are as they should
    /// be, how many of those, the last ones, are data, and whether the body has ended.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> (usize, usize, Result<bool, Refusal>) {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if self.part == Part::Data {
                let used = usize::try_from(self.size).map_or(rest.len(), |size| size.min(rest.len()));
                self.size -= used as u64;
                if self.size == 0 {
                    self.part = Part::DataCr;
                }
                return (at + used, used, Ok(false));
            }
            let same = match self.part {
                Part::Extension | Part::Value => run(VALUE, rest),
                Part::Name => run(NAME, rest),
                _ => 0,
            }
            .min(MOST_EXTRAS - self.extras);
            self.extras += same;
            at += same;
            let Some(&byte) = rest.get(same) else { break };
            match self.turn(byte) {
                Ok(Part::EndLf) if byte == b'\n' => return (at + 1, 0, Ok(true)),
                Ok(part) => self.part = part,
                Err(refusal) => return (at, 0, Err(refusal)),
            }
            at += 1;
        }
        (at, 0, Ok(false))
    }

    /// What part `byte`, which does not belong to the part at hand, begins. The LF of the end stays in its part.
    fn turn(&mut self, byte: u8) -> Result<Part, Refusal> {
        if matches!(self.part, Part::Blank | Part::Extension | Part::Line | Part::Name | Part::Value) {
            if self.extras == MOST_EXTRAS {
                return Err(Refusal::LongChunk);
            }
            self.extras += 1;
        }
        match (self.part, byte) {
            (Part::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte),
            (Part::Size, b' ' | b'\t') if self.digits > 0 => Ok(Part::Blank),
            (Part::Size, b';') if self.digits > 0 => Ok(Part::Extension),
            (Part::Size, b'\r') if self.digits > 0 => Ok(Part::SizeLf),
            (Part::Blank, b' ' | b'\t') => Ok(Part::Blank),
            (Part::Blank, b';') => Ok(Part::Extension),
            (Part::Blank | Part::Extension, b'\r') => Ok(Part::SizeLf),
            (Part::SizeLf, b'\n') => Ok(if self.size == 0 { Part::Line } else { Part::Data }),
            (Part::DataCr, b'\r') => Ok(Part::DataLf),
            (Part::DataLf, b'\n') => {
                self.digits = 0;
                Ok(Part::Size)
            }
            (Part::Line, b'\r') => Ok(Part::EndLf),
            (Part::Line, byte) if is(NAME, byte) => Ok(Part::Name),
            (Part::Name, b':') => Ok(Part::Value),
            (Part::Value, b'\r') => Ok(Part::ValueLf),
            (Part::ValueLf, b'\n') => Ok(Part::Line),
            (Part::EndLf, b'\n') => Ok(Part::EndLf),
            _ => Err(Refusal::Chunk),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<Part, Refusal> {
        let digit = char::from(byte).to_digit(16).ok_or(Refusal::Chunk)?;
        // A size is a file's offset in nginx, and so has a sign; the digits are bounded before they overflow.
        if self.digits == MOST_DIGITS || (self.digits == MOST_DIGITS - 1 && self.size >> 59 != 0) {
            return Err(Refusal::Chunk);
        }
        self.digits += 1;
        self.size = self.size << 4 | u64::from(digit);
        Ok(Part::Size)
    }
}
