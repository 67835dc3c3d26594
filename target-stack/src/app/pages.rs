//! The shop's pages: the views that handlers give, and how they look. maud checks the markup when it is compiled and
//! escapes every value. Given data, it gives text; it never fetches anything.

mod members;
mod parts;
#[cfg(test)]
mod tests;

pub(crate) use members::{Changed, Checkout, Edit, Orders, Registration, SignIn, SignedIn};
pub(crate) use parts::{STYLE, STYLE_PATH, draw_cover, layout, sorry};

use super::answer::View;
use super::store::{Card, Cart, Order, Product, SearchBy};
use crate::db::words::SUBJECTS;
use maud::{Markup, html};
use parts::{cover, grid, label, money, table};
use serde::Serialize;

/// The start page.
#[derive(Debug, Serialize)]
pub(crate) struct Home {
    pub(crate) customer: Option<String>,
    pub(crate) promotions: Vec<Card>,
}

/// Items under a heading.
#[derive(Debug, Serialize)]
pub(crate) struct Listing {
    pub(crate) heading: &'static str,
    /// The route, for the choice of another subject.
    #[serde(skip)]
    pub(crate) route: &'static str,
    pub(crate) subject: String,
    pub(crate) items: Vec<Card>,
}

/// The search form, with what the last search found.
#[derive(Debug, Serialize)]
pub(crate) struct Search {
    pub(crate) q: String,
    pub(crate) by: SearchBy,
    pub(crate) items: Vec<Card>,
}

/// An order that was placed just now.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Placed(pub(crate) Order);

/// A cart.
#[derive(Debug, Serialize)]
pub(crate) struct CartPage {
    #[serde(flatten)]
    pub(crate) cart: Cart,
    /// The key under which it can be bought by a guest.
    #[serde(skip)]
    pub(crate) key: String,
    /// Where it is shown, when it was changed just now.
    #[serde(skip)]
    pub(crate) elsewhere: Option<String>,
    /// Whether it is the visitor's own, and not one that was asked for by its ticket.
    #[serde(skip)]
    pub(crate) own: bool,
}

impl View for Home {
    fn page(&self) -> (String, Markup) {
        let main = html! {
            section.hero {
                @match &self.customer {
                    Some(name) => h1 { "Welcome back, " (name) "." },
                    None => h1 { "Books about everything" },
                }
                p.lead { "Two dozen subjects and one warehouse, delivered by a load generator." }
                p {
                    a.button href="/best-sellers" { "Best sellers" } " "
                    a.button.quiet href="/search" { "Search the shelves" }
                }
            }
            h2 { "Chosen for you" }
            (grid(&self.promotions))
            h2 { "Subjects" }
            ul.subjects {
                @for subject in SUBJECTS {
                    li { a href={ "/new-products?subject=" (subject) } { (label(subject)) } }
                }
            }
        };
        ("Home".into(), main)
    }
}

impl View for Product {
    fn page(&self) -> (String, Markup) {
        let main = html! {
            article.product {
                (cover(&self.thumbnail))
                div {
                    h1 { (self.title) }
                    p.by { "by " (self.author) }
                    p.price { (money(self.price_cents.into())) }
                    form method="post" action="/cart" {
                        input type="hidden" name="item" value=(self.id);
                        label { "Quantity " input type="number" name="quantity" value="1" min="1" max="99"; }
                        button { "Add to cart" }
                    }
                    p.text { (self.description) }
                    dl {
                        dt { "Subject" }
                        dd { a href={ "/new-products?subject=" (self.subject) } { (label(&self.subject)) } }
                        dt { "Published" } dd { (self.published) }
                        dt { "In stock" } dd { (self.stock) }
                        dt { "Related" }
                        dd { @for id in &self.related { a href={ "/products/" (id) } { "No. " (id) } " " } }
                    }
                    p.by { a href={ "/admin/products/" (self.id) } rel="nofollow" { "For staff: change it" } }
                }
            }
        };
        (self.title.clone(), main)
    }
}

impl View for Listing {
    fn page(&self) -> (String, Markup) {
        let main = html! {
            h1 { (self.heading) }
            form action=(self.route) {
                label { "Subject "
                    select name="subject" {
                        option value="" { "All" }
                        @for subject in SUBJECTS {
                            option value=(subject) selected[subject == self.subject] { (label(subject)) }
                        }
                    }
                }
                button { "Show" }
            }
            @if self.items.is_empty() { p { "There is nothing here." } }
            (grid(&self.items))
        };
        (self.heading.into(), main)
    }
}

impl View for Search {
    fn page(&self) -> (String, Markup) {
        let kinds =
            [("title", SearchBy::Title), ("author", SearchBy::Author), ("subject", SearchBy::Subject)];
        let main = html! {
            h1 { "Search" }
            form action="/search" {
                label { "Words " input type="search" name="q" value=(self.q); }
                label { "in "
                    select name="by" {
                        @for (name, by) in kinds { option value=(name) selected[by == self.by] { (name) } }
                    }
                }
                button { "Search" }
            }
            @if !self.q.is_empty() {
                @match self.items.len() {
                    0 => p { "Nothing found." },
                    found => p.by { (found) @if found == 1 { " title" } @else { " titles" } },
                }
            }
            (grid(&self.items))
        };
        ("Search".into(), main)
    }
}

impl View for CartPage {
    fn page(&self) -> (String, Markup) {
        let Cart { id, lines, subtotal_cents } = &self.cart;
        let main = html! {
            h1 { "Your cart" }
            @if lines.is_empty() {
                p.lead { "It is empty." }
                p { a.button href="/best-sellers" { "Look around" } }
            } @else {
                (table(lines, &[("Subtotal", *subtotal_cents)], Some(*id)))
                @if self.own {
                    p { a.button href="/checkout" { "Check out" } }
                }
                form method="post" action="/buy" {
                    input type="hidden" name="cart" value=(id);
                    input type="hidden" name="idempotency_key" value=(self.key);
                    label {
                        @if self.own { "Or as a guest, with an e-mail address " } @else { "E-mail address " }
                        input type="email" name="email" autocomplete="email" maxlength="60" required;
                    }
                    button.quiet { "Buy now" }
                }
            }
        };
        ("Your cart".into(), main)
    }

    fn elsewhere(&self) -> Option<String> {
        self.elsewhere.clone()
    }
}

impl View for Placed {
    fn page(&self) -> (String, Markup) {
        let order = &self.0;
        let main = html! {
            p.done role="status" { "Thank you! Your order is placed." }
            h1 { "Order " (order.id.id) }
            p.lead {
                "Your order number is " code { (order.id) } ". Keep it: with it you find the order again"
                @if let Some(guest) = &order.guest { ", and with it alone: it was placed for " (guest) }
                "."
            }
            (table(&order.lines, &sums(order), None))
            p.ways {
                a.button href="/best-sellers" { "Go on shopping" }
                a.button.quiet href={ "/orders/" (order.id) } { "To the order" }
            }
        };
        (format!("Order {} is placed", order.id.id), main)
    }
}

fn sums(order: &Order) -> [(&'static str, u64); 3] {
    [("Subtotal", order.subtotal_cents), ("Tax", order.tax_cents), ("Total", order.total_cents)]
}

impl View for Order {
    fn page(&self) -> (String, Markup) {
        let main = html! {
            h1 { "Order " (self.id.id) }
            p.lead {
                "Placed " (self.placed_at) " UTC by "
                @match (self.customer, &self.guest) {
                    (Some(customer), _) => { "customer " (customer) },
                    (None, guest) => { (guest.as_deref().unwrap_or("a guest")) },
                }
                ", " (label(&self.status)) "."
            }
            p.by { "The number to find it by, for you and whom you show it to: " code { (self.id) } }
            (table(&self.lines, &sums(self), None))
            p { a href="/orders" { "All orders" } }
        };
        (format!("Order {}", self.id.id), main)
    }
}
