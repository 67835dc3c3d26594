//! Carts and what becomes of them: shown, filled, changed, bought. Each handler is a question or two to the store and
//! one view. Who carries a cart's ticket along needs no session.

use super::answer::{Format, Reader};
use super::fault::Fault;
use super::input::{Asked, BuyForm, CartForm, CartQuery, Id, LineForm, Sent};
use super::members;
use super::pages::{CartPage, Placed};
use super::routes::{Shared, Shop};
use super::store::{Cart, Visitor};
use super::ticket::Ticket;
use super::token::{Browser, Token, new_key};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

/// The cart of this ticket, or the visitor's own. A program without either has to say which.
pub(super) async fn cart(
    State(shop): Shared,
    mut reader: Reader,
    browser: Browser,
    Asked(query): Asked<CartQuery>,
) -> Response {
    let show = async {
        let own = query.cart.is_none();
        let id = if own { members::visitor(&shop, &browser, &mut reader).await?.cart } else { query.cart };
        let cart = match (id, reader.format) {
            (Some(id), _) => shop.store.cart(id).await?,
            (None, Format::Html) => Cart::default(),
            (None, Format::Json) => {
                return Err(Fault::BadRequest("Say which cart: /cart?cart=NUMBER.".into()));
            }
        };
        Ok(CartPage { cart, key: new_key()?, elsewhere: None, own })
    };
    let page = show.await;
    reader.answer_privately(page)
}

/// Adds to the cart that the form names, else to the visitor's own, else to a new one: a browser is given a session
/// for it, and a program its ticket.
pub(super) async fn add_to_cart(
    State(shop): Shared,
    reader: Reader,
    browser: Browser,
    Sent(form): Sent<CartForm>,
) -> Response {
    let add = async {
        let quantity = form.quantity()?;
        let visitor = match form.cart {
            None => shop.store.visitor(browser.token.as_ref()).await?,
            Some(_) => None,
        };
        let known = form.cart.or(visitor.as_ref().and_then(|visitor| visitor.cart));
        let id = shop.store.add_to_cart(known, form.item, quantity).await?;
        let token = if known.is_none() {
            keep_cart(&shop, reader.format, &browser, visitor, id).await?
        } else {
            None
        };
        Ok((changed_cart(&shop, id, form.cart.is_none()).await?, token))
    };
    match add.await {
        Ok((page, token)) => {
            let answer = reader.answer_privately(Ok(page));
            match token {
                Some(token) => members::give(&shop, &browser, answer, (&token, None)),
                None => answer,
            }
        }
        Err(fault) => reader.sorry(&fault),
    }
}

/// Gives a new cart to the visitor's session, and the secret of that if it is new too.
async fn keep_cart(
    shop: &Shop,
    format: Format,
    browser: &Browser,
    visitor: Option<Visitor>,
    cart: Ticket,
) -> Result<Option<Token>, Fault> {
    match (visitor, &browser.token, format) {
        (Some(_), Some(token), _) => shop.store.keep_cart(token, cart).await.map(|()| None),
        (_, _, Format::Html) => {
            let token = Token::new()?;
            shop.store.begin(&token, cart).await?;
            Ok(Some(token))
        }
        (_, _, Format::Json) => Ok(None),
    }
}

/// `POST /cart/items/{id}`.
pub(super) async fn change_line(
    State(shop): Shared,
    mut reader: Reader,
    browser: Browser,
    Id(item): Id<u32>,
    Sent(form): Sent<LineForm>,
) -> Response {
    let change = async {
        shop.store.set_line(form.cart, item, form.quantity()?).await?;
        let own = members::visitor(&shop, &browser, &mut reader).await?.cart == Some(form.cart);
        changed_cart(&shop, form.cart, own).await
    };
    let page = change.await;
    reader.answer_privately(page)
}

/// A cart that was changed just now; a browser is sent to where it is shown.
async fn changed_cart(shop: &Shop, id: Ticket, own: bool) -> Result<CartPage, Fault> {
    let elsewhere = Some(if own { "/cart".into() } else { format!("/cart?cart={id}") });
    Ok(CartPage { cart: shop.store.cart(id).await?, key: new_key()?, elsewhere, own })
}

/// `POST /buy`.
pub(super) async fn buy(
    State(shop): Shared,
    mut reader: Reader,
    browser: Browser,
    headers: HeaderMap,
    Sent(form): Sent<BuyForm>,
) -> Response {
    let buy = async {
        let visitor = match form.leaves_out() {
            true => members::visitor(&shop, &browser, &mut reader).await?,
            false => Visitor::default(),
        };
        shop.store.buy(&form.purchase(&headers, &visitor)?).await.map(Placed)
    };
    let placed = buy.await;
    reader.answer_privately(placed)
}
