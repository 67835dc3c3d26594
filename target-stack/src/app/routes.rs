//! The shop's addresses. Each route is an extractor's worth of input, one question to the store and one view; around
//! it stands the gate, which holds the worker, measures and counts. Health and metrics go past the gate: they must
//! answer when nothing else does.

use super::answer::Format;
use super::burden::Burden;
use super::fault::Fault;
use super::input::SubjectQuery;
use super::input::{Asked, BuyForm, CartForm, CartQuery, CountQuery, HomeQuery, Id, SearchQuery, Sent};
use super::pages::{self, CartPage, Home, Listing, Search};
use super::store::{Cart, Store};
use super::telemetry::{Interaction, Requests, Telemetry};
use super::workers::Workers;
use crate::db::words::SUBJECTS;
use crate::{metrics, pace};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use std::sync::Arc;

const VERSION_HEADER: HeaderName = HeaderName::from_static("x-app-version");
const VERSION: HeaderValue = HeaderValue::from_static(env!("CARGO_PKG_VERSION"));
/// The largest form is a few numbers and a key.
const BODY_BYTES: usize = 16 * 1024;
/// Stylesheet and covers change with the version only.
const CACHED: (HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=3600");

/// All that a request may need.
pub(crate) struct Shop {
    pub(crate) store: Store,
    pub(crate) workers: Workers,
    pub(crate) burden: Arc<Burden>,
    pub(crate) telemetry: Arc<Telemetry>,
}

type Shared = State<Arc<Shop>>;
type Gated = MethodRouter<Arc<Shop>>;

/// The whole website.
pub(crate) fn router(shop: Arc<Shop>) -> Router {
    let gated = |route: Gated, interaction| {
        let gate = Gate { requests: shop.telemetry.of(interaction), shop: Arc::clone(&shop) };
        route.layer(from_fn_with_state(gate, pass))
    };
    let website = Router::new()
        .route("/", gated(get(home), Interaction::Home))
        .route("/new-products", gated(get(new_products), Interaction::NewProducts))
        .route("/best-sellers", gated(get(best_sellers), Interaction::BestSellers))
        .route("/products/{id}", gated(get(product), Interaction::ProductDetail))
        .route("/search", gated(get(search), Interaction::Search))
        .route("/cart", gated(get(cart).post(add_to_cart), Interaction::Cart))
        .route("/buy", gated(axum::routing::post(buy), Interaction::BuyConfirm))
        .route("/orders/{id}", gated(get(order), Interaction::OrderDisplay))
        .route("/plaintext", gated(get(async || "Hello, World!"), Interaction::Plaintext))
        .route("/db", gated(get(one_row), Interaction::Db))
        .route("/queries", gated(get(some_rows), Interaction::Queries))
        .route("/updates", gated(get(update_rows), Interaction::Updates))
        .route("/style.css", gated(get(style), Interaction::Static))
        .route("/images/{name}", gated(get(image), Interaction::Static))
        .fallback_service(gated(axum::routing::any(lost), Interaction::Other).with_state(Arc::clone(&shop)));
    website
        .route("/healthz", get(health))
        .route("/metrics", get(scrape))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(shop)
}

/// What stands before one route.
#[derive(Clone)]
struct Gate {
    requests: Requests,
    shop: Arc<Shop>,
}

/// Holds a worker while the request is handled, and measures from its arrival.
async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let Shop { workers, burden, telemetry, .. } = &*gate.shop;
    let mut visit = gate.requests.arrived(pace::now());
    let format = Format::of(request.headers());
    let mut response = match workers.enter().await {
        Ok(_worker) => {
            let begun = pace::now();
            let _working = telemetry.working.hold(begun);
            telemetry.queue_wait.observe((begun - visit.arrived).as_secs_f64());
            burden.carry().await;
            next.run(request).await
        }
        Err(full) => {
            telemetry.queue_rejected.inc();
            format.sorry(&full.into())
        }
    };
    response.headers_mut().insert(VERSION_HEADER, VERSION);
    visit.code = response.status().as_u16();
    response
}

async fn home(State(shop): Shared, format: Format, Asked(query): Asked<HomeQuery>) -> Response {
    let show = async {
        let customer = match query.customer {
            Some(customer) => shop.store.first_name(customer).await?,
            None => None,
        };
        Ok(Home { customer, promotions: shop.store.promotions().await? })
    };
    format.answer(show.await)
}

async fn new_products(State(shop): Shared, format: Format, Asked(query): Asked<SubjectQuery>) -> Response {
    // The model's page is always about one subject.
    let subject = if query.subject.is_empty() { SUBJECTS[0].to_owned() } else { query.subject };
    let items = shop.store.new_products(&subject).await;
    let listing = |items| Listing { heading: "New products", route: "/new-products", subject, items };
    format.answer(items.map(listing))
}

async fn best_sellers(State(shop): Shared, format: Format, Asked(query): Asked<SubjectQuery>) -> Response {
    let subject = query.subject;
    let items = shop.store.best_sellers((!subject.is_empty()).then_some(&*subject)).await;
    let listing = |items| Listing { heading: "Best sellers", route: "/best-sellers", subject, items };
    format.answer(items.map(listing))
}

async fn product(State(shop): Shared, format: Format, Id(id): Id<u32>) -> Response {
    format.answer(shop.store.product(id).await)
}

async fn search(State(shop): Shared, format: Format, Asked(query): Asked<SearchQuery>) -> Response {
    let SearchQuery { q, by } = query;
    // Without words it is the form alone.
    let items = if q.is_empty() { Ok(Vec::new()) } else { shop.store.search(by, &q).await };
    format.answer(items.map(|items| Search { q, by, items }))
}

async fn cart(State(shop): Shared, format: Format, Asked(query): Asked<CartQuery>) -> Response {
    let cart = match query.cart {
        Some(id) => shop.store.cart(id).await,
        None => Err(Fault::BadRequest("Say which cart: /cart?cart=NUMBER.".into())),
    };
    format.answer(cart.map(|cart| cart_page(&shop, cart, false)))
}

async fn add_to_cart(State(shop): Shared, format: Format, Sent(form): Sent<CartForm>) -> Response {
    let add = async {
        let id = shop.store.add_to_cart(form.cart, form.item, form.quantity()?).await?;
        Ok(cart_page(&shop, shop.store.cart(id).await?, true))
    };
    format.answer(add.await)
}

fn cart_page(shop: &Shop, cart: Cart, changed: bool) -> CartPage {
    let key = format!("{:016x}{:016x}", shop.store.random(), shop.store.random());
    CartPage { cart, key, changed }
}

async fn buy(State(shop): Shared, format: Format, headers: HeaderMap, Sent(form): Sent<BuyForm>) -> Response {
    let buy = async { shop.store.buy(&form.purchase(&headers)?).await };
    format.answer(buy.await)
}

async fn order(State(shop): Shared, format: Format, Id(id): Id<u64>) -> Response {
    format.answer(shop.store.order(id).await)
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

/// The plain measurements know no pages.
fn json(found: Result<impl serde::Serialize, Fault>) -> Response {
    match found {
        Ok(found) => Json(found).into_response(),
        Err(fault) => Format::Json.sorry(&fault),
    }
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), CACHED], pages::STYLE)
}

async fn image(format: Format, Path(name): Path<String>) -> Response {
    let number = name.strip_prefix("item-").and_then(|rest| rest.strip_suffix(".svg"));
    match number.and_then(|number| number.parse::<u16>().ok()) {
        Some(number) => {
            let drawn = pages::draw_cover(number.into());
            ([(header::CONTENT_TYPE, "image/svg+xml"), CACHED], drawn).into_response()
        }
        None => format.sorry(&Fault::NotFound("There is no such picture.")),
    }
}

async fn lost(format: Format) -> Response {
    format.sorry(&Fault::NotFound("There is nothing at this address."))
}

async fn health(State(shop): Shared) -> impl IntoResponse {
    if shop.store.answers().await {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
    }
}

async fn scrape(State(shop): Shared) -> impl IntoResponse {
    let text = shop.telemetry.render(&shop.workers, (shop.store.size(), shop.store.connections()));
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text)
}
