//! loadgen
mod failure;
mod pace;
mod recorder;
mod request;
mod schedule;
mod transport;
mod units;
mod worker;
fn main() {}
