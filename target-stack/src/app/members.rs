//! What people do who have an account, or open one: sign in, check out, look at their orders; and what the staff do.
//! Each handler is a question or two to the store and one view.

use super::answer::{Format, Reader};
use super::attempts::Client;
use super::fault::Fault;
use super::forms::{NextQuery, OrdersQuery, PriceForm, RegisterForm, SignInForm};
use super::input::{Asked, Id, Sent};
use super::pages::{Changed, Checkout, Edit, Orders, Registration, SignIn, SignedIn};
use super::routes::{Shared, Shop};
use super::store::{Cart, Member, Visitor};
use super::ticket::Ticket;
use super::token::{Browser, Token, new_key};
use crate::db::rows::tax_cents;
use crate::pace;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// `GET /login`.
pub(super) async fn sign_in_page(reader: Reader, Asked(query): Asked<NextQuery>) -> Response {
    reader.answer(Ok(ask("/login", query.next.0, None)))
}

/// `POST /login`.
pub(super) async fn sign_in(
    State(shop): Shared,
    reader: Reader,
    (browser, client): (Browser, Client),
    Sent(form): Sent<SignInForm>,
) -> Response {
    match admit(&shop, &browser, client, &form).await {
        Ok((customer, token)) => {
            let next = form.next.0;
            welcome(&shop, &browser, &reader, SignedIn { customer, next }, &token)
        }
        Err(fault) => refuse(&reader, fault, "/login", form.next.0),
    }
}

/// `POST /logout`.
pub(super) async fn sign_out(State(shop): Shared, reader: Reader, browser: Browser) -> Response {
    let ended = match &browser.token {
        Some(token) => shop.store.sign_out(token).await,
        None => Ok(()),
    };
    match (ended, reader.format) {
        (Err(fault), _) => reader.sorry(&fault),
        (Ok(()), Format::Html) => {
            browser.forget((StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response())
        }
        (Ok(()), Format::Json) => browser.forget(StatusCode::NO_CONTENT.into_response()),
    }
}

/// `GET /register`.
pub(super) async fn register_page(reader: Reader, Asked(query): Asked<NextQuery>) -> Response {
    reader.answer(Ok(Registration { next: query.next.0, ..Registration::default() }))
}

/// `POST /register`.
pub(super) async fn register(
    State(shop): Shared,
    reader: Reader,
    browser: Browser,
    Sent(form): Sent<RegisterForm>,
) -> Response {
    let open = async {
        let (new, password) = form.checked()?;
        let hash = shop.passwords.hash(password).await?;
        let customer = shop.store.register(new, hash).await?;
        let token = Token::new()?;
        shop.store.sign_in(browser.token.as_ref(), &token, customer.id, None).await?;
        Ok((customer, token))
    };
    match (open.await, reader.format) {
        (Ok((customer, token)), _) => {
            let next = form.next.0;
            welcome(&shop, &browser, &reader, SignedIn { customer, next }, &token)
        }
        (Err(fault @ (Fault::BadRequest(_) | Fault::Conflict(_))), Format::Html) => {
            let problem = Some(fault.message().to_owned());
            let RegisterForm { username, first_name, last_name, email, street, city, postcode, .. } = form;
            let written = [username, first_name, last_name, email, street, city, postcode];
            let again = Registration { next: form.next.0, written, country: form.country, problem };
            reader.answer_privately(Ok(again))
        }
        (Err(fault), _) => reader.sorry(&fault),
    }
}

/// `GET /orders`: the way to one of them, or one's own.
pub(super) async fn orders(
    State(shop): Shared,
    mut reader: Reader,
    browser: Browser,
    Asked(query): Asked<OrdersQuery>,
) -> Response {
    if !query.order.is_empty() {
        return match query.order.trim().parse::<Ticket>() {
            Ok(id) => (StatusCode::SEE_OTHER, [(header::LOCATION, format!("/orders/{id}"))]).into_response(),
            Err(_) => reader.sorry(&Fault::BadRequest("An order has a number.".into())),
        };
    }
    let look = async {
        let customer = visitor(&shop, &browser, &mut reader).await?.member;
        let orders = match &customer {
            Some(member) => shop.store.orders_of(member.id).await?,
            None => Vec::new(),
        };
        Ok(Orders { customer, orders })
    };
    let orders = look.await;
    reader.answer_privately(orders)
}

/// `GET /checkout`.
pub(super) async fn checkout(State(shop): Shared, mut reader: Reader, browser: Browser) -> Response {
    let visitor = match visitor(&shop, &browser, &mut reader).await {
        Ok(visitor) => visitor,
        Err(fault) => return reader.sorry(&fault),
    };
    match (&visitor.member, reader.format) {
        (Some(member), _) => reader.answer_privately(show_checkout(&shop, member.id, visitor.cart).await),
        // The same address takes the name and the password.
        (None, Format::Html) => reader.answer_privately(Ok(ask("/checkout", "/checkout".into(), None))),
        (None, Format::Json) => reader.sorry(&Fault::SignIn("Sign in to check out.")),
    }
}

/// `POST /checkout`: signs in, and shows at once what is about to be bought, as the TPC-W-like model does.
pub(super) async fn sign_in_to_buy(
    State(shop): Shared,
    mut reader: Reader,
    (browser, client): (Browser, Client),
    Sent(form): Sent<SignInForm>,
) -> Response {
    let (customer, token) = match admit(&shop, &browser, client, &form).await {
        Ok(admitted) => admitted,
        Err(fault) => return refuse(&reader, fault, "/checkout", "/checkout".into()),
    };
    let show = async {
        let cart = match form.cart {
            None => shop.store.visitor(Some(&token)).await?.unwrap_or_default().cart,
            cart => cart,
        };
        show_checkout(&shop, customer.id, cart).await
    };
    reader.meet(Some(&customer.first_name));
    let answer = reader.answer_privately(show.await);
    give(&shop, &browser, answer, (&token, Some(&customer.first_name)))
}

/// `GET /admin/products/{id}`.
pub(super) async fn edit(
    State(shop): Shared,
    mut reader: Reader,
    browser: Browser,
    Id(id): Id<u32>,
) -> Response {
    let show = async {
        staff(&shop, &browser, &mut reader).await?;
        shop.store.product(id).await.map(Edit)
    };
    let shown = show.await;
    match shown {
        Err(fault) => refuse(&reader, fault, "/login", format!("/admin/products/{id}")),
        found => reader.answer_privately(found),
    }
}

/// `POST /admin/products/{id}`.
pub(super) async fn change(
    State(shop): Shared,
    mut reader: Reader,
    browser: Browser,
    Id(id): Id<u32>,
    Sent(form): Sent<PriceForm>,
) -> Response {
    let change = async {
        staff(&shop, &browser, &mut reader).await?;
        shop.store.change_product(id, form.checked()?).await?;
        shop.store.product(id).await.map(Changed)
    };
    let changed = change.await;
    match changed {
        Err(fault) => refuse(&reader, fault, "/login", format!("/admin/products/{id}")),
        changed => reader.answer_privately(changed),
    }
}

/// Who is there; without a session, nobody with nothing.
pub(super) async fn visitor(shop: &Shop, browser: &Browser, reader: &mut Reader) -> Result<Visitor, Fault> {
    let visitor = shop.store.visitor(browser.token.as_ref()).await?.unwrap_or_default();
    reader.meet(visitor.member.as_ref().map(|member| &*member.first_name));
    Ok(visitor)
}

async fn staff(shop: &Shop, browser: &Browser, reader: &mut Reader) -> Result<(), Fault> {
    match visitor(shop, browser, reader).await?.member {
        None => Err(Fault::SignIn("This page is for the staff.")),
        Some(member) if !member.staff => Err(Fault::Forbidden("This page is for the staff.")),
        Some(_) => Ok(()),
    }
}

/// Makes the session of whoever this name and password belong to, with a new secret. A name that nobody has takes as long as
/// one that somebody has, and is tried no more often.
async fn admit(
    shop: &Shop,
    browser: &Browser,
    client: Client,
    form: &SignInForm,
) -> Result<(Member, Token), Fault> {
    let wrong = Fault::SignIn("The name or the password is wrong.");
    let Some(password) = form.password() else { return Err(wrong) };
    let name = form.name();
    // What no account can be called is one name.
    let counted = name.unwrap_or_default();
    if let Some(wait) = shop.attempts.wait(counted, client, pace::now()) {
        shop.telemetry.sign_ins_refused.inc();
        return Err(Fault::TooOften(wait));
    }
    let found = match name {
        Some(name) => shop.store.by_name(name).await?,
        None => None,
    };
    let (member, stored) = found.unzip();
    let fits = shop.passwords.fits(password, stored).await?;
    let Some(member) = member.filter(|_| fits) else {
        shop.attempts.failed(counted, client, pace::now());
        shop.telemetry.sign_ins_failed.inc();
        return Err(wrong);
    };
    shop.attempts.succeeded(counted);
    let token = Token::new()?;
    shop.store.sign_in(browser.token.as_ref(), &token, member.id, form.cart).await?;
    Ok((member, token))
}

/// The answer with the cookie of a session that began just now: its secret, and the first name of who has signed in.
pub(super) fn give(
    shop: &Shop,
    browser: &Browser,
    answer: Response,
    (token, name): (&Token, Option<&str>),
) -> Response {
    browser.give(answer, token, name, shop.store.lives.session_s)
}

/// The same, for who has just signed in.
fn welcome(shop: &Shop, browser: &Browser, reader: &Reader, who: SignedIn, token: &Token) -> Response {
    let name = who.customer.first_name.clone();
    give(shop, browser, reader.answer_privately(Ok(who)), (token, Some(&name)))
}

/// A person who has to sign in is shown where.
fn refuse(reader: &Reader, fault: Fault, action: &'static str, next: String) -> Response {
    match (fault, reader.format) {
        (Fault::SignIn(problem), Format::Html) => {
            reader.answer_privately(Ok(ask(action, next, Some(problem))))
        }
        (fault, _) => reader.sorry(&fault),
    }
}

fn ask(action: &'static str, next: String, problem: Option<&'static str>) -> SignIn {
    SignIn { action, next, problem }
}

async fn show_checkout(shop: &Shop, customer: u32, cart: Option<Ticket>) -> Result<Checkout, Fault> {
    let cart = match cart {
        Some(cart) => shop.store.cart(cart).await?,
        None => Cart::default(),
    };
    let customer = shop.store.customer(customer).await?;
    let tax_cents = tax_cents(cart.subtotal_cents);
    let total_cents = cart.subtotal_cents + tax_cents;
    Ok(Checkout { customer, cart, tax_cents, total_cents, idempotency_key: new_key()? })
}
