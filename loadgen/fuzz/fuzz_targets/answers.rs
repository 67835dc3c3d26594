//! The reader of answers against any bytes, cut anywhere. Given bytes by the fuzzer, of which the first few say where the
//! others are cut, it holds the reader to the laws that its tests hold it to.
#![no_main]

// A binary crate has no library to link to: its reader, which depends on nothing else of it, is compiled in here.
#[path = "../../src/transport/http1.rs"]
#[expect(dead_code, reason = "the laws do not look at all of it")]
mod http1;
#[path = "../../src/transport/http1/laws.rs"]
mod laws;

use http1::{Answer, LastHead, Malformed, Reader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let [first, second, third, bytes @ ..] = input {
        let cuts = [first, second, third].map(|cut| usize::from(*cut));
        laws::hold(bytes, &cuts, cuts[0] % 2 == 1);
    }
});
