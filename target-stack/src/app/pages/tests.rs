//! The pages as data: what each has to say, with which status, and that nothing that somebody wrote gets out of its place.

use super::*;
use crate::app::store::{Customer, Line, Member, Summary};
use crate::app::ticket::Ticket;
use http::StatusCode;

/// A text that would be felt on any page that does not escape it.
const HOSTILE: &str = "\"><script>alert(1)</script>&<b x='";

fn hostile() -> String {
    HOSTILE.into()
}

fn card(title: &str) -> Card {
    let (title, author, thumbnail) = (title.to_owned(), title.to_owned(), "item-7.svg".into());
    Card { id: 7, title, author, price_cents: 1999, thumbnail, sold: Some(12) }
}

fn product(title: &str) -> Product {
    let text = || title.to_owned();
    Product {
        id: 7,
        title: text(),
        author: text(),
        subject: text(),
        published: "2020-02-02".into(),
        price_cents: 1999,
        stock: 21,
        description: text(),
        thumbnail: "item-7.svg".into(),
        related: vec![8, 9],
    }
}

fn cart(title: &str, lines: usize) -> Cart {
    let line = |item| Line { item, title: title.to_owned(), quantity: 2, price_cents: 500 };
    let lines: Vec<Line> = (1..).map(line).take(lines).collect();
    Cart { id: Ticket { id: 3, secret: 7 }, subtotal_cents: 1000 * lines.len() as u64, lines }
}

fn cart_page(title: &str, lines: usize, own: bool) -> CartPage {
    CartPage { cart: cart(title, lines), key: "k1".into(), elsewhere: None, own }
}

fn order(title: &str) -> Order {
    Order {
        id: Ticket { id: 5, secret: 255 },
        customer: None,
        guest: Some(title.to_owned()),
        placed_at: "2025-01-01 00:05:00".into(),
        status: "PENDING".into(),
        subtotal_cents: 1000,
        tax_cents: 83,
        total_cents: 1083,
        lines: cart(title, 1).lines,
    }
}

fn member(name: &str) -> Member {
    Member { id: 2, first_name: name.into(), staff: false }
}

fn checkout(name: &str, lines: usize) -> Checkout {
    let text = || name.to_owned();
    let customer = Customer {
        id: 2,
        first_name: text(),
        last_name: text(),
        email: text(),
        street: text(),
        city: text(),
        postcode: text(),
        country: "Nepal".into(),
    };
    let cart = cart(name, lines);
    Checkout { customer, cart, tax_cents: 83, total_cents: 1083, idempotency_key: "k2".into() }
}

fn orders(name: Option<&str>) -> Orders {
    let order = Summary {
        id: Ticket { id: 5, secret: 255 },
        placed_at: "2025-01-01".into(),
        status: "SHIPPED".into(),
        total_cents: 1083,
    };
    let orders = if name.is_some() { vec![order] } else { Vec::new() };
    Orders { customer: name.map(member), orders }
}

fn search(q: &str, found: usize) -> Search {
    Search { q: q.into(), by: SearchBy::Author, items: (0..found).map(|_| card("A title")).collect() }
}

fn listing(items: Vec<Card>) -> Listing {
    Listing { heading: "Best sellers", route: "/best-sellers", subject: "COOKING".into(), items }
}

fn sign_in(problem: Option<&'static str>) -> SignIn {
    SignIn { action: "/checkout", next: "/orders".into(), problem }
}

fn registration(text: &str, problem: Option<&str>) -> Registration {
    let written = std::array::from_fn(|_| text.to_owned());
    let problem = problem.map(str::to_owned);
    Registration { next: "/checkout".into(), written, country: 2, problem }
}

/// What has a page.
trait Shown {
    /// The whole page, and its status.
    fn shown(&self) -> (String, u16);
}

impl<V: View> Shown for V {
    fn shown(&self) -> (String, u16) {
        let (title, main) = self.page();
        (layout(&title, &main, None).into_string(), self.status().as_u16())
    }
}

#[test]
fn every_page_says_what_it_is_for() {
    let named = Home { customer: Some("Ada".into()), promotions: vec![card("A title")] };
    let anonymous = Home { customer: None, promotions: Vec::new() };
    let rows: Vec<(&dyn Shown, u16, Vec<&str>)> = vec![
        (&named, 200, vec!["Welcome back, Ada.", "/products/7", "/images/item-7.svg", "$19.99", "Cooking"]),
        (&anonymous, 200, vec!["Books about everything"]),
    ];
    check(rows);
    let (list, none) = (listing(vec![card("A title")]), listing(Vec::new()));
    let (form, nothing, one, two) = (search("", 0), search("x", 0), search("x", 1), search("x", 2));
    let item = product("A title");
    check(vec![
        (&item, 200, vec!["<h1>A title</h1>", "action=\"/cart\"", "name=\"item\" value=\"7\"", "In stock"]),
        (&list, 200, vec!["12 sold lately", "value=\"COOKING\" selected", "action=\"/best-sellers\""]),
        (&none, 200, vec!["There is nothing here."]),
        (&form, 200, vec!["name=\"q\"", "value=\"author\" selected"]),
        (&nothing, 200, vec!["Nothing found."]),
        (&one, 200, vec!["1 title<"]),
        (&two, 200, vec!["2 titles<"]),
    ]);
    let (empty, own, foreign) =
        (cart_page("A title", 0, true), cart_page("A title", 2, true), cart_page("A title", 1, false));
    let bought = Order { customer: Some(2), guest: None, ..order("A title") };
    let placed = Placed(order("ada@example.com"));
    let (to_guest, buying) = (order("ada@example.com"), checkout("Ada", 1));
    check(vec![
        (&empty, 200, vec!["It is empty."]),
        (
            &own,
            200,
            vec![
                "href=\"/checkout\"",
                "as a guest",
                "action=\"/cart/items/2\"",
                "Unit price</th>",
                "<td class=\"number\">$5.00</td><td class=\"number\">$10.00</td>",
                "Subtotal",
                "$20.00",
            ],
        ),
        (&foreign, 200, vec!["action=\"/buy\"", "name=\"email\"", "value=\"k1\"", "3-0000000000000007"]),
        (&bought, 200, vec!["Order 5", "5-00000000000000ff", "Pending", "$10.83", "customer 2"]),
        (
            &placed,
            200,
            vec!["Your order is placed.", "Order 5<", "<code>5-00000000000000ff</code>", "$10.83"],
        ),
        (&to_guest, 200, vec!["by ada@example.com, Pending"]),
        (&buying, 200, vec!["Nepal", "value=\"k2\"", "action=\"/buy\"", "$10.83", "Place the order"]),
    ]);
    let (asked, refused) = (sign_in(None), sign_in(Some("No.")));
    let (new, again) = (registration("", None), registration("Ada", Some("Taken.")));
    let (anybody, ones) = (orders(None), orders(Some("Ada")));
    let (edit, changed) = (Edit(product("A title")), Changed(product("A title")));
    check(vec![
        (&asked, 200, vec!["action=\"/checkout\"", "name=\"password\"", "/register?next=/orders"]),
        (&refused, 401, vec!["No.", "role=\"alert\""]),
        (&new, 200, vec!["action=\"/register\"", "autocomplete=\"new-password\"", "Argentina"]),
        (&again, 400, vec!["Taken.", "value=\"Ada\"", "value=\"2\" selected"]),
        (&anybody, 200, vec!["action=\"/orders\"", "/login?next=/orders"]),
        (&ones, 200, vec!["Your orders, Ada", "/orders/5-00000000000000ff", "No. 5<", "Shipped"]),
        (&edit, 200, vec!["action=\"/admin/products/7\"", "value=\"1999\"", "name=\"cover\" value=\"7\""]),
        (&changed, 200, vec!["$19.99", "/products/8"]),
    ]);
}

fn check(rows: Vec<(&dyn Shown, u16, Vec<&str>)>) {
    for (view, status, parts) in rows {
        let (page, found) = view.shown();
        assert_eq!(found, status, "{page}");
        for part in parts {
            assert!(page.contains(part), "`{part}` in {page}");
        }
        for part in ["<!DOCTYPE html>", "lang=\"en\"", "name=\"viewport\"", "<h1>", "href=\"#main\""] {
            assert!(page.contains(part), "`{part}` in {page}");
        }
        // A label, or words for those who cannot see where it stands.
        for input in page.split("<input ").skip(1) {
            let (before, tag) = (page.split(input).next().unwrap_or_default(), input.split('>').next());
            let tag = tag.unwrap_or_default();
            let labelled = before.matches("<label").count() > before.matches("</label").count();
            assert!(labelled || tag.contains("aria-label") || tag.contains("type=\"hidden\""), "{tag}");
        }
    }
}

#[test]
fn what_people_write_stays_in_its_place() {
    let views: [&dyn Shown; 13] = [
        &Home { customer: Some(hostile()), promotions: vec![card(HOSTILE)] },
        &product(HOSTILE),
        &Listing { subject: hostile(), ..listing(vec![card(HOSTILE)]) },
        &search(HOSTILE, 1),
        &cart_page(HOSTILE, 1, true),
        &cart_page(HOSTILE, 1, false),
        &order(HOSTILE),
        &Placed(order(HOSTILE)),
        &checkout(HOSTILE, 1),
        &SignIn { next: hostile(), ..sign_in(Some("No.")) },
        &registration(HOSTILE, Some(HOSTILE)),
        &orders(Some(HOSTILE)),
        &Edit(product(HOSTILE)),
    ];
    for view in views {
        let (page, _) = view.shown();
        // Escaped, quotes too, so that neither an element nor an attribute can begin.
        assert!(!page.contains("<script") && !page.contains("<b x"), "{page}");
        assert!(page.contains("&quot;&gt;&lt;script&gt;") || !page.contains("alert(1)"), "{page}");
    }
}

#[test]
fn the_header_names_who_has_signed_in_and_asks_everybody_else_to() {
    for (name, want, none) in [
        (None, "<a href=\"/login?next=/\">Sign in</a>", "/logout"),
        (Some("Ada"), "action=\"/logout\"><span>Ada</span><button class=\"plain\">Sign out", "Sign in"),
        (Some(HOSTILE), "<span>&quot;&gt;&lt;script&gt;", "<script"),
    ] {
        let (title, main) = order("A title").page();
        let page = layout(&title, &main, name).into_string();
        assert!(page.contains(want) && !page.contains(none), "{page}");
    }
}

#[test]
fn what_failed_is_said_in_words_of_people() {
    for (status, want) in [
        (400, "That did not work"),
        (415, "That did not work"),
        (401, "Please sign in"),
        (404, "We cannot find that"),
        (429, "One moment, please"),
        (500, "We are sorry"),
        (503, "One moment, please"),
    ] {
        let status = StatusCode::from_u16(status).expect("a status");
        let (title, main) = sorry(status, HOSTILE);
        assert_eq!(title, want, "{status}");
        let main = main.into_string();
        assert!(main.contains(want) && !main.contains("<script"), "{main}");
    }
}

#[test]
fn what_changed_something_is_shown_elsewhere() {
    let changed = CartPage { elsewhere: Some("/cart".into()), ..cart_page("A title", 1, true) };
    let signed_in = SignedIn { customer: member("Ada"), next: "/checkout".into() };
    for (found, want) in [
        (changed.elsewhere(), Some("/cart")),
        (cart_page("A title", 1, true).elsewhere(), None),
        (signed_in.elsewhere(), Some("/checkout")),
        (checkout("Ada", 0).elsewhere(), Some("/cart")),
        (checkout("Ada", 1).elsewhere(), None),
        (order("A title").elsewhere(), None),
    ] {
        assert_eq!(found.as_deref(), want);
    }
}

#[test]
fn programs_are_told_of_customers_what_they_need() {
    let signed_in = SignedIn { customer: Member { staff: true, ..member("Ada") }, next: "/orders".into() };
    let json = serde_json::to_value(&signed_in).expect("JSON");
    let want = serde_json::json!({"customer": {"id": 2, "first_name": "Ada"}, "next": "/orders"});
    assert_eq!(json, want);
    let json = serde_json::to_value(checkout("Ada", 1)).expect("JSON");
    let found = [json["cart"]["id"].as_str(), json["idempotency_key"].as_str()];
    assert_eq!((found, json["total_cents"].as_u64()), ([Some("3-0000000000000007"), Some("k2")], Some(1083)));
}
