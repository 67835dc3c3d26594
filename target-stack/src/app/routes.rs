//! The shop's addresses. Each route is an extractor's worth of input, one question to the store and one view; around
//! it stands the gate, which holds the worker, measures and counts. Health and metrics go past the gate: they must
//! answer when nothing else does.

use super::answer::{Format, Reader};
use super::attempts::Attempts;
use super::burden::Burden;
use super::door::Door;
use super::fault::Fault;
use super::input::{Asked, CountQuery, HomeQuery, Id, SearchQuery, SubjectQuery};
use super::pages::{self, Home, Listing, Search};
use super::passwords::Passwords;
use super::store::Store;
use super::telemetry::{Interaction, Requests, Telemetry};
use super::ticket::Ticket;
use super::token::Browser;
use super::trace::{SERVER_TIMING, Trace};
use super::workers::Workers;
use super::{carts, members};
use crate::db::words::SUBJECTS;
use crate::{metrics, pace};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use axum::{Json, Router};
use std::pin::pin;
use std::sync::Arc;

const VERSION_HEADER: HeaderName = HeaderName::from_static("x-app-version");
/// The largest form is a few numbers and a key.
const BODY_BYTES: usize = 16 * 1024;
/// The characters of the longest title.
const LONGEST_WORDS: usize = 60;
/// Covers change with the version only.
const CACHED: (HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=3600");
/// What has its version in its name is the same for ever; a year is what caches take for that.
const CACHED_FOR_EVER: (HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=31536000, immutable");
const CSS: (HeaderName, &str) = (header::CONTENT_TYPE, "text/css; charset=utf-8");

/// All that a request may need.
pub(crate) struct Shop {
    pub(crate) store: Store,
    pub(crate) workers: Workers,
    pub(crate) burden: Arc<Burden>,
    pub(crate) passwords: Passwords,
    pub(crate) attempts: Attempts,
    pub(crate) telemetry: Arc<Telemetry>,
    /// What every answer says of itself.
    pub(crate) version: HeaderValue,
    pub(crate) readiness: Readiness,
}

/// Whether requests are to be sent here.
pub(crate) struct Readiness {
    pub(crate) door: Arc<Door>,
    /// It was told to say that it is not well.
    pub(crate) sick: bool,
}

pub(super) type Shared = State<Arc<Shop>>;
type Gated = MethodRouter<Arc<Shop>>;

/// The whole website.
pub(crate) fn router(shop: Arc<Shop>) -> Router {
    let gated = |route: Gated, interaction| gated(&shop, route, interaction);
    let website = Router::new()
        .route("/", gated(get(home), Interaction::Home))
        .route("/new-products", gated(get(new_products), Interaction::NewProducts))
        .route("/best-sellers", gated(get(best_sellers), Interaction::BestSellers))
        .route("/products/{id}", gated(get(product), Interaction::ProductDetail))
        .route("/search", gated(get(search), Interaction::SearchForm))
        .route("/cart", gated(get(carts::cart).post(carts::add_to_cart), Interaction::Cart))
        .route("/cart/items/{id}", gated(post(carts::change_line), Interaction::Cart))
        .route("/buy", gated(post(carts::buy), Interaction::BuyConfirm))
        .route("/orders/{id}", gated(get(order), Interaction::OrderDisplay))
        .merge(for_members(&shop))
        .route("/plaintext", gated(get(async || "Hello, World!"), Interaction::Plaintext))
        .route("/db", gated(get(one_row), Interaction::Db))
        .route("/queries", gated(get(some_rows), Interaction::Queries))
        .route("/updates", gated(get(update_rows), Interaction::Updates))
        .route(
            &pages::STYLE_PATH,
            gated(get(async || ([CSS, CACHED_FOR_EVER], pages::STYLE)), Interaction::Static),
        )
        .route("/style.css", gated(get(async || ([CSS, CACHED], pages::STYLE)), Interaction::Static))
        .route("/images/{name}", gated(get(image), Interaction::Static))
        .fallback_service(gated(any(lost), Interaction::Other).with_state(Arc::clone(&shop)));
    website
        .route("/healthz", get(health))
        .route("/metrics", get(scrape))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(shop)
}

/// The pages of people with an account.
fn for_members(shop: &Arc<Shop>) -> Router<Arc<Shop>> {
    let gated = |route: Gated, interaction| gated(shop, route, interaction);
    Router::new()
        .route("/login", gated(get(members::sign_in_page).post(members::sign_in), Interaction::Login))
        .route("/logout", gated(post(members::sign_out), Interaction::Logout))
        .route("/register", gated(get(members::register_page).post(members::register), Interaction::Register))
        .route(
            "/checkout",
            gated(get(members::checkout).post(members::sign_in_to_buy), Interaction::BuyRequest),
        )
        .route("/orders", gated(get(members::orders), Interaction::OrderInquiry))
        .route("/admin/products/{id}", gated(get(members::edit), Interaction::AdminRequest))
        .route("/admin/products/{id}", gated(post(members::change), Interaction::AdminConfirm))
}

fn gated(shop: &Arc<Shop>, route: Gated, interaction: Interaction) -> Gated {
    // One address that is two interactions: the form, and what it finds.
    let found = (interaction == Interaction::SearchForm).then_some(Interaction::SearchResults);
    let requests = shop.telemetry.of(interaction);
    let with_words = found.map(|interaction| shop.telemetry.of(interaction));
    route.layer(from_fn_with_state(Gate { requests, with_words, shop: Arc::clone(shop) }, pass))
}

/// What stands before one route.
#[derive(Clone)]
struct Gate {
    requests: Requests,
    /// Of requests that look for something, where that is another interaction.
    with_words: Option<Requests>,
    shop: Arc<Shop>,
}

/// Whether a query has a `q` that is not empty.
fn has_words(query: Option<&str>) -> bool {
    let mut pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.any(|(name, value)| name == "q" && !value.is_empty())
}

/// Holds a worker while the request is handled, and measures from its arrival.
async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let Shop { workers, burden, telemetry, .. } = &*gate.shop;
    let with_words = gate.with_words.as_ref().filter(|_| has_words(request.uri().query()));
    let requests = with_words.unwrap_or(&gate.requests);
    let mut visit = requests.arrived(pace::now());
    let trace = Trace::asked(request.headers());
    let mut response = match workers.enter().await {
        Ok(_worker) => {
            let begun = pace::now();
            let _working = telemetry.working.hold(begun);
            telemetry.queue_wait.observe((begun - visit.arrived).as_secs_f64());
            let handled = pin!(async {
                burden.carry().await;
                match &trace {
                    None => next.run(request).await,
                    Some(trace) => {
                        trace.queued(begun - visit.arrived);
                        if burden.weighs() {
                            trace.served(begun);
                        }
                        // On the heap, so that the others' task is no larger for it.
                        Box::pin(Arc::clone(trace).around(next.run(request))).await
                    }
                }
            });
            match burden.slow_down() {
                None => handled.await,
                Some(share) => burden.drag(share, begun, handled).await,
            }
        }
        Err(full) => {
            telemetry.queue_rejected.inc();
            Reader::of(request.headers()).sorry(&full.into())
        }
    };
    response.headers_mut().insert(VERSION_HEADER, gate.shop.version.clone());
    if let Some(told) = trace.and_then(|trace| trace.told(pace::now() - visit.arrived)) {
        response.headers_mut().insert(SERVER_TIMING, told);
    }
    visit.code = response.status().as_u16();
    response
}

async fn home(
    State(shop): Shared,
    mut reader: Reader,
    browser: Browser,
    Asked(query): Asked<HomeQuery>,
) -> Response {
    let own = query.customer.is_none() && browser.token.is_some();
    let show = async {
        let customer = match query.customer {
            Some(customer) => shop.store.first_name(customer).await?,
            None => {
                members::visitor(&shop, &browser, &mut reader).await?.member.map(|member| member.first_name)
            }
        };
        Ok(Home { customer, promotions: shop.store.promotions().await? })
    };
    let home = show.await;
    if own { reader.answer_privately(home) } else { reader.answer(home) }
}

async fn new_products(State(shop): Shared, reader: Reader, Asked(query): Asked<SubjectQuery>) -> Response {
    // The model's page is always about one subject.
    let subject = if query.subject.is_empty() { SUBJECTS[0].to_owned() } else { query.subject };
    let items = shop.store.new_products(&subject).await;
    let listing = |items| Listing { heading: "New products", route: "/new-products", subject, items };
    reader.answer(items.map(listing))
}

async fn best_sellers(State(shop): Shared, reader: Reader, Asked(query): Asked<SubjectQuery>) -> Response {
    let subject = query.subject;
    let items = shop.store.best_sellers((!subject.is_empty()).then_some(&*subject)).await;
    let listing = |items| Listing { heading: "Best sellers", route: "/best-sellers", subject, items };
    reader.answer(items.map(listing))
}

async fn product(State(shop): Shared, reader: Reader, Id(id): Id<u32>) -> Response {
    reader.answer(shop.store.product(id).await)
}

async fn search(State(shop): Shared, reader: Reader, Asked(query): Asked<SearchQuery>) -> Response {
    let SearchQuery { q, by } = query;
    // Without words it is the form alone; and nothing that is looked into is longer than these.
    let items = if q.is_empty() || q.chars().count() > LONGEST_WORDS {
        Ok(Vec::new())
    } else {
        shop.store.search(by, &q).await
    };
    reader.answer(items.map(|items| Search { q, by, items }))
}

async fn order(State(shop): Shared, reader: Reader, Id(id): Id<Ticket>) -> Response {
    reader.answer_privately(shop.store.order(id).await)
}

/// One row, not a list of one.
async fn one_row(State(shop): Shared) -> Response {
    let world = shop.store.worlds(1).await.map(|worlds| worlds.into_iter().next());
    json(world)
}

async fn some_rows(State(shop): Shared, Asked(query): Asked<CountQuery>) -> Response {
    json(shop.store.worlds(query.count()).await)
}

async fn update_rows(State(shop): Shared, Asked(query): Asked<CountQuery>) -> Response {
    json(shop.store.update_worlds(query.count()).await)
}

/// No cache answers for what is measured.
const NOT_CACHED: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

/// The plain measurements know no pages.
fn json(found: Result<impl serde::Serialize, Fault>) -> Response {
    match found {
        Ok(found) => ([NOT_CACHED], Json(found)).into_response(),
        Err(fault) => Reader::from(Format::Json).sorry(&fault),
    }
}

async fn image(reader: Reader, Id(name): Id<String>) -> Response {
    let number = name.strip_prefix("item-").and_then(|rest| rest.strip_suffix(".svg"));
    match number.and_then(|number| number.parse::<u16>().ok()) {
        Some(number) => {
            let drawn = pages::draw_cover(number.into());
            ([(header::CONTENT_TYPE, "image/svg+xml"), CACHED], drawn).into_response()
        }
        None => reader.sorry(&Fault::NotFound("There is no such picture.")),
    }
}

async fn lost(reader: Reader) -> Response {
    reader.sorry(&Fault::NotFound("There is nothing at this address."))
}

async fn health(State(shop): Shared) -> impl IntoResponse {
    let Readiness { door, sick } = &shop.readiness;
    let unwell = if door.is_leaving() {
        "this server is about to leave\n"
    } else if *sick {
        "this version is sick\n"
    } else if shop.store.answers().await {
        return (StatusCode::OK, "ok\n");
    } else {
        "the database does not answer\n"
    };
    (StatusCode::SERVICE_UNAVAILABLE, unwell)
}

async fn scrape(State(shop): Shared) -> impl IntoResponse {
    let text = shop.telemetry.render(&shop.workers, (shop.store.size(), shop.store.connections()));
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_has_words_or_is_the_form() {
        for (query, want) in [
            (None, false),
            (Some(""), false),
            (Some("q="), false),
            (Some("by=title"), false),
            (Some("q=a"), true),
            (Some("by=title&q=a%20b"), true),
            (Some("qq=a"), false),
        ] {
            assert_eq!(has_words(query), want, "{query:?}");
        }
    }
}
