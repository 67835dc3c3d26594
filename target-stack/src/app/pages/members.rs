//! The pages of people who have signed in, or are asked to: accounts, checkout, lists of orders, and the staff's.
//! Given data, it gives text.

use super::parts::{cover, label, money, table};
use crate::app::answer::View;
use crate::app::store::{Cart, Customer, Member, Product, Summary};
use crate::db::words::COUNTRIES;
use axum::http::StatusCode;
use maud::{Markup, html};
use serde::Serialize;

/// Asks who is there.
#[derive(Debug, Serialize)]
pub(crate) struct SignIn {
    /// Where the form goes: `/login`, or `/checkout`.
    #[serde(skip)]
    pub(crate) action: &'static str,
    /// Where to go afterwards.
    pub(crate) next: String,
    /// Why it asks again.
    pub(crate) problem: Option<&'static str>,
}

/// Asks who is new.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Registration {
    /// Where to go afterwards.
    pub(crate) next: String,
    /// What was written before, less the password, in the order of the fields.
    #[serde(skip)]
    pub(crate) written: [String; 7],
    #[serde(skip)]
    pub(crate) country: u16,
    /// Why it asks again.
    pub(crate) problem: Option<String>,
}

/// Somebody has signed in.
#[derive(Debug, Serialize)]
pub(crate) struct SignedIn {
    pub(crate) customer: Member,
    pub(crate) next: String,
}

/// Orders: those of who has signed in, and the way to find one.
#[derive(Debug, Serialize)]
pub(crate) struct Orders {
    pub(crate) customer: Option<Member>,
    pub(crate) orders: Vec<Summary>,
}

/// What is about to be bought.
#[derive(Debug, Serialize)]
pub(crate) struct Checkout {
    pub(crate) customer: Customer,
    pub(crate) cart: Cart,
    pub(crate) tax_cents: u64,
    pub(crate) total_cents: u64,
    /// The key of the purchase: once for each time this is shown.
    pub(crate) idempotency_key: String,
}

/// The staff's form for a product.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Edit(pub(crate) Product);

/// A product that the staff have changed.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Changed(pub(crate) Product);

impl View for SignIn {
    fn page(&self) -> (String, Markup) {
        let main = html! {
            h1 { "Sign in" }
            @if let Some(problem) = self.problem { p.problem role="alert" { (problem) } }
            form.stack method="post" action=(self.action) {
                input type="hidden" name="next" value=(self.next);
                label { "User name" input name="username" autocomplete="username" required maxlength="20"; }
                label { "Password"
                    input type="password" name="password" autocomplete="current-password" required maxlength="128";
                }
                button { "Sign in" }
            }
            p { "New here? " a href={ "/register?next=" (self.next) } { "Open an account" } "." }
        };
        ("Sign in".into(), main)
    }

    fn status(&self) -> StatusCode {
        if self.problem.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK }
    }
}

/// The fields of a registration: label, name, what browsers know it as, length.
const FIELDS: [(&str, &str, &str, u8); 7] = [
    ("User name", "username", "username", 20),
    ("First name", "first_name", "given-name", 20),
    ("Last name", "last_name", "family-name", 20),
    ("E-mail", "email", "email", 60),
    ("Street", "street", "street-address", 60),
    ("City", "city", "address-level2", 40),
    ("Postcode", "postcode", "postal-code", 10),
];

impl View for Registration {
    fn page(&self) -> (String, Markup) {
        let main = html! {
            h1 { "Open an account" }
            @if let Some(problem) = &self.problem { p.problem role="alert" { (problem) } }
            form.stack method="post" action="/register" {
                input type="hidden" name="next" value=(self.next);
                @for ((text, name, known_as, length), value) in FIELDS.iter().zip(&self.written) {
                    label { (text)
                        input name=(name) value=(value) autocomplete=(known_as) required maxlength=(length);
                    }
                }
                label { "Country"
                    select name="country" autocomplete="country-name" {
                        @for (id, name) in (1_u16..).zip(COUNTRIES) {
                            option value=(id) selected[id == self.country] { (name) }
                        }
                    }
                }
                label { "Password, of 8 characters or more"
                    input type="password" name="password" autocomplete="new-password" required
                        minlength="8" maxlength="128";
                }
                button { "Open the account" }
            }
            p { "You have one? " a href={ "/login?next=" (self.next) } { "Sign in" } "." }
        };
        ("Open an account".into(), main)
    }

    fn status(&self) -> StatusCode {
        if self.problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK }
    }
}

impl View for SignedIn {
    fn page(&self) -> (String, Markup) {
        let main =
            html! { h1 { "Welcome, " (self.customer.first_name) "." } p { a href=(self.next) { "Go on" } } };
        ("Welcome".into(), main)
    }

    fn elsewhere(&self) -> Option<String> {
        Some(self.next.clone())
    }
}

impl View for Orders {
    fn page(&self) -> (String, Markup) {
        let main = html! {
            h1 { "Orders" }
            form action="/orders" {
                label { "Order number " input name="order" autocomplete="off" required; }
                button { "Find" }
            }
            @match &self.customer {
                Some(member) => {
                    h2 { "Your orders, " (member.first_name) }
                    (list(&self.orders))
                },
                None => p { a href="/login?next=/orders" { "Sign in" } " to see all of yours." },
            }
        };
        ("Orders".into(), main)
    }
}

fn list(orders: &[Summary]) -> Markup {
    html! {
        @if orders.is_empty() { p { "There are none yet." } } @else {
            table {
                thead { tr { th { "Order" } th { "Placed" } th { "Status" } th.number { "Total" } } }
                tbody {
                    @for order in orders {
                        tr {
                            td { a href={ "/orders/" (order.id) } { "No. " (order.id.id) } }
                            td { (order.placed_at) }
                            td { (label(&order.status)) }
                            td.number { (money(order.total_cents)) }
                        }
                    }
                }
            }
        }
    }
}

impl View for Checkout {
    fn page(&self) -> (String, Markup) {
        let Customer { first_name, last_name, email, street, city, postcode, country, .. } = &self.customer;
        let sums =
            [("Subtotal", self.cart.subtotal_cents), ("Tax", self.tax_cents), ("Total", self.total_cents)];
        let main = html! {
            h1 { "Check out" }
            h2 { "It goes to" }
            address {
                (first_name) " " (last_name) br;
                (street) br;
                (postcode) " " (city) br;
                (country) br;
                (email)
            }
            h2 { "You buy" }
            (table(&self.cart.lines, &sums, None))
            form method="post" action="/buy" {
                input type="hidden" name="cart" value=(self.cart.id);
                input type="hidden" name="idempotency_key" value=(self.idempotency_key);
                button { "Place the order" }
                a href="/cart" { "Back to the cart" }
            }
        };
        ("Check out".into(), main)
    }

    fn elsewhere(&self) -> Option<String> {
        self.cart.lines.is_empty().then(|| "/cart".into())
    }
}

impl View for Edit {
    fn page(&self) -> (String, Markup) {
        let Product { id, title, price_cents, thumbnail, .. } = &self.0;
        let number = thumbnail.trim_start_matches("item-").trim_end_matches(".svg");
        let main = html! {
            h1 { "Change a product" }
            p.lead { "No. " (id) ", " (title) }
            (cover(thumbnail))
            form.stack method="post" action={ "/admin/products/" (id) } {
                label { "Price in cents"
                    input type="number" name="price_cents" value=(price_cents) min="1" max="10000000" required;
                }
                label { "Number of the cover"
                    input type="number" name="cover" value=(number) min="0" max="65535" required;
                }
                button { "Change it" }
            }
        };
        ("Change a product".into(), main)
    }
}

impl View for Changed {
    fn page(&self) -> (String, Markup) {
        let Product { id, title, price_cents, thumbnail, related, .. } = &self.0;
        let main = html! {
            h1 { "Changed" }
            p.lead { "No. " (id) ", " (title) ", costs " (money((*price_cents).into())) "." }
            (cover(thumbnail))
            p { "Shown beside it: "
                @for item in related { a href={ "/products/" (item) } { "No. " (item) } " " }
            }
            p { a href={ "/products/" (id) } { "To its page" } }
        };
        ("Changed".into(), main)
    }
}
