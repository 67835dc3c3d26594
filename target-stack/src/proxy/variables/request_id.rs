//! `$request_id`: 128 bits in hexadecimal that no two requests share. They follow from a secret of the process and from which
//! request on which connection it is, so that a request has one id however often it is asked for, and keeps none.

use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::sync::LazyLock;

/// The standard library's keys are the system's randomness.
static SECRETS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);

/// Writes the id of the `nth` request on this connection.
pub(super) fn write(connection: u64, nth: u32, out: &mut Vec<u8>) {
    for secret in SECRETS.iter() {
        // Writing to a vector cannot fail.
        let _ = write!(out, "{:016x}", secret.hash_one((connection, nth)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_request_has_one_of_its_own() {
        let id = |connection, nth| {
            let mut out = Vec::new();
            write(connection, nth, &mut out);
            String::from_utf8(out).expect("text")
        };
        let all: HashSet<_> =
            (0..100).flat_map(|connection| (1..=100).map(move |nth| id(connection, nth))).collect();
        assert_eq!((all.len(), id(7, 1)), (10_000, id(7, 1)));
        assert!(all.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
        assert!(id(1, 1)[..16] != id(1, 1)[16..]);
    }
}
