//! The binaries from outside.
