//! The numbers that open something: a cart, an order. Whoever has one may look, so it has a secret in it: `7-5e0c...`. The
//! number before the dash counts up and finds the row by its key; the 64 bits behind it are random, and stand in the row
//! too. Given text it gives both, and the text again; it opens nothing itself.

use super::fault::Fault;
use super::token;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The secret's hexadecimal digits.
const DIGITS: usize = 16;

/// A row's number, and its secret. Without one it is a row of the seed's, which are open to all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) id: u64,
    pub(crate) secret: u64,
}

/// A secret for a new row.
///
/// # Errors
/// When the system has no randomness to give.
pub(crate) fn new_secret() -> Result<u64, Fault> {
    let bytes = u128::from_ne_bytes(token::random()?);
    // None is zero, which is no secret.
    Ok(u64::try_from(bytes >> 64).unwrap_or_default().max(1))
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.secret {
            0 => write!(f, "{}", self.id),
            secret => write!(f, "{}-{secret:0DIGITS$x}", self.id),
        }
    }
}

impl FromStr for Ticket {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, secret) = match text.split_once('-') {
            None => (text, 0),
            Some((id, digits)) => {
                let sound = digits.len() == DIGITS
                    && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                let secret = u64::from_str_radix(digits, 16).ok().filter(|secret| sound && *secret != 0);
                (id, secret.ok_or("this is no number of a cart or an order")?)
            }
        };
        let id = Some(id).filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()));
        let id = id.and_then(|id| id.parse().ok()).ok_or("this is no number of a cart or an order")?;
        Ok(Self { id, secret })
    }
}

impl Serialize for Ticket {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ticket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_read_as_it_is_written_and_nothing_else_is_one() {
        for (text, want) in [
            ("7", Some((7, 0))),
            ("7-00000000000000ff", Some((7, 255))),
            ("18446744073709551615-ffffffffffffffff", Some((u64::MAX, u64::MAX))),
            ("", None),
            ("-", None),
            ("-00000000000000ff", None),
            ("+7", None),
            ("7-", None),
            ("7-ff", None),
            ("7-00000000000000FF", None),
            ("7-0000000000000000", None),
            ("7-000000000000000g", None),
            ("7-+0000000000000ff", None),
            ("7-00000000000000ff ", None),
            ("7-00000000000000ff-1", None),
            ("18446744073709551616", None),
            ("7' OR '1'='1", None),
            ("\u{663}", None),
        ] {
            let ticket: Option<Ticket> = text.parse().ok();
            assert_eq!(ticket.map(|ticket| (ticket.id, ticket.secret)), want, "{text}");
            assert_eq!(ticket.map(|ticket| ticket.to_string()), want.map(|_| text.to_owned()), "{text}");
        }
    }

    #[test]
    fn every_new_row_has_a_secret_of_its_own() {
        let secrets: std::collections::BTreeSet<u64> = (0..100).filter_map(|_| new_secret().ok()).collect();
        assert!(secrets.len() == 100 && !secrets.contains(&0));
    }
}
