//! Public test suites of HTTP, put to the proxy, to the installed nginx and to the installed HAProxy on equivalent configurations. Each prints
//! who passed how many of its cases (`--nocapture`); a case that the proxy fails stands in a table with the reason, and a case that
//! stands there fails.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the tables are printed where a test is asked to show its output")]

mod caching;
mod lanes;
mod messages;
mod report;
mod side;
