//! A queue without a machine under it: from arrivals and service times to response times, exactly.

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
