//! The reading of an upstream's answer against any bytes, cut anywhere. Given bytes by the fuzzer, of which the first few say what was
//! asked for and where the others are cut, it holds what reads them to the law that its tests hold it to.
#![no_main]

// A binary crate has no library to link to: the rooms, which depend on nothing else of it, are compiled in here.
#[path = "../../src/proxy/fields.rs"]
#[expect(dead_code, reason = "not all of it meets bytes from outside")]
mod fields;
#[path = "../../src/proxy/link/framing.rs"]
mod framing;
#[path = "../../src/proxy/guard/mod.rs"]
#[expect(dead_code, reason = "of the guard, an answer has only the chunks")]
mod guard;
#[path = "../../src/proxy/link/laws.rs"]
mod laws;
#[path = "../../src/proxy/link/response.rs"]
mod response;

/// Where the rooms look for each other.
mod proxy {
    pub(crate) use super::{fields, guard};
}

use libfuzzer_sys::fuzz_target;
use response::Asked;

fuzz_target!(|input: &[u8]| {
    if let [asked, first, second, bytes @ ..] = input {
        let asked = match asked % 4 {
            0 => Asked::Head,
            1 => Asked::Connect,
            _ => Asked::Other,
        };
        laws::hold(bytes, &[first, second].map(|cut| usize::from(*cut)), asked);
    }
});
