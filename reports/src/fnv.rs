//! Text as one number, to tell whether two are the same: FNV-1a of 64 bits (Fowler, Noll, Vo: "The FNV non-cryptographic hash algorithm",
//! 2011), over what is written into it. It protects from mistakes, not from forgers.

use std::fmt::{self, Write};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// The number in hexadecimal digits, as many as there can be.
    pub fn hex(&self) -> String {
        format!("{:016x}", self.0)
    }
}

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_reference() {
        let mut fnv = Fnv::default();
        fnv.write_str("foo").unwrap();
        fnv.write_str("bar").unwrap();
        assert_eq!(fnv.hex(), "85944171f73967e8");
    }
}
