//! What is whose: carts, orders and purchases of others are out of reach, sign-ins cannot be guessed, and what nobody comes back to
//! is swept away.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::shopper::{JSON, PASSWORD, Person, Shop};
use e2e::until;

const GUEST: &str = "email=ada%40example.com";

/// The same number with another secret.
fn forged(ticket: &str) -> String {
    let (number, secret) = ticket.split_once('-').unwrap();
    let first = if secret.starts_with('1') { '2' } else { '1' };
    format!("{number}-{first}{}", &secret[1..])
}

/// Fills a new cart, as a program without a session; gives its ticket.
fn cart(person: &mut Person<'_>) -> String {
    let cart = person.send("/cart", "item=7&quantity=2", JSON).is(200).json();
    cart["id"].as_str().unwrap().to_owned()
}

#[test]
fn carts_and_orders_are_opened_by_their_tickets_and_by_nothing_else() {
    let shop = Shop::open();
    let mut owner = shop.person();
    let ticket = cart(&mut owner);
    let order = owner.send("/buy", &format!("{GUEST}&item=7&idempotency_key=mine"), JSON).is(200).json();
    assert!(order["guest"] == "ada@example.com" && order.get("customer").is_none(), "{order}");
    let order = order["id"].as_str().unwrap().to_owned();
    let mut thief = shop.person();
    for known in [ticket.split('-').next().unwrap().to_owned(), forged(&ticket)] {
        thief.look(&format!("/cart?cart={known}"), JSON).is(404);
        thief.send("/cart", &format!("cart={known}&item=9"), JSON).is(404);
        thief.send("/cart/items/7", &format!("cart={known}&quantity=1"), JSON).is(404);
        thief.send("/cart/items/7", &format!("cart={known}&quantity=0"), JSON).is(404);
        thief.send("/buy", &format!("{GUEST}&cart={known}&idempotency_key=t-{known}"), JSON).is(404);
        // Signing in with it does not make it one's own.
        let mut member = shop.person();
        let form = format!("username=user5&password={PASSWORD}&cart={known}");
        member.send("/checkout", &form, JSON).is(404);
        member.send("/login", &form, JSON).is(200);
        assert!(member.look("/cart", "").is(200).body.contains("It is empty"));
    }
    for known in [order.split('-').next().unwrap().to_owned(), forged(&order)] {
        thief.look(&format!("/orders/{known}"), JSON).is(404);
    }
    let same = owner.look(&format!("/cart?cart={ticket}"), JSON).is(200).json();
    assert!(
        same["lines"][0]["item"] == 7 && same["lines"][0]["quantity"] == 2 && same["lines"].get(1).is_none()
    );
    assert_eq!(owner.look(&format!("/orders/{order}"), JSON).is(200).json()["id"], order.as_str());
    let page = owner.look(&format!("/orders/{order}"), "").is(200);
    assert!(page.body.contains("ada@example.com") && page.field("referrer-policy") == Some("same-origin"));
    assert_eq!(owner.look("/orders/17", JSON).is(200).json()["id"], "17", "the seed's are open to all");
}

#[test]
fn nobody_buys_for_another_and_a_key_is_for_one_purchase() {
    let shop = Shop::open();
    let mut anybody = shop.person();
    anybody.send("/buy", "customer=5&item=7&idempotency_key=k0", JSON).is(401);
    anybody.send("/buy", "item=7&idempotency_key=k0", JSON).is(401);
    let mut member = shop.person();
    member.sign_in("user5").is(200);
    member.send("/buy", "customer=6&item=7&idempotency_key=k0", JSON).is(403);
    let bought = member.send("/buy", "customer=5&item=7&idempotency_key=k1", JSON).is(200).json();
    let cart = cart(&mut anybody);
    let of_guest =
        anybody.send("/buy", &format!("{GUEST}&cart={cart}&idempotency_key=k2"), JSON).is(200).json();
    assert_eq!(of_guest["lines"][0]["quantity"], 2);
    for (form, want) in [
        // The same again, in the header and in quotes too.
        ("item=7", 200),
        ("item=8", 422),
        ("item=7&quantity=2", 422),
        (&format!("{GUEST}&item=7"), 422),
    ] {
        for key in ["k1", "\"k1\""] {
            let key = format!("{JSON}Idempotency-Key: {key}\r\n");
            let answer = member.send("/buy", form, &key).is(want).json();
            assert!(want != 200 || answer == bought, "{form}: {answer}");
        }
    }
    let again = |form: &str| shop.person().send("/buy", &format!("{form}&idempotency_key=k2"), JSON);
    assert_eq!(again(&format!("{GUEST}&cart={cart}")).is(200).json(), of_guest);
    again(&format!("email=eve%40example.com&cart={cart}")).is(422);
    again(&format!("{GUEST}&item=7&quantity=2")).is(422);
    // The seed's orders have keys as well.
    anybody.send("/buy", &format!("{GUEST}&item=7&idempotency_key=seed-17"), JSON).is(422);
    let two = format!("{JSON}Idempotency-Key: a\r\nIdempotency-Key: b\r\n");
    anybody.send("/buy", &format!("{GUEST}&item=7"), &two).is(400);
}

#[test]
fn a_password_cannot_be_guessed_and_who_knows_it_signs_in_as_often_as_they_like() {
    let shop = Shop::open();
    let mut honest = shop.person();
    // A load test comes from one address, and may use one account.
    (0..150).for_each(|_| drop(honest.sign_in("user6").is(200)));
    let guess = |name: &str| shop.person().send("/login", &format!("username={name}&password=guess"), JSON);
    for name in ["user7", "nobody7"] {
        (0..10).for_each(|_| drop(guess(name).is(401)));
        let refused = guess(&name.to_uppercase()).is(429);
        let seconds: u64 = refused.field("retry-after").unwrap().parse().unwrap();
        assert!((1..=30).contains(&seconds), "{seconds}");
    }
    // Not even with the right one, until its time has come; at the checkout neither.
    honest.sign_in("user7").is(429);
    let form = format!("username=user7&password={PASSWORD}");
    let page = honest.send("/checkout", &form, "").is(429);
    assert!(page.body.contains("too often"), "{}", page.body);
    honest.sign_in("user8").is(200);
    assert_eq!(shop.metric("app_sign_ins_failed_total"), Some(20.0));
    assert_eq!(shop.metric("app_sign_ins_refused_total"), Some(4.0));
    // One address cannot go through all accounts either.
    let refused =
        (100..200).map(|n| guess(&format!("user{n}")).status).filter(|status| *status == 429).count();
    assert!(refused >= 15, "{refused}");
}

#[test]
fn what_nobody_comes_back_to_is_swept_away() {
    let shop = Shop::with("--session-life 1s --cart-life 1s --sweep-every 50ms --servers 2");
    let mut person = shop.person();
    person.send("/cart", "item=7", "").leads_to("/cart");
    let cart = cart(&mut shop.person());
    let swept = |table: &str| {
        let name = format!("app_swept_rows_total{{table=\"{table}\"}}");
        [0, 1]
            .iter()
            .filter_map(|n| {
                let samples = e2e::stack::scraped_at(&shop.stack, "app", *n);
                e2e::stack::sample(&samples, &name)
            })
            .sum::<f64>()
    };
    until("all is gone", || swept("session") == 1.0 && swept("cart") == 2.0 && swept("cart_line") == 2.0);
    shop.person().look(&format!("/cart?cart={cart}"), JSON).is(404);
    assert!(
        person.look("/cart", "").is(200).body.contains("It is empty"),
        "a session that is over is nobody's"
    );
    // And what is there is left: the shop goes on.
    person.send("/cart", "item=9", "").leads_to("/cart");
    assert!(shop.metric("app_sweeps_total").unwrap() > 1.0 && shop.metric("db_errors_total") == Some(0.0));
}

#[test]
fn without_a_sweep_all_is_kept() {
    let shop = Shop::with("--sweep-every off");
    cart(&mut shop.person());
    assert_eq!(shop.metric("app_sweeps_total"), Some(0.0));
}
