//! A queue without a machine under it: from arrivals and service times to response times, exactly. And the numbers for
//! such runs, from a seed.

/// The response times of requests that arrive at the given instants, in order, and take the given services, at `servers`
/// servers that take the first first and are free at the beginning (Kiefer and Wolfowitz, "On the theory of queues with
/// many servers", 1955; with one server, Lindley, "The theory of queues with a single server", 1952).
pub fn responses(requests: impl Iterator<Item = (f64, f64)>, servers: u32) -> Vec<f64> {
    let mut free = vec![f64::NEG_INFINITY; servers.max(1) as usize];
    requests
        .map(|(arrival, service)| {
            // There are a few servers: looking at each is faster than any heap.
            let first = free.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(n, _)| n);
            let departure = free[first].max(arrival) + service;
            free[first] = departure;
            departure - arrival
        })
        .collect()
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
pub(super) struct SplitMix {
    state: u64,
}

impl SplitMix {
    /// The sequence of `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// An exponential variate of mean 1, by inversion.
    pub(super) fn exponential(&mut self) -> f64 {
        // 53 bits in (0, 1]: the logarithm is finite.
        let uniform = ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        -uniform.ln()
    }
}
