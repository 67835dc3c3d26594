//! What a plan is aimed at: the user's URL, or the reference target once it answers. From a plan and what is known of the target it
//! gives the addresses, what is sent there, and which CPUs are whose. It sends nothing.

use crate::failure::{Failure, Outcome};
use crate::limits;
use crate::plan::{Observe, Plan, Route};
use crate::request::{self, Requests};
use crate::run::{self, Aim};
use crate::scenario::script::Script;
use crate::target::{Descriptor, Reference};
use crate::transport::address::Address;
use crate::transport::names::Names;
use crate::transport::resolve;
use crate::work::What;
use http::Uri;
use reports::record::TargetKind;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The CPUs that this process may use, without `cpus`; with none left over, all of them.
pub(crate) fn others(cpus: &[usize]) -> Vec<usize> {
    let allowed = limits::allowed_cpus();
    let others: Vec<usize> = allowed.iter().copied().filter(|cpu| !cpus.contains(cpu)).collect();
    if others.is_empty() { allowed } else { others }
}

/// The generator's CPUs and those of a target of ours, as the plan has them or as they are shared out.
pub(crate) fn shares(plan: &Plan) -> (Vec<usize>, Vec<usize>) {
    match &plan.cpus {
        None => limits::share_with_target(&limits::allowed_cpus()),
        Some(cpus) => (cpus.clone(), others(cpus)),
    }
}

/// One thread for each CPU, unless told otherwise, but never one without a connection.
pub(crate) fn threads(plan: &Plan, cpus: &[usize]) -> usize {
    plan.threads.unwrap_or(cpus.len()).min(plan.connections)
}

/// What is sent to the host of `url`: the scenario, or requests to `targets`.
fn what<'a>(plan: &Plan, url: &Uri, targets: impl IntoIterator<Item = &'a str>) -> Outcome<What> {
    Ok(match &plan.scenario {
        None => What::Requests(Arc::new(Requests::encode(&plan.template, url, targets, plan.seed)?)),
        Some(scenario) => {
            let host = request::host(url)?;
            let script = Script::new(Arc::clone(scenario), host, &plan.template.headers, plan.seed);
            What::Script(Arc::new(script))
        }
    })
}

/// A scenario in words.
fn in_words(plan: &Plan) -> Option<String> {
    let entries = plan.scenario.as_ref()?.entries();
    let kinds = match entries.len() {
        1 => String::from("one kind of request"),
        n => format!("{n} kinds of request"),
    };
    Some(match plan.users() {
        Some(1) => format!("a scenario of {kinds}, 1 user"),
        Some(users) => format!("a scenario of {kinds}, {users} users"),
        None => format!("a scenario of {kinds}"),
    })
}

/// What is sent to a URL of the user's, in words.
pub(crate) fn at_url(plan: &Plan, url: &Uri) -> String {
    in_words(plan).unwrap_or_else(|| format!("{} {}", plan.template.method, asked_for(url)))
}

fn asked_for(url: &Uri) -> String {
    let target = url.path_and_query().map_or("/", |target| target.as_str());
    if target.starts_with('/') { target.to_owned() } else { format!("/{target}") }
}

/// The aim at a URL of the user's.
///
/// # Errors
/// The target's fault: its name has no address.
pub(crate) async fn given(plan: &Plan, url: &Uri) -> Outcome<Aim> {
    let proxy = plan.client.as_ref().and_then(|client| client.proxy());
    let address = resolve::resolve(proxy.unwrap_or(url), &plan.route).await?;
    let local = run::is_local(&address);
    let allowed = limits::allowed_cpus();
    // A target on this machine needs CPUs too; one elsewhere leaves all of them to the generator.
    let cpus = match &plan.cpus {
        Some(cpus) => cpus.clone(),
        None if local => limits::share_with_target(&allowed).0,
        None => allowed,
    };
    let target = asked_for(url);
    Ok(Aim {
        url: url.clone(),
        kind: TargetKind::Given,
        what: at_url(plan, url),
        address,
        load: what(plan, url, [target.as_str()])?,
        observe: plan.observe.clone(),
        target_cpus: Vec::new(),
        emulated: Vec::new(),
        versions: BTreeMap::new(),
        threads: threads(plan, &cpus),
        not_ours: Vec::new(),
        cpus,
    })
}

/// The aim at the reference target, as it described itself, from these CPUs.
///
/// # Errors
/// The target's fault: what it says cannot be used.
pub(crate) async fn reference(plan: &Plan, descriptor: &Descriptor, cpus: Vec<usize>) -> Outcome<Aim> {
    let url: Uri = descriptor
        .url
        .parse()
        .map_err(|_| Failure::target(format!("the descriptor's URL cannot be read: {}", descriptor.url)))?;
    let address = match (descriptor.resolver, descriptor.proxy_address()) {
        (Some(resolver), _) => {
            let route = Route { resolver: Some(resolver), ..Default::default() };
            resolve::resolve(&url, &route).await?
        }
        (None, Some(address)) => Address::Tcp(Names::fixed(vec![address])),
        (None, None) => {
            return Err(Failure::target("the descriptor names neither a resolver nor a proxy's address"));
        }
    };
    let tiers = descriptor.tiers.iter().flat_map(|(name, tiers)| tiers.iter().map(move |tier| (name, tier)));
    let endpoints =
        tiers.filter_map(|(name, tier)| Some(Observe { name: name.clone(), url: tier.metrics.clone()? }));
    let pages = descriptor.product_pages();
    Ok(Aim {
        kind: TargetKind::Reference,
        what: in_words(plan).unwrap_or_else(|| Reference::WHAT.to_owned()),
        address,
        load: what(plan, &url, pages.iter().map(String::as_str))?,
        observe: if plan.observe.is_empty() { endpoints.collect() } else { plan.observe.clone() },
        target_cpus: descriptor.cpus.clone(),
        emulated: descriptor.emulated.clone(),
        versions: descriptor.versions.clone(),
        threads: threads(plan, &cpus),
        not_ours: Vec::new(),
        cpus,
        url,
    })
}
