//! The shop's pages: the views that handlers give, and how they look. maud checks the markup when it is compiled and
//! escapes every value. Given data, it gives text; it never fetches anything.

use super::answer::View;
use super::store::{Card, Cart, Line, Order, Product, SearchBy};
use crate::db::words::SUBJECTS;
use axum::http::StatusCode;
use maud::{DOCTYPE, Markup, html};
use serde::Serialize;

/// The only stylesheet.
pub(crate) const STYLE: &str = include_str!("style.css");

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

/// A cart, with the key under which it will be bought.
#[derive(Debug, Serialize)]
pub(crate) struct CartPage {
    #[serde(flatten)]
    pub(crate) cart: Cart,
    #[serde(skip)]
    pub(crate) key: String,
    #[serde(skip)]
    pub(crate) changed: bool,
}

impl View for Home {
    fn page(&self) -> (String, Markup) {
        let name = self.customer.as_deref().unwrap_or("reader");
        let main = html! {
            h1 { "Welcome, " (name) "." }
            p.lead { "Books about everything, delivered by a load generator." }
            h2 { "Chosen for you" }
            (grid(&self.promotions))
            h2 { "Subjects" }
            ul.subjects {
                @for subject in SUBJECTS {
                    li { a href={ "/best-sellers?subject=" (subject) } { (label(subject)) } }
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
                    p { (self.description) }
                    dl {
                        dt { "Subject" }
                        dd { a href={ "/new-products?subject=" (self.subject) } { (label(&self.subject)) } }
                        dt { "Published" } dd { (self.published) }
                        dt { "In stock" } dd { (self.stock) }
                    }
                    p { "Related: "
                        @for id in &self.related { a href={ "/products/" (id) } { "No. " (id) } " " }
                    }
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
                input type="search" name="q" value=(self.q) aria-label="Words";
                label { "in "
                    select name="by" {
                        @for (name, by) in kinds { option value=(name) selected[by == self.by] { (name) } }
                    }
                }
                button { "Search" }
            }
            @if !self.q.is_empty() && self.items.is_empty() { p { "Nothing found." } }
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
                p { "It is empty. " a href="/best-sellers" { "Look around." } }
            } @else {
                (table(lines, &[("Subtotal", *subtotal_cents)]))
                form method="post" action="/buy" {
                    input type="hidden" name="cart" value=(id);
                    input type="hidden" name="idempotency_key" value=(self.key);
                    label { "Customer number " input type="number" name="customer" min="1" required; }
                    button { "Buy now" }
                }
            }
        };
        ("Your cart".into(), main)
    }

    fn elsewhere(&self) -> Option<String> {
        self.changed.then(|| format!("/cart?cart={}", self.cart.id))
    }
}

impl View for Order {
    fn page(&self) -> (String, Markup) {
        let sums = [("Subtotal", self.subtotal_cents), ("Tax", self.tax_cents), ("Total", self.total_cents)];
        let main = html! {
            h1 { "Order " (self.id) }
            p.lead { "Placed " (self.placed_at) " UTC by customer " (self.customer) ", " (label(&self.status)) "." }
            (table(&self.lines, &sums))
        };
        (format!("Order {}", self.id), main)
    }
}

/// The frame of every page.
pub(crate) fn layout(title: &str, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Foobar Books" }
                link rel="stylesheet" href="/style.css";
                link rel="icon" href="/images/item-0.svg";
            }
            body {
                header {
                    a.brand href="/" { "Foobar Books" }
                    nav {
                        a href="/new-products" { "New" }
                        a href="/best-sellers" { "Best sellers" }
                        a href="/search" { "Search" }
                    }
                }
                main { (main) }
                footer { "www.foobar.com, a shop made to be loaded" }
            }
        }
    }
}

/// The page of a request that failed.
pub(crate) fn sorry(status: StatusCode, message: &str) -> Markup {
    let reason = status.canonical_reason().unwrap_or("Sorry");
    layout(reason, &html! { h1 { (reason) } p.lead { (message) } p { a href="/" { "Back to the shop" } } })
}

/// A book's cover in the colour of its number.
pub(crate) fn draw_cover(number: u32) -> String {
    let hue = number * 47 % 360;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 60 80\"><rect width=\"60\" height=\"80\" rx=\"3\" \
         fill=\"hsl({hue} 45% 42%)\"/><path d=\"M8 0v80\" stroke=\"hsl({hue} 45% 30%)\" stroke-width=\"3\"/><path \
         d=\"M18 20h32M18 28h22\" stroke=\"#fff\" stroke-opacity=\".8\" stroke-width=\"3\"/></svg>"
    )
}

fn grid(items: &[Card]) -> Markup {
    html! {
        ul.grid {
            @for item in items {
                li {
                    a href={ "/products/" (item.id) } { (cover(&item.thumbnail)) strong { (item.title) } }
                    span.by { (item.author) }
                    span.price { (money(item.price_cents.into())) }
                    @if let Some(sold) = item.sold { span.by { (sold) " sold lately" } }
                }
            }
        }
    }
}

fn table(lines: &[Line], sums: &[(&str, u64)]) -> Markup {
    html! {
        table {
            thead { tr { th { "Item" } th { "Quantity" } th { "Price" } } }
            tbody {
                @for line in lines {
                    tr {
                        td { a href={ "/products/" (line.item) } { (line.title) } }
                        td { (line.quantity) }
                        td { (money(line.price_cents.into())) }
                    }
                }
            }
            tfoot {
                @for (name, cents) in sums { tr { th colspan="2" { (name) } td { (money(*cents)) } } }
            }
        }
    }
}

fn cover(thumbnail: &str) -> Markup {
    html! { img src={ "/images/" (thumbnail) } alt="" width="60" height="80" loading="lazy"; }
}

fn money(cents: u64) -> String {
    format!("${}.{:02}", cents / 100, cents % 100)
}

/// `SCIENCE-FICTION` as a person writes it.
fn label(name: &str) -> String {
    let lower = name.to_lowercase().replace('-', " ");
    let mut letters = lower.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_visitors_write_is_escaped() {
        let search =
            Search { q: "\"><script>alert(1)</script>".into(), by: SearchBy::Title, items: Vec::new() };
        let (title, main) = search.page();
        let page = layout(&title, &main).into_string();
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;script&gt;"), "{page}");
    }

    #[test]
    fn money_and_labels_read_well() {
        assert_eq!([money(5), money(1234), money(100_000)], ["$0.05", "$12.34", "$1000.00"]);
        assert_eq!([label("SCIENCE-FICTION"), label("")], ["Science fiction", ""]);
    }
}
