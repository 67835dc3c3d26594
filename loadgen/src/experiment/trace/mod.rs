//! `loadgen trace`: one request, followed from name to page. It asks the user's target or the reference one, once or several times, and
//! has what the client measured and what the answers said made into a waterfall.

mod ask;

use super::carry_out::carry_out;
use crate::cli::TraceArgs;
use crate::client::tls::{Options, Tls};
use crate::failure::{Exit, Failure, Outcome};
use crate::load::unless_asked;
use crate::output::Output;
use crate::plan::{self, Route};
use crate::request::{Requests, Template};
use crate::signals::Signals;
use crate::target::{Descriptor, Reference};
use crate::transport::resolve::{self, Way};
use crate::{limits, pace, record};
use ask::Errand;
use http::header::CONNECTION;
use http::{HeaderName, HeaderValue, Method, Uri};
use reports::analyse::waterfall;
use reports::number::counted;
use reports::random::SplitMix;
use reports::record::{Head, Target, TargetKind};
use reports::store::TRACE_FILE;
use reports::trace::{TRACE_SCHEMA, Trace};
use std::time::Instant;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Traces; the program was started at `begun`.
///
/// # Errors
/// In one line: wrong use, a target that cannot be reached, a host that does not let us.
pub(crate) fn run(args: TraceArgs, begun: Instant) -> Outcome<Exit> {
    let url = args.url.as_deref().map(plan::url).transpose()?;
    if let Some(path) =
        args.path.as_ref().filter(|path| !path.starts_with('/') || path.parse::<Uri>().is_err())
    {
        return Err(Failure::usage(format!("`{path}` is no path: write it as /products/7")));
    }
    let output = Output::of_experiment("trace", TRACE_FILE, &args.result, begun);
    let (trace, output) = carry_out(output, async |output| trace(&args, url.as_ref(), output).await)?;
    output.finish_trace(&trace)?;
    Ok(if trace.verdict.valid { Exit::Passed } else { Exit::Invalid })
}

async fn trace(args: &TraceArgs, url: Option<&Uri>, output: &Output) -> Outcome<Trace> {
    let mut signals = Signals::listen()?;
    let allowed = limits::allowed_cpus();
    let (cpus, target_cpus) = limits::share_with_target(&allowed);
    if let Some(url) = url {
        let route =
            Route { resolver: args.resolver, connect_to: args.connect_to.clone(), ..Route::default() };
        // A target on this machine needs CPUs too, but which are its own is not known.
        let trace = Trace { target: given(url), ..Trace::default() };
        return ask_all(args, (url, &route), trace, output, &mut signals).await;
    }
    output.say(&format!("starting {}", Reference::in_words(args.target_proxy)));
    output.status.does("starting the target");
    let mut target = Reference::start(&target_cpus, args.target_proxy, &args.sizes.arguments())?;
    let traced = async {
        let descriptor = unless_asked(&mut signals, target.ready()).await?;
        let (url, route) = of_reference(args, &descriptor)?;
        let what = if args.path.is_some() { "a page" } else { "the home page" };
        let (kind, what) = (TargetKind::Reference, what.to_owned());
        let found = Target { url: url.to_string(), kind, what, cpus: descriptor.cpus, ..Target::default() };
        let trace = Trace {
            target: found,
            emulated: descriptor.emulated,
            head: Head { cpus: cpus.clone(), ..Head::default() },
            ..Trace::default()
        };
        limits::pin(&cpus)?;
        ask_all(args, (&url, &route), trace, output, &mut signals).await
    };
    let traced = traced.await;
    target.stop().await;
    traced
}

fn given(url: &Uri) -> Target {
    Target { url: url.to_string(), kind: TargetKind::Given, ..Target::default() }
}

/// The page of the reference target that is asked for, and how its name becomes an address.
fn of_reference(args: &TraceArgs, descriptor: &Descriptor) -> Outcome<(Uri, Route)> {
    let path = args.path.as_deref().unwrap_or("/");
    let url = format!("{}{path}", descriptor.url.trim_end_matches('/'));
    let read =
        url.parse().map_err(|_| Failure::target(format!("the descriptor's URL cannot be read: {url}")));
    Ok((read?, Route { resolver: descriptor.resolver, ..Route::default() }))
}

/// Asks as often as was wished for, or until somebody thinks better of it, and concludes.
async fn ask_all(
    args: &TraceArgs,
    (url, route): (&Uri, &Route),
    blank: Trace,
    output: &Output,
    signals: &mut Signals,
) -> Outcome<Trace> {
    let started_at = pace::wall_clock();
    let way = resolve::way(url, route);
    let options = Options { cacert: args.cacert.as_deref(), insecure: args.insecure, ..Options::default() };
    let host = url.host().unwrap_or_default();
    let tls = match url.scheme_str() {
        Some("https") => Some(Tls::new(options, host, &[b"http/1.1"])?),
        _ => None,
    };
    let errand = Errand { way, tls: tls.as_ref(), timeout: args.timeout };
    let mut trace = Trace {
        schema: TRACE_SCHEMA.to_owned(),
        head: record::head(args.seed, started_at, &blank.head.cpus),
        resolver: match way {
            Way::Known(_) => None,
            Way::Ask { server, .. } => Some(server.to_string()),
        },
        ..blank
    };
    output.say(&format!("asking {url}: {}", counted(u64::from(args.count), "request")));
    // Ids are for finding requests again in logs, so two runs must not have the same.
    let mut random = SplitMix::new(args.seed ^ started_at.as_nanos() as u64);
    for number in 1..=args.count {
        output.status.does(&format!("request {number} of {}", args.count));
        let (id, request) = request(args, url, &mut random)?;
        tokio::select! {
            asked = errand.run(&id, &request) => trace.requests.push(asked),
            () = signals.asked() => {
                trace.partial = true;
                break;
            }
        }
    }
    waterfall::conclude(&mut trace);
    if trace.drawn.is_none() {
        let why = trace.requests.iter().find_map(|asked| asked.failed.clone());
        return Err(match why {
            Some(why) => Failure::target(why),
            None => Failure::host("stopped before the first request was answered"),
        });
    }
    Ok(trace)
}

/// A request with its id: the user's, or a new one.
fn request(args: &TraceArgs, url: &Uri, random: &mut SplitMix) -> Outcome<(String, Vec<u8>)> {
    let mut headers = args.headers.clone();
    let own = headers.iter().find(|(name, _)| *name == REQUEST_ID);
    let id = match own {
        Some((_, value)) => String::from_utf8_lossy(value.as_bytes()).into_owned(),
        None => {
            let id = format!("{:016x}{:016x}", random.bits(), random.bits());
            headers.extend(HeaderValue::from_str(&id).ok().map(|value| (REQUEST_ID, value)));
            id
        }
    };
    if !headers.iter().any(|(name, _)| *name == CONNECTION) {
        headers.push((CONNECTION, HeaderValue::from_static("close")));
    }
    let template = Template { method: Method::GET, headers, body: None };
    let target = url.path_and_query().map_or("/", |target| target.as_str());
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    let requests = Requests::encode(&template, url, [target.as_str()], args.seed)?;
    Ok((id, requests.pick(0).to_vec()))
}
