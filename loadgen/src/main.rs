//! loadgen
mod failure;
mod pace;
mod request;
mod schedule;
mod transport;
mod units;
fn main() {}
