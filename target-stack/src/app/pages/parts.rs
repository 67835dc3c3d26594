//! What pages are made of: their frame, lists of items, tables of lines, and how money and names are written. Given
//! data, it gives markup; it knows no page.

use crate::app::store::{Card, Line};
use crate::app::ticket::Ticket;
use axum::http::StatusCode;
use maud::{DOCTYPE, Markup, html};
use std::sync::LazyLock;

/// The only stylesheet.
pub(crate) const STYLE: &str = include_str!("../style.css");

/// Its address, which names its version: what is at this address never changes.
pub(crate) static STYLE_PATH: LazyLock<String> =
    LazyLock::new(|| format!("/style.{:08x}.css", fnv1a(STYLE.as_bytes())));

/// A short name for some bytes (Fowler, Noll and Vo, FNV-1a, 32 bits). It tells versions apart, not forgeries.
const fn fnv1a(bytes: &[u8]) -> u32 {
    let (mut hash, mut at) = (0x811c_9dc5_u32, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash
}

/// The frame of every page, for who has signed in under this first name, or nobody.
pub(crate) fn layout(title: &str, main: &Markup, name: Option<&str>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Foobar Books" }
                link rel="stylesheet" href=(STYLE_PATH.as_str());
                link rel="icon" href="/images/item-0.svg";
            }
            body {
                a.skip href="#main" { "Skip to the page" }
                header {
                    a.brand href="/" { "Foobar Books" }
                    form.find action="/search" role="search" {
                        input type="search" name="q" aria-label="Words of a title" placeholder="Words of a title";
                        button { "Search" }
                    }
                    nav aria-label="Shop" {
                        a href="/new-products" { "New" }
                        a href="/best-sellers" { "Best sellers" }
                        a href="/orders" { "Orders" }
                        a href="/cart" { "Cart" }
                        @if name.is_none() { a href="/login?next=/" { "Sign in" } }
                    }
                    @if let Some(name) = name {
                        form.who method="post" action="/logout" {
                            span { (name) }
                            button.plain { "Sign out" }
                        }
                    }
                }
                main #main { (main) }
                footer { "www.foobar.com, a shop made to be loaded. Nothing is sold here." }
            }
        }
    }
}

/// The page of a request that failed.
pub(crate) fn sorry(status: StatusCode, message: &str) -> (String, Markup) {
    let heading = match status {
        StatusCode::UNAUTHORIZED => "Please sign in",
        StatusCode::FORBIDDEN => "This is not for everybody",
        StatusCode::NOT_FOUND => "We cannot find that",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "One moment, please",
        _ if status.is_client_error() => "That did not work",
        _ => "We are sorry",
    };
    let main = html! {
        h1 { (heading) }
        p.lead { (message) }
        p { a.button href="/" { "Back to the shop" } }
    };
    (heading.into(), main)
}

/// A book's cover in the colours of its number.
pub(crate) fn draw_cover(number: u32) -> String {
    let (hue, other) = (number * 47 % 360, (number * 47 + 150) % 360);
    let (x, y, radius) = (20 + number * 13 % 30, 44 + number * 7 % 24, 8 + number * 5 % 14);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 60 80\"><rect width=\"60\" height=\"80\" rx=\"2\" \
         fill=\"hsl({hue} 42% 38%)\"/><circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"hsl({other} 55% 62%)\" \
         fill-opacity=\".75\"/><path d=\"M0 70h60v10H0z\" fill=\"hsl({hue} 45% 24%)\"/><path d=\"M5 0v80\" \
         stroke=\"#000\" stroke-opacity=\".25\" stroke-width=\"1.5\"/><path d=\"M14 14h36M14 21h24\" \
         stroke=\"#fff\" stroke-opacity=\".9\" stroke-width=\"3\"/></svg>"
    )
}

pub(super) fn grid(items: &[Card]) -> Markup {
    html! {
        ul.grid {
            @for item in items {
                li {
                    (cover(&item.thumbnail))
                    a.title href={ "/products/" (item.id) } { (item.title) }
                    span.by { (item.author) }
                    span.price { (money(item.price_cents.into())) }
                    @if let Some(sold) = item.sold { span.by { (sold) " sold lately" } }
                }
            }
        }
    }
}

/// Lines and sums. With a cart, its lines can be changed.
pub(super) fn table(lines: &[Line], sums: &[(&str, u64)], cart: Option<Ticket>) -> Markup {
    html! {
        table {
            thead { tr { th { "Item" } th.number { "Quantity" } th.number { "Unit price" } th.number { "Total" } } }
            tbody {
                @for line in lines {
                    tr {
                        td { a href={ "/products/" (line.item) } { (line.title) } }
                        td.number {
                            @if let Some(cart) = cart { (change(cart, line)) } @else { (line.quantity) }
                        }
                        td.number { (money(line.price_cents.into())) }
                        td.number { (money(u64::from(line.price_cents) * u64::from(line.quantity))) }
                    }
                }
            }
            tfoot {
                @for (name, cents) in sums {
                    tr { th colspan="3" { (name) } td.number { (money(*cents)) } }
                }
            }
        }
    }
}

/// The form that changes a line of a cart.
fn change(cart: Ticket, line: &Line) -> Markup {
    html! {
        form.change method="post" action={ "/cart/items/" (line.item) } {
            input type="hidden" name="cart" value=(cart);
            input type="number" name="quantity" value=(line.quantity) min="0" max="99"
                aria-label={ "Copies of " (line.title) };
            button.plain { "Change" }
            button.plain name="remove" value="yes" aria-label={ "Remove " (line.title) } { "Remove" }
        }
    }
}

pub(super) fn cover(thumbnail: &str) -> Markup {
    html! { img src={ "/images/" (thumbnail) } alt="" width="60" height="80" loading="lazy"; }
}

pub(super) fn money(cents: u64) -> String {
    format!("${}.{:02}", cents / 100, cents % 100)
}

/// `SCIENCE-FICTION` as a person writes it.
pub(super) fn label(name: &str) -> String {
    let lower = name.to_lowercase().replace('-', " ");
    let mut letters = lower.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_and_labels_read_well() {
        assert_eq!([money(5), money(1234), money(100_000)], ["$0.05", "$12.34", "$1000.00"]);
        assert_eq!([label("SCIENCE-FICTION"), label("")], ["Science fiction", ""]);
    }

    #[test]
    fn another_stylesheet_has_another_address() {
        // The function's published values for these bytes.
        assert_eq!([fnv1a(b""), fnv1a(b"a"), fnv1a(b"foobar")], [0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968]);
        assert!(STYLE_PATH.starts_with("/style.") && STYLE_PATH.ends_with(".css"), "{}", *STYLE_PATH);
        assert!(layout("", &html! {}, None).into_string().contains(STYLE_PATH.as_str()));
    }

    #[test]
    fn the_stylesheet_asks_nobody_else_for_anything() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
