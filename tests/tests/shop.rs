//! The shop as a person uses it, through the proxy: pages, an account, a cart that is remembered, a purchase; and what
//! it refuses.

use e2e::shopper::{JSON, PASSWORD, Person, Shop};
use e2e::{conserved, loadgen};

#[test]
fn every_page_is_there_for_people_and_for_programs() {
    let shop = Shop::open();
    let mut anybody = shop.person();
    for (path, status, page, json) in [
        ("/", 200, "Books about everything", "promotions"),
        ("/?customer=7", 200, "Welcome back, ", "promotions"),
        ("/new-products?subject=COOKING", 200, "New products", "items"),
        ("/best-sellers", 200, "sold lately", "items"),
        ("/products/7", 200, "Add to cart", "related"),
        ("/products/999999", 404, "We do not sell", "error"),
        ("/products/x", 400, "There is nothing at this address", "detail"),
        ("/search", 200, "name=\"q\"", "items"),
        ("/search?q=Anchor&by=title", 200, "title", "items"),
        ("/search?q=%22%3E%3Cscript%3E", 200, "Nothing found", "items"),
        ("/cart?cart=999999", 404, "no such cart", "error"),
        ("/cart?cart=x", 400, "That is no number of a cart.", "field"),
        ("/login", 200, "action=\"/login\"", "next"),
        ("/login?next=//evil.example", 200, "value=\"/orders\"", "next"),
        ("/register", 200, "action=\"/register\"", "next"),
        ("/orders", 200, "Order number", "orders"),
        ("/orders?order=x", 400, "An order has a number", "error"),
        ("/orders/1", 200, "Shipped", "lines"),
        ("/orders/999999", 404, "There is no such order", "error"),
        ("/admin/products/7", 401, "This page is for the staff", "error"),
        ("/nowhere", 404, "There is nothing at this address", "error"),
    ] {
        let answer = anybody.look(path, "Accept: text/html\r\n").is(status);
        assert!(answer.body.contains(page), "{path}: `{page}` in {}", answer.body);
        assert!(answer.body.starts_with("<!DOCTYPE html>") && !answer.body.contains("<script"), "{path}");
        assert!(answer.field("content-security-policy").unwrap().contains("default-src 'none'"), "{path}");
        assert_eq!(answer.field("vary"), Some("Accept"), "{path}");
        assert_eq!(answer.field("set-cookie"), None, "{path}: who only looks is not followed");
        let answer = anybody.look(path, JSON).is(status);
        assert!(answer.json().get(json).is_some(), "{path}: `{json}` in {}", answer.body);
    }
    anybody.look("/orders?order=12", "").leads_to("/orders/12");
    assert!(anybody.look("/", "").body.contains("Sign in</a>"));
    let empty = anybody.look("/cart", "").is(200);
    assert!(empty.body.contains("It is empty"), "{}", empty.body);
    anybody.look("/cart", JSON).is(400);
    // The stylesheet has its version in its name, and is kept.
    let style = empty.body.split("<link rel=\"stylesheet\" href=\"").nth(1).unwrap();
    let style = anybody.look(style.split('"').next().unwrap(), "").is(200);
    assert_eq!(style.field("content-type"), Some("text/css; charset=utf-8"));
    assert!(style.field("cache-control").unwrap().contains("immutable"), "{}", style.head);
    let before =
        |name: &str| shop.metric(&format!("http_request_duration_seconds_count{{interaction=\"{name}\"}}"));
    for (name, want) in
        [("search_form", 2.0), ("search_results", 4.0), ("register", 2.0), ("admin_request", 2.0)]
    {
        assert_eq!(before(name), Some(want), "{name}");
    }
}

#[test]
fn a_person_fills_a_cart_signs_in_and_buys_once() {
    let shop = Shop::open();
    let mut person = shop.person();
    let added = person.send("/cart", "item=7&quantity=2", "").leads_to("/cart");
    let cookie = added.field("set-cookie").unwrap();
    for part in ["session=", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(person.look("/products/7", "").body.contains("Sign in</a>"), "a cart is no customer");
    let anonymous = person.cookie.clone();
    person.send("/cart", "item=9", "").leads_to("/cart");
    let cart = person.look("/cart", "").is(200);
    assert!(cart.body.contains("/products/7") && cart.body.contains("/products/9"), "{}", cart.body);
    let number = cart.written("cart").to_owned();
    person.send("/cart/items/9", &format!("cart={number}&quantity=1&remove=yes"), "").leads_to("/cart");
    person.send("/cart/items/7", &format!("cart={number}&quantity=3"), "").leads_to("/cart");
    person.send("/cart/items/7", &format!("cart={number}&quantity=100"), "").is(400);
    person.send("/cart/items/9", &format!("cart={number}&quantity=1"), "").is(404);
    let asked = person.look("/checkout", "").is(200);
    assert!(asked.body.contains("name=\"password\"") && asked.body.contains("action=\"/checkout\""));
    for (form, part) in [
        (format!("username=user5&password={PASSWORD}x"), "wrong"),
        (format!("username=nobody&password={PASSWORD}"), "wrong"),
        (format!("username=user5'%20OR%20'1'%3D'1&password={PASSWORD}"), "wrong"),
        ("username=user5&password=".into(), "wrong"),
    ] {
        let refused = person.send("/checkout", &form, "").is(401);
        assert!(refused.body.contains(part) && refused.field("set-cookie").is_none(), "{form}");
    }
    let checkout = person.send("/checkout", &format!("username=user5&password={PASSWORD}"), "").is(200);
    assert!(checkout.body.contains("Place the order"), "{}", checkout.body);
    assert!(checkout.body.contains("Sign out"), "the page that signs in knows it: {}", checkout.body);
    assert_ne!(person.cookie, anonymous, "a secret from before is worth nothing afterwards");
    let mut before = Person { shop: &shop, cookie: anonymous };
    assert!(before.look("/cart", "").body.contains("It is empty"));
    let form =
        format!("cart={}&idempotency_key={}", checkout.written("cart"), checkout.written("idempotency_key"));
    let bought = person.send("/buy", &form, JSON).is(200).json();
    let ticket = bought["id"].as_str().unwrap().to_owned();
    assert!(bought["customer"] == 5 && ticket.starts_with("2593-"), "{bought}");
    assert_eq!((&bought["lines"][0]["item"], &bought["lines"][0]["quantity"]), (&7.into(), &3.into()));
    assert_eq!(person.send("/buy", &form, JSON).is(200).json(), bought, "the same order again");
    let placed = person.send("/buy", &form, "").is(200);
    for part in ["Your order is placed.", "Order 2593", &format!("<code>{ticket}</code>"), "Unit price"] {
        assert!(placed.body.contains(part), "{part}: {}", placed.body);
    }
    let mine = person.look("/orders", "").is(200);
    assert!(
        mine.body.contains("Your orders, ") && mine.body.contains(&format!("/orders/{ticket}")),
        "{}",
        mine.body
    );
    assert_eq!(mine.field("cache-control"), Some("private, no-store"));
    let home = person.look("/", "").is(200);
    assert!(home.body.contains("Welcome back, "), "{}", home.body);
    greeted_without_being_looked_up(&mut person);
    let secret = person.cookie.clone();
    let out = person.send("/logout", "", "").leads_to("/");
    assert!(out.field("set-cookie").unwrap().contains("Max-Age=0") && person.cookie.is_empty());
    let mut late = Person { shop: &shop, cookie: secret };
    late.look("/checkout", JSON).is(401);
    late.send("/buy", "item=7&idempotency_key=late", JSON).is(401);
}

/// A page that has nothing to ask the database of who is there shows the name, to its owner alone, and asks nothing for it.
fn greeted_without_being_looked_up(person: &mut Person<'_>) {
    let queries = |shop: &Shop| shop.metric("db_query_duration_seconds_count");
    let before = queries(person.shop);
    let anybody = person.shop.person().look("/search", "").is(200);
    let known = person.look("/search", "").is(200);
    assert!(before.is_some() && queries(person.shop) == before, "{before:?}");
    assert!(anybody.body.contains("Sign in</a>") && anybody.field("cache-control").is_none());
    assert!(known.body.contains("Sign out") && !known.body.contains("Sign in</a>"), "{}", known.body);
    assert_eq!(known.field("cache-control"), Some("private, no-store"));
    // What the browser says is shown; where the database is asked, it goes before.
    let stranger = format!("session={}.457665", "0".repeat(32));
    let mut stranger = Person { shop: person.shop, cookie: stranger };
    assert!(stranger.look("/search", "").body.contains("<span>Eve</span>"));
    let orders = stranger.look("/orders", "").is(200).body;
    assert!(!orders.contains("Eve") && orders.contains("Sign in</a>"), "{orders}");
}

#[test]
fn an_account_is_opened_once_and_only_the_staff_change_products() {
    let shop = Shop::open();
    let mut ada = shop.person();
    let form = "username=ada1815&password=analytical&first_name=Ada&last_name=%3Cb%3EKing&email=ada%40example.com\
                &street=12+Square&city=London&postcode=SW1Y&country=1&next=/checkout";
    let short = ada.send("/register", &form.replace("analytical", "short"), "").is(400);
    assert!(
        short.body.contains("8 to 128") && short.body.contains("value=\"&lt;b&gt;King\""),
        "{}",
        short.body
    );
    ada.send("/register", form, "").leads_to("/checkout");
    let again = shop.person().send("/register", form, JSON).is(409);
    assert!(again.body.contains("already"), "{}", again.body);
    let mut elsewhere = shop.person();
    let known = elsewhere.send("/login", "username=ada1815&password=analytical", JSON).is(200).json();
    assert_eq!((&known["customer"]["first_name"], &known["customer"]["id"]), (&"Ada".into(), &2881.into()));
    elsewhere.send("/cart", "item=3", JSON).is(200);
    let checkout = elsewhere.look("/checkout", "").is(200);
    assert!(
        checkout.body.contains("&lt;b&gt;King") && !checkout.body.contains("<b>King"),
        "{}",
        checkout.body
    );

    elsewhere.look("/admin/products/7", "").is(403);
    elsewhere.send("/admin/products/7", "price_cents=1&cover=1", JSON).is(403);
    let mut staff = shop.person();
    staff
        .send("/login", &format!("username=user1&password={PASSWORD}&next=/admin/products/7"), "")
        .leads_to("/admin/products/7");
    staff.look("/admin/products/7", "").is(200);
    staff.send("/admin/products/7", "price_cents=0&cover=1", "").is(400);
    staff.send("/admin/products/999999", "price_cents=1&cover=1", "").is(404);
    let changed = staff.send("/admin/products/7", "price_cents=4321&cover=12", "").is(200);
    assert!(changed.body.contains("$43.21"), "{}", changed.body);
    let seen = shop.person().look("/products/7", JSON).is(200).json();
    assert_eq!((&seen["price_cents"], &seen["thumbnail"]), (&4321.into(), &"item-12.svg".into()));
    assert!(shop.metric("password_hash_duration_seconds_count").is_some_and(|count| count >= 3.0));
}

#[test]
fn every_mix_finds_all_that_it_asks_for() {
    let scenarios = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadgen/scenarios");
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::copy(scenarios.join("searches.csv"), dir.path().join("searches.csv")).unwrap();
    for mix in ["browsing", "shopping", "ordering"] {
        // Who does not think gets to the end of a session within the run.
        let text = std::fs::read_to_string(scenarios.join(format!("{mix}.toml"))).unwrap();
        let hasty = text.replace("think = { mean = \"7s\", most = \"70s\" }", "think = \"1ms\"");
        assert_ne!(text, hasty);
        let file = dir.path().join(format!("{mix}.toml"));
        std::fs::write(&file, hasty).unwrap();
        let ended = loadgen(&format!("--scenario {} --rps 100 -d 4s --json - --no-report", file.display()));
        let run = ended.json();
        assert!(conserved(&run) && run["ok"] == run["planned"], "{mix}: {}", run["interactions"]);
        let of = |name: &str| -> u64 {
            let all = run["interactions"].as_array().unwrap().iter();
            all.filter(|one| one["step"] == name || one["name"] == name)
                .map(|one| one["ok"].as_u64().unwrap())
                .sum()
        };
        if mix == "ordering" {
            for step in ["register", "request", "confirm"] {
                assert!(of(step) > 10, "{step}: {}", run["interactions"]);
            }
        }
    }
}
