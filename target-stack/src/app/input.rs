//! What visitors send, as types that cannot hold nonsense: whatever does not parse is answered with 400 before a
//! handler sees it. It never looks at the database.

use super::answer::Reader;
use super::fault::Fault;
use super::forms;
use super::store::{Basket, Buyer, MOST, Purchase, SearchBy, Visitor};
use super::ticket::Ticket;
use super::unread::Unread;
use axum::extract::rejection::{FormRejection, PathRejection, QueryRejection};
use axum::extract::{Form, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The number in a path such as `/products/7`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let id: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        match id {
            Ok(Path(id)) => Ok(Self(id)),
            Err(error) => Err(Reader::of(&parts.headers).sorry(&Fault::Unread(Unread::address(&error)))),
        }
    }
}

/// The query string.
#[derive(Debug)]
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let asked: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        match asked {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => Err(Reader::of(&parts.headers).sorry(&Fault::Unread(Unread::fields(&error)))),
        }
    }
}

/// A form's fields.
#[derive(Debug)]
pub(crate) struct Sent<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Sent<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let reader = Reader::of(request.headers());
        let sent: Result<Form<T>, FormRejection> = Form::from_request(request, state).await;
        match sent {
            Ok(Form(sent)) => Ok(Self(sent)),
            Err(error) => Err(reader.sorry(&match error.status() {
                StatusCode::PAYLOAD_TOO_LARGE => Fault::TooLarge,
                StatusCode::UNSUPPORTED_MEDIA_TYPE => Fault::NoForm,
                _ => Fault::Unread(Unread::fields(&error)),
            })),
        }
    }
}

/// `GET /?customer=`.
#[derive(Debug, Deserialize)]
pub(crate) struct HomeQuery {
    pub(crate) customer: Option<u32>,
}

/// `?subject=`, where empty means all.
#[derive(Debug, Deserialize)]
pub(crate) struct SubjectQuery {
    #[serde(default)]
    pub(crate) subject: String,
}

/// `GET /search`.
#[derive(Debug, Deserialize)]
pub(crate) struct SearchQuery {
    #[serde(default)]
    pub(crate) q: String,
    #[serde(default)]
    pub(crate) by: SearchBy,
}

/// `GET /cart`.
#[derive(Debug, Deserialize)]
pub(crate) struct CartQuery {
    pub(crate) cart: Option<Ticket>,
}

/// `?n=`, of which TechEmpower's rules accept anything.
#[derive(Debug, Deserialize)]
pub(crate) struct CountQuery {
    #[serde(default)]
    n: String,
}

impl CountQuery {
    /// 1 to 20; what is no number is 1.
    pub(crate) fn count(&self) -> usize {
        self.n.parse::<i64>().map_or(1, |n| n.clamp(1, 20) as usize)
    }
}

/// `POST /cart`.
#[derive(Debug, Deserialize)]
pub(crate) struct CartForm {
    pub(crate) cart: Option<Ticket>,
    pub(crate) item: u32,
    #[serde(default = "one")]
    quantity: u32,
}

impl CartForm {
    pub(crate) fn quantity(&self) -> Result<u32, Fault> {
        checked_quantity(self.quantity)
    }
}

/// `POST /cart/items/{id}`.
#[derive(Debug, Deserialize)]
pub(crate) struct LineForm {
    pub(crate) cart: Ticket,
    quantity: u32,
    /// Of the button that empties the line.
    remove: Option<String>,
}

impl LineForm {
    /// How many copies there are to be, with 0 for none.
    pub(crate) fn quantity(&self) -> Result<u32, Fault> {
        if self.remove.is_some() || self.quantity == 0 { Ok(0) } else { checked_quantity(self.quantity) }
    }
}

/// `POST /buy`.
#[derive(Debug, Deserialize)]
pub(crate) struct BuyForm {
    /// Whom the buyer takes themselves for.
    customer: Option<u32>,
    /// A guest's e-mail address.
    email: Option<String>,
    cart: Option<Ticket>,
    item: Option<u32>,
    #[serde(default = "one")]
    quantity: u32,
    idempotency_key: Option<String>,
}

impl BuyForm {
    /// Whether it takes a session to know who buys, or what.
    pub(crate) fn leaves_out(&self) -> bool {
        self.email.is_none() || (self.cart, self.item) == (None, None)
    }

    /// The purchase that is meant. What the form does not say is the visitor's; the key in the header goes before the
    /// one in the form.
    ///
    /// # Errors
    /// When it is not clear who buys, what, or under which key.
    pub(crate) fn purchase(self, headers: &HeaderMap, visitor: &Visitor) -> Result<Purchase, Fault> {
        let own = visitor.member.as_ref().map(|member| member.id);
        let buyer = match (self.email, self.customer, own) {
            (Some(_), Some(_), _) => {
                return Err(Fault::BadRequest("Buy either as a guest or as a customer.".into()));
            }
            (Some(email), None, _) => Buyer::Guest(forms::email(&email)?),
            (None, None, Some(own)) => Buyer::Member(own),
            (None, Some(customer), Some(own)) if customer == own => Buyer::Member(own),
            (None, Some(_), Some(_)) => return Err(Fault::Forbidden("You are another customer.")),
            (None, _, None) => {
                return Err(Fault::SignIn("Sign in to buy, or give an e-mail address to buy as a guest."));
            }
        };
        let basket = match (self.cart, self.item, visitor.cart) {
            (Some(cart), None, _) | (None, None, Some(cart)) => Basket::Cart(cart),
            (None, Some(item), _) => Basket::Item { item, quantity: checked_quantity(self.quantity)? },
            _ => return Err(Fault::BadRequest("Buy either a cart or an item.".into())),
        };
        Ok(Purchase { key: key(headers, self.idempotency_key.as_deref())?, buyer, basket })
    }
}

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key in the header, else the one in the form. In the header it may be in quotes, as the draft has it
/// (draft-ietf-httpapi-idempotency-key-header-07, section 2.1); the quotes are not of it.
fn key(headers: &HeaderMap, written: Option<&str>) -> Result<String, Fault> {
    let mut sent = headers.get_all(KEY).iter();
    let header = sent.next().map(|value| value.to_str().unwrap_or_default());
    if sent.next().is_some() {
        return Err(Fault::BadRequest("Send one Idempotency-Key.".into()));
    }
    let key = header.or(written).unwrap_or_default();
    let key = key.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(key);
    let allowed = (1..=64).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if allowed {
        Ok(key.to_owned())
    } else {
        Err(Fault::Unread(Unread::field(
            "idempotency_key",
            "This purchase cannot be told from others. Please go back to the cart and buy again.",
            "send an Idempotency-Key of 1 to 64 visible ASCII characters",
        )))
    }
}

fn one() -> u32 {
    1
}

fn checked_quantity(quantity: u32) -> Result<u32, Fault> {
    if (1..=MOST).contains(&quantity) {
        Ok(quantity)
    } else {
        Err(Fault::BadRequest(format!("The quantity is 1 to {MOST}.")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::Member;
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn counts_are_clamped_as_techempower_does() {
        let cases = [("", 1), ("x", 1), ("-3", 1), ("0", 1), ("7", 7), ("20", 20), ("501", 20), ("2.5", 1)];
        for (text, want) in cases {
            assert_eq!(CountQuery { n: text.into() }.count(), want, "{text}");
        }
    }

    fn ticket(id: u64) -> Ticket {
        Ticket { id, secret: 1 }
    }

    fn form(cart: Option<u64>, item: Option<u32>, quantity: u32, key: &str) -> BuyForm {
        let (email, cart) = (Some("ada@example.com".into()), cart.map(ticket));
        BuyForm { customer: None, email, cart, item, quantity, idempotency_key: Some(key.into()) }
    }

    #[test]
    fn a_purchase_has_one_basket_and_one_key() {
        let none = HeaderMap::new();
        let long = "k".repeat(65);
        for (form, want) in [
            (form(Some(7), None, 1, "k"), Some(Basket::Cart(ticket(7)))),
            (form(None, Some(3), 2, "k"), Some(Basket::Item { item: 3, quantity: 2 })),
            (form(None, Some(3), 0, "k"), None),
            (form(None, Some(3), 100, "k"), None),
            (form(Some(7), Some(3), 1, "k"), None),
            (form(None, None, 1, "k"), None),
            (form(Some(7), None, 1, ""), None),
            (form(Some(7), None, 1, "a b"), None),
            (form(Some(7), None, 1, &long), None),
        ] {
            let text = format!("{form:?}");
            assert_eq!(
                form.purchase(&none, &Visitor::default()).ok().map(|purchase| purchase.basket),
                want,
                "{text}"
            );
        }
    }

    #[test]
    fn nobody_buys_for_another_and_what_a_form_leaves_out_is_the_visitor_s() {
        let none = HeaderMap::new();
        let visitor = |member: Option<u32>, cart: Option<u64>| Visitor {
            member: member.map(|id| Member { id, first_name: "Ada".into(), staff: false }),
            cart: cart.map(ticket),
        };
        let guest = || Some("a@b");
        let as_guest = |cart| Ok((Buyer::Guest("a@b".into()), cart));
        for (email, customer, cart, visitor, leaves_out, want) in [
            (None, None, Some(7), visitor(Some(2), Some(8)), true, Ok((Buyer::Member(2), 7))),
            (None, None, None, visitor(Some(2), Some(8)), true, Ok((Buyer::Member(2), 8))),
            (None, Some(2), None, visitor(Some(2), Some(8)), true, Ok((Buyer::Member(2), 8))),
            (None, Some(1), None, visitor(Some(2), Some(8)), true, Err(403)),
            (None, Some(1), Some(7), visitor(None, None), true, Err(401)),
            (None, None, None, visitor(None, Some(8)), true, Err(401)),
            (None, None, None, visitor(Some(2), None), true, Err(400)),
            (guest(), None, Some(7), visitor(None, None), false, as_guest(7)),
            (guest(), None, Some(7), visitor(Some(2), Some(8)), false, as_guest(7)),
            (guest(), None, None, visitor(None, Some(8)), true, as_guest(8)),
            (guest(), Some(2), Some(7), visitor(Some(2), None), false, Err(400)),
            (Some("nobody"), None, Some(7), visitor(None, None), false, Err(400)),
        ] {
            let form = BuyForm { customer, email: email.map(String::from), ..form(cart, None, 1, "k") };
            let text = format!("{form:?} {visitor:?}");
            assert_eq!(form.leaves_out(), leaves_out, "{text}");
            let found = form.purchase(&none, &visitor).map(|purchase| match purchase.basket {
                Basket::Cart(cart) => (purchase.buyer, cart.id),
                Basket::Item { .. } => panic!("no item was named"),
            });
            assert_eq!(found.map_err(|fault| fault.status().as_u16()), want, "{text}");
        }
    }

    #[test]
    fn a_line_is_changed_or_removed() {
        let yes = || Some("yes".to_owned());
        for (quantity, remove, want) in [
            (3, None, Some(3)),
            (0, None, Some(0)),
            (3, yes(), Some(0)),
            (99, None, Some(99)),
            (100, None, None),
        ] {
            let form = LineForm { cart: ticket(1), quantity, remove };
            assert_eq!(form.quantity().ok(), want, "{form:?}");
        }
    }

    #[test]
    fn there_is_one_key_and_the_header_s_goes_first() {
        for (sent, written, want) in [
            (&["head"][..], Some("form"), Some("head")),
            (&["\"in-quotes\""], None, Some("in-quotes")),
            (&[], Some("form"), Some("form")),
            (&["a", "b"], Some("form"), None),
            (&[""], Some("form"), None),
            (&["\"\""], None, None),
            (&["\u{e9}"], Some("form"), None),
            (&[], None, None),
        ] {
            let mut headers = HeaderMap::new();
            for value in sent {
                headers.append(KEY, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
            }
            assert_eq!(key(&headers, written).ok().as_deref(), want, "{sent:?} {written:?}");
        }
    }
}
