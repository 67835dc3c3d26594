//! What no browser sends: forms and fields that are too long, too large, doubled, broken or of another kind. The shop refuses them in
//! words, never fails of itself, and shows nothing that somebody wrote as anything but text.

use e2e::http;
use e2e::shopper::{Answer, JSON, PASSWORD, Shop};

const GUEST: &str = "email=ada%40example.com&idempotency_key=k";

#[test]
fn a_form_that_makes_no_sense_is_refused() {
    let shop = Shop::open();
    let mut person = shop.person();
    let long = "x".repeat(20_000);
    for (path, form, status) in [
        ("/cart", "item=7&quantity=-1".to_owned(), 400),
        ("/cart", "item=7&quantity=0".into(), 400),
        ("/cart", "item=7&quantity=100".into(), 400),
        ("/cart", "item=7&quantity=4294967296".into(), 400),
        ("/cart", "item=7&quantity=1e1".into(), 400),
        ("/cart", "item=7&quantity=".into(), 400),
        ("/cart", "item=7&item=8".into(), 400),
        ("/cart", "item=18446744073709551616".into(), 400),
        ("/cart", "item=4294967295".into(), 404),
        ("/cart", "item=7%00".into(), 400),
        ("/cart", "item=7&cart=".into(), 400),
        ("/cart", String::new(), 400),
        ("/cart", format!("item=7&note={long}"), 413),
        ("/buy", format!("{GUEST}&item=7&quantity=99999999999"), 400),
        ("/buy", format!("{GUEST}&item=7&idempotency_key=l"), 400),
        ("/buy", format!("{GUEST}{long}&item=7"), 413),
        ("/buy", "email=%00%40b&item=7&idempotency_key=k".into(), 400),
        ("/buy", "email=%FF%40b&item=7&idempotency_key=k".into(), 400),
        ("/buy", format!("{GUEST}%FF&item=7"), 400),
        ("/login", format!("username=user5%00&password={PASSWORD}"), 401),
        ("/login", format!("username=us%C3%A9r5&password={PASSWORD}"), 401),
        ("/login", format!("username=user5%20&password={PASSWORD}"), 401),
        ("/login", format!("username={}&password={PASSWORD}", "u".repeat(9_000)), 401),
        ("/login", format!("username=user5&password={}", "x".repeat(9_000)), 401),
        ("/login", format!("username=user5&username=user5&password={PASSWORD}"), 400),
        ("/login", "username=user5".into(), 400),
    ] {
        let answer = person.send(path, &form, JSON).is(status);
        assert!(answer.json()["error"].as_str().is_some_and(|error| error.len() < 300), "{path} {form:.80}");
    }
    let register = |name: &str| {
        format!(
            "username=ada1&password=analytical&first_name={name}&last_name=King&email=a%40b&street=s&city=c&postcode=p&country=1"
        )
    };
    for name in ["a%00b", "%FF", "%0d%0aSet-Cookie:x=y", "", &"x".repeat(21)] {
        person.send("/register", &register(name), "").is(400);
    }
    // What can be read is kept as it is, and is text wherever it is shown.
    person.send("/register", &register("%3Cb%3E%F0%9F%93%9A%27%22"), "").leads_to("/orders");
    for path in ["/", "/orders", "/checkout"] {
        let page = person.look(path, "").body;
        assert!(!page.contains("<b>"), "{page}");
    }
    assert!(person.look("/", "").body.contains("&lt;b&gt;\u{1f4da}"));
    assert_eq!(shop.metric("db_errors_total"), Some(0.0), "the database was asked nothing that it refused");
}

#[test]
fn a_search_for_anything_is_a_search() {
    let shop = Shop::open();
    let mut person = shop.person();
    let long = format!("/search?q={}", "x".repeat(2_000));
    for path in [
        "/search?q=%00",
        "/search?q=%FF%FE",
        "/search?q=%25%25%25_%5C&by=title",
        "/search?q=%27%20OR%201=1--&by=author",
        "/search?q=%F0%9F%93%9A&by=subject",
        "/new-products?subject=%3Cscript%3E",
        "/best-sellers?subject=%00",
        &long,
    ] {
        let page = person.look(path, "").is(200);
        assert!(page.body.contains("Nothing found") || page.body.contains("nothing here"), "{path}");
        assert!(!page.body.contains("<script"), "{path}");
    }
    for (path, status) in [
        ("/search?q=a&by=price", 400),
        ("/search?q=a&q=b", 400),
        ("/?customer=-1", 400),
        ("/products/4294967296", 400),
        ("/products/7%00", 400),
        ("/orders/99999999999999999999", 400),
        ("/orders/1%27", 400),
        ("/images/item-65536.svg", 404),
        ("/images/..%2f..%2fetc%2fpasswd", 400),
        ("/queries?n=-1", 200),
        ("/queries?n=99999999999999999999", 200),
    ] {
        person.look(path, JSON).is(status);
    }
    assert_eq!(shop.metric("db_errors_total"), Some(0.0));
}

#[test]
fn what_is_no_form_is_refused_by_its_kind() {
    let shop = Shop::open();
    let post = |fields: &str, body: &str| {
        let length = body.len();
        let head = "POST /cart HTTP/1.1\r\nHost: www.foobar.com\r\nConnection: close\r\n";
        Answer::of(&http(&shop.proxy, &format!("{head}{JSON}{fields}Content-Length: {length}\r\n\r\n{body}")))
    };
    let form = "Content-Type: application/x-www-form-urlencoded";
    for (fields, status) in [
        (String::new(), 415),
        ("Content-Type: application/json\r\n".into(), 415),
        ("Content-Type: multipart/form-data; boundary=x\r\n".into(), 415),
        ("Content-Type: text/plain\r\n".into(), 415),
        ("Content-Type: \u{1}\r\n".into(), 400),
        (format!("{form}; charset=utf-8\r\n"), 200),
        (format!("{form}\r\n"), 200),
    ] {
        let answer = post(&fields, "item=7");
        assert_eq!(answer.status, status, "{fields}: {}", answer.body);
    }
    for accept in ["application/json;q=0.9, text/html;q=0.8", "*/*;q=0.1, application/*"] {
        let page = shop.person().look("/cart?cart=1", &format!("Accept: {accept}\r\n"));
        assert!(page.json()["error"].is_string(), "{accept}");
    }
}

#[test]
fn a_session_is_found_among_broken_cookies_and_nobody_s_is_nobody() {
    let shop = Shop::open();
    let mut person = shop.person();
    person.sign_in("user5").is(200);
    let secret = person.cookie.clone();
    let member = |cookies: &str| {
        let answer = shop.person().look("/checkout", &format!("{JSON}{cookies}"));
        answer.status == 200
    };
    for (cookies, want) in [
        (format!("Cookie: {secret}\r\n"), true),
        (format!("Cookie: session=; {secret}\r\n"), true),
        (format!("Cookie: session=x; a=\u{e9}; {secret}; session=y\r\n"), true),
        (format!("Cookie: a=b\r\nCookie: {secret}\r\n"), true),
        (format!("Cookie: ;;=; {secret}\r\n"), true),
        (format!("Cookie: {}\r\n", secret.to_uppercase()), false),
        (format!("Cookie: {secret}0\r\n"), false),
        ("Cookie: session=00000000000000000000000000000000\r\n".into(), false),
        ("Cookie: session=%30\r\n".into(), false),
    ] {
        assert_eq!(member(&cookies), want, "{cookies}");
    }
}
