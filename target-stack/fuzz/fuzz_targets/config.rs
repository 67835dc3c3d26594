//! The configuration's grammar against any text. Given bytes by the fuzzer, it holds what reads them to the laws that its tests hold it to.
#![no_main]

// A binary crate has no library to link to: the grammar, which depends on nothing else of it, is compiled in here.
#[path = "../../src/failure.rs"]
#[expect(dead_code, reason = "a grammar refuses, and does nothing else that can fail")]
mod failure;
#[path = "../../src/proxy/config/laws.rs"]
mod laws;
#[path = "../../src/proxy/config/lexer.rs"]
mod lexer;
#[path = "../../src/proxy/config/tree.rs"]
#[expect(dead_code, reason = "the laws ask no directive for its meaning")]
mod tree;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| laws::hold(&String::from_utf8_lossy(input)));
