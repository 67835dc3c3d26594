//! The proxy's guard against any bytes, cut anywhere. Given bytes by the fuzzer, of which the first few say where the others
//! are cut, it holds the guard to the laws that its tests hold it to.
#![no_main]

// A binary crate has no library to link to: its guard, which depends on nothing else of it, is compiled in here.
#[path = "../../src/proxy/guard/mod.rs"]
#[expect(dead_code, reason = "the laws do not look at all of it")]
mod guard;
#[path = "../../src/proxy/guard/laws.rs"]
mod laws;

use guard::{Guard, Limits, Lines, Next, Refusal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let [first, second, bytes @ ..] = input {
        let cuts = [first, second].map(|cut| usize::from(*cut));
        laws::hold(bytes, &cuts, Limits::default());
        laws::hold(bytes, &cuts, Limits { first: 64, number: 2, size: 128 });
    }
});
