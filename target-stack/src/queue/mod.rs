//! The target with a known ceiling. Given K workers and a service time, it answers every request after exactly the wait
//! and the service that a first-come-first-served queue with K servers prescribes, so its ceiling is K / service by
//! construction and a generator's figures can be held against the truth. Nothing is computed while a request is in
//! service: it is held until its departure, which is known when it arrives (Kiefer and Wolfowitz, "On the theory of
//! queues with many servers", 1955).
//!
//! What the server saw itself (arrival gaps, response times) is at `GET /stats`, since the last `DELETE /stats`: from when
//! a request reached the host, by the kernel's word, to when its answer was handed to the kernel.

mod seen;
mod wire;

use crate::descriptor::{Tier, announce};
use crate::failure::{Failure, Outcome};
use crate::limits::Cpus;
use crate::pace::{self, Timer};
use crate::splitmix::SplitMix64;
use crate::{limits, metrics, signals, units};
use bytes::Bytes;
use clap::ValueEnum;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use seen::Seen;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use wire::{Times, Wire};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address to listen on; port 0 lets the kernel choose
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Requests that are in service at once
    #[arg(long, value_name = "K", default_value_t = 4, value_parser = units::whole::<u32, 1, 100_000>)]
    workers: u32,
    /// Mean service time, such as 1ms, 250us or 2s
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = units::time)]
    service: Duration,
    /// Whether every service takes the mean, or exponential times around it
    #[arg(long, value_enum, default_value_t = ServiceTime::Fixed)]
    service_time: ServiceTime,
    /// Seed of the exponential times
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// CPUs that this target is pinned to [default: all but the last quarter]
    #[arg(long, value_name = "LIST", value_parser = limits::parse_cpus)]
    cpus: Option<Cpus>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ServiceTime {
    Fixed,
    Exponential,
}

/// Serves until SIGINT or SIGTERM.
pub(crate) fn run(args: Args) -> Outcome {
    let cpus = args.cpus.map_or_else(|| limits::default_target_cpus(&limits::allowed_cpus()), |cpus| cpus.0);
    limits::pin(&cpus)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::start(format!("cannot start: {e}")))?;
    let station = Station::new(args.workers, args.service, args.service_time, args.seed);
    runtime.block_on(tokio::task::LocalSet::new().run_until(serve(args.listen, station)))
}

async fn serve(listen: SocketAddr, station: Station) -> Outcome {
    let failed = |e: std::io::Error| Failure::start(format!("cannot listen on {listen}: {e}"));
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?.to_string();
    let queue =
        Rc::new(Queue { station: RefCell::new(station), earlier: Notify::new(), seen: Rc::default() });
    let timer = Timer::new().map_err(|e| Failure::start(format!("cannot make a timer: {e}")))?;
    let departures = tokio::task::spawn_local(Rc::clone(&queue).depart(timer));
    let metrics = format!("http://{address}/metrics");
    announce(&Tier { pid: std::process::id(), address, metrics, cpu_limit: None })?;
    tokio::select! {
        () = accept(listener, queue) => {}
        failure = departures => return Err(Failure::start(format!("the timer failed: {failure:?}"))),
        asked = signals::asked_to_end() => asked.map_err(|e| Failure::start(e.to_string()))?,
    }
    Ok(())
}

async fn accept(listener: TcpListener, queue: Rc<Queue>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: the ones in use come back.
            pace::pause(Duration::from_millis(10)).await;
            continue;
        };
        // Without it an answer could wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let queue = Rc::clone(&queue);
        tokio::task::spawn_local(async move {
            let (wire, times) = Wire::new(stream, Rc::clone(&queue.seen));
            let service = service_fn(|request| Rc::clone(&queue).answer(request, Rc::clone(&times)));
            // A client that goes away in mid-answer is its own affair.
            let _ = http1::Builder::new().serve_connection(wire, service).await;
        });
    }
}

/// The station, and the requests in it.
struct Queue {
    station: RefCell<Station>,
    seen: Rc<RefCell<Seen>>,
    /// Told when a departure is due before the one that is being waited for.
    earlier: Notify,
}

impl Queue {
    async fn answer(
        self: Rc<Self>,
        request: Request<Incoming>,
        times: Rc<Times>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(match (request.method(), request.uri().path()) {
            (&Method::GET, "/stats") => typed("application/json", self.seen.borrow().to_json().to_string()),
            (&Method::DELETE, "/stats") => {
                *self.seen.borrow_mut() = Seen::default();
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
            (&Method::GET, "/metrics") => {
                typed(metrics::CONTENT_TYPE, metrics::render(&metrics::registry(std::process::id())))
            }
            _ => {
                let arrived = times.arrived.take().unwrap_or_else(pace::now);
                self.seen.borrow_mut().arrival(arrived);
                let (served, first) = self.station.borrow_mut().arrive(arrived);
                if first {
                    self.earlier.notify_one();
                }
                // The sender is only dropped with the queue.
                let _ = served.await;
                times.answering.set(Some(arrived));
                typed("text/plain", "served\n")
            }
        })
    }

    /// Lets every request go at its departure.
    async fn depart(self: Rc<Self>, timer: Timer) -> std::io::Result<()> {
        loop {
            let next = self.station.borrow_mut().depart(pace::now());
            match next {
                None => self.earlier.notified().await,
                Some(next) => tokio::select! {
                    expired = timer.sleep_until(next) => expired?,
                    () = self.earlier.notified() => {}
                },
            }
        }
    }
}

fn typed(content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// K servers and one queue, first come, first served.
struct Station {
    /// When each server is free.
    free: BinaryHeap<Reverse<Instant>>,
    departures: BinaryHeap<Reverse<Departure>>,
    mean: Duration,
    kind: ServiceTime,
    random: SplitMix64,
    arrivals: u64,
}

struct Departure {
    at: Instant,
    order: u64,
    served: oneshot::Sender<()>,
}

impl Station {
    fn new(workers: u32, mean: Duration, kind: ServiceTime, seed: u64) -> Self {
        let now = pace::now();
        let free = (0..workers).map(|_| Reverse(now)).collect();
        // A generator with the same seed draws its arrivals from the numbers of that seed: taken for services too, each
        // would be as long as the gap before it, and the queue would be no longer the one whose truth is known.
        let random = SplitMix64::new(!seed);
        Self { free, departures: BinaryHeap::new(), mean, kind, random, arrivals: 0 }
    }

    /// A request arrives at `now`. Gives what resolves at its departure, and whether that is the next one of all.
    fn arrive(&mut self, now: Instant) -> (oneshot::Receiver<()>, bool) {
        let start = self.free.pop().map_or(now, |Reverse(free)| free.max(now));
        let at = start + self.service();
        self.free.push(Reverse(at));
        self.arrivals += 1;
        let (sender, receiver) = oneshot::channel();
        let first = self.departures.peek().is_none_or(|Reverse(next)| at < next.at);
        self.departures.push(Reverse(Departure { at, order: self.arrivals, served: sender }));
        (receiver, first)
    }

    /// Lets go whose departure has come by `now`; gives when the next one is.
    fn depart(&mut self, now: Instant) -> Option<Instant> {
        loop {
            let next = self.departures.peek()?.0.at;
            if next > now {
                return Some(next);
            }
            if let Some(Reverse(departure)) = self.departures.pop() {
                // The client may have gone; its service was used up all the same.
                let _ = departure.served.send(());
            }
        }
    }

    fn service(&mut self) -> Duration {
        match self.kind {
            ServiceTime::Fixed => self.mean,
            ServiceTime::Exponential => {
                // By inversion; 53 bits in (0, 1], so that the logarithm is finite.
                let uniform = ((self.random.next() >> 11) + 1) as f64 / (1u64 << 53) as f64;
                self.mean.mul_f64(-uniform.ln())
            }
        }
    }
}

impl PartialEq for Departure {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Departure {}

impl PartialOrd for Departure {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Departure {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn departures_are_those_of_a_fifo_queue() {
        let start = pace::now();
        let mut station = Station::new(2, Duration::from_millis(10), ServiceTime::Fixed, 1);
        let start = start.max(pace::now());
        let arrivals = [0, 1, 2, 3, 30].map(|ms| station.arrive(at(start, ms)));
        // Two in service until 10 and 11, then the two that waited, until 20 and 21, then the late one.
        let mut served = arrivals.map(|(served, _)| served);
        let mut gone = |station: &mut Station, ms: u64| {
            let next = station.depart(at(start, ms));
            (served.iter_mut().filter_map(|s| s.try_recv().ok()).count(), next)
        };
        assert_eq!(gone(&mut station, 9), (0, Some(at(start, 10))));
        assert_eq!(gone(&mut station, 10), (1, Some(at(start, 11))));
        assert_eq!(gone(&mut station, 20), (2, Some(at(start, 21))));
        assert_eq!(gone(&mut station, 21), (1, Some(at(start, 40))));
        assert_eq!(gone(&mut station, 40), (1, None));
    }

    #[test]
    fn exponential_times_have_the_mean_and_come_from_the_seed() {
        let mut one = Station::new(1, Duration::from_millis(1), ServiceTime::Exponential, 7);
        let mut two = Station::new(1, Duration::from_millis(1), ServiceTime::Exponential, 7);
        let times: Vec<f64> = (0..20_000).map(|_| one.service().as_secs_f64()).collect();
        assert!(times.iter().take(100).all(|t| *t == two.service().as_secs_f64()));
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        assert!((mean - 1e-3).abs() < 3e-5, "{mean}");
        // Nor are they the numbers that a schedule draws from this seed.
        let mut arrivals = SplitMix64::new(7);
        let uniform = |random: u64| random as f64 / 2f64.powi(64);
        let alike = |t: &&f64| (f64::exp(-**t / 1e-3) - uniform(arrivals.next())).abs() < 1e-4;
        assert!(times.iter().filter(alike).count() < 20);
    }
}
