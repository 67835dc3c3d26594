//! The forms of people: to sign in, to open an account, and the staff's for a product. What does not fit a column, or is
//! no way to go on to, does not get past here. It never looks at the database.

use super::fault::Fault;
use super::store::{NewCustomer, NewPrice};
use super::ticket::Ticket;
use crate::db::words::COUNTRIES;
use serde::Deserialize;

/// Passwords are 8 to this many bytes: hashing is not a way to keep the server busy.
const LONGEST_PASSWORD: usize = 128;

/// A place in this shop to go on to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(crate) struct Next(pub(crate) String);

impl From<String> for Next {
    /// Only plain paths: a link to this shop's form must not lead out of it. Everything else is the list of orders.
    fn from(text: String) -> Self {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte));
        if plain && text.starts_with('/') && !text.starts_with("//") { Self(text) } else { Self::default() }
    }
}

impl Default for Next {
    fn default() -> Self {
        Self("/orders".into())
    }
}

/// `GET /login` and `GET /register`.
#[derive(Debug, Deserialize)]
pub(crate) struct NextQuery {
    #[serde(default)]
    pub(crate) next: Next,
}

/// `POST /login` and `POST /checkout`.
#[derive(Deserialize)]
pub(crate) struct SignInForm {
    pub(crate) username: String,
    pub(crate) password: String,
    #[serde(default)]
    pub(crate) next: Next,
    /// The cart to check out, for who has carried it along.
    pub(crate) cart: Option<Ticket>,
}

/// `POST /register`.
#[derive(Clone, Default, Deserialize)]
pub(crate) struct RegisterForm {
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) street: String,
    pub(crate) city: String,
    pub(crate) postcode: String,
    /// The country's number, from 1.
    pub(crate) country: u16,
    #[serde(default)]
    pub(crate) next: Next,
}

/// `POST /admin/products/{id}`.
#[derive(Debug, Deserialize)]
pub(crate) struct PriceForm {
    price_cents: u32,
    cover: u16,
}

/// `GET /orders`: one of them by its number, or the list.
#[derive(Debug, Deserialize)]
pub(crate) struct OrdersQuery {
    #[serde(default)]
    pub(crate) order: String,
}

/// Whether an account can have this name. Two that the database takes for one differ in no more than their letters' case.
fn is_name(text: &str) -> bool {
    (3..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a person's text has 1 to so many characters, all of which can be read: bytes that were no UTF-8 have become
/// U+FFFD on the way here.
fn fits(text: &str, most: usize, what: &str) -> Result<(), Fault> {
    let unreadable = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER;
    if (1..=most).contains(&text.trim().chars().count()) && !text.chars().any(unreadable) {
        Ok(())
    } else {
        Err(Fault::BadRequest(format!("The {what} has 1 to {most} characters that can be read.")))
    }
}

/// An e-mail address, as far as one can tell.
///
/// # Errors
/// When it is none.
pub(crate) fn email(text: &str) -> Result<String, Fault> {
    fits(text, 60, "e-mail address")?;
    let text = text.trim();
    let parts = text.rsplit_once('@').filter(|(who, host)| !who.is_empty() && !host.is_empty());
    if parts.is_some() && !text.contains(char::is_whitespace) {
        Ok(text.to_owned())
    } else {
        Err(Fault::BadRequest("The e-mail address has an @ in it, and no space.".into()))
    }
}

impl SignInForm {
    /// The name to look for; what no account can have is nobody's.
    pub(crate) fn name(&self) -> Option<&str> {
        Some(self.username.as_str()).filter(|name| is_name(name))
    }

    /// The password to compare; what is too long for one is none.
    pub(crate) fn password(&self) -> Option<String> {
        (self.password.len() <= LONGEST_PASSWORD).then(|| self.password.clone())
    }
}

impl RegisterForm {
    /// What is to be stored, and the password.
    ///
    /// # Errors
    /// What is wrong, for the person who wrote it.
    pub(crate) fn checked(&self) -> Result<(NewCustomer, String), Fault> {
        let wrong = |what: &str| Err(Fault::BadRequest(what.into()));
        if !is_name(&self.username) {
            return wrong("A user name is 3 to 20 letters and digits, without accents.");
        }
        if !(8..=LONGEST_PASSWORD).contains(&self.password.len()) {
            return wrong("A password is 8 to 128 bytes long.");
        }
        let lengths = [
            (&self.first_name, 20, "first name"),
            (&self.last_name, 20, "last name"),
            (&self.street, 60, "street"),
            (&self.city, 40, "city"),
            (&self.postcode, 10, "postcode"),
        ];
        for (text, most, what) in lengths {
            fits(text, most, what)?;
        }
        let email = email(&self.email)?;
        if !(1..=COUNTRIES.len()).contains(&usize::from(self.country)) {
            return wrong("There is no such country in the list.");
        }
        let text = |text: &String| text.trim().to_owned();
        let customer = NewCustomer {
            username: self.username.clone(),
            first_name: text(&self.first_name),
            last_name: text(&self.last_name),
            email,
            street: text(&self.street),
            city: text(&self.city),
            postcode: text(&self.postcode),
            country: self.country,
        };
        Ok((customer, self.password.clone()))
    }
}

impl PriceForm {
    /// The price and the cover that are meant.
    ///
    /// # Errors
    /// When there are none such.
    pub(crate) fn checked(&self) -> Result<NewPrice, Fault> {
        if !(1..=10_000_000).contains(&self.price_cents) {
            return Err(Fault::BadRequest("A price is 1 to 10,000,000 cents.".into()));
        }
        Ok(NewPrice { price_cents: self.price_cents, thumbnail: format!("item-{}.svg", self.cover) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_on_does_not_lead_out_of_the_shop() {
        for (text, want) in [
            ("/checkout", "/checkout"),
            ("/admin/products/7", "/admin/products/7"),
            ("/admin/products/7?a=b&c", "/orders"),
            ("/", "/"),
            ("", "/orders"),
            ("checkout", "/orders"),
            ("//evil.example", "/orders"),
            ("/\\evil.example", "/orders"),
            ("https://evil.example/", "/orders"),
            ("/a\r\nSet-Cookie: x=y", "/orders"),
            ("/a b", "/orders"),
            ("/\u{e9}", "/orders"),
        ] {
            assert_eq!(Next::from(text.to_owned()).0, want, "{text}");
        }
    }

    fn register() -> RegisterForm {
        RegisterForm {
            username: "ada1815".into(),
            password: "analytical".into(),
            first_name: " Ada ".into(),
            last_name: "King".into(),
            email: "ada@example.com".into(),
            street: "12 St James's Square".into(),
            city: "London".into(),
            postcode: "SW1Y 4JH".into(),
            country: 1,
            next: Next::default(),
        }
    }

    #[test]
    fn an_account_that_can_be_kept_is_taken() {
        let (customer, password) = register().checked().expect("it is fine");
        assert_eq!((&*customer.first_name, &*customer.street), ("Ada", "12 St James's Square"));
        assert_eq!(password, "analytical");
    }

    #[test]
    fn an_account_that_does_not_fit_is_refused_with_the_reason() {
        type Spoil = fn(&mut RegisterForm);
        let cases: [(&str, Spoil); 15] = [
            ("user name", |form| form.username = "ab".into()),
            ("user name", |form| form.username = "a".repeat(21)),
            ("user name", |form| form.username = "ada king".into()),
            ("user name", |form| form.username = "ad\u{e1}".into()),
            ("password", |form| form.password = "short".into()),
            ("password", |form| form.password = "x".repeat(129)),
            ("first name", |form| form.first_name = "  ".into()),
            ("last name", |form| form.last_name = "\u{e9}".repeat(21)),
            ("street", |form| form.street = "a\u{0}b".into()),
            ("city", |form| form.city = "Par\u{fffd}s".into()),
            ("@", |form| form.email = "nobody@".into()),
            ("@", |form| form.email = "@example.com".into()),
            ("space", |form| form.email = "a b@example.com".into()),
            ("country", |form| form.country = 0),
            ("country", |form| form.country = 61),
        ];
        for (part, spoil) in cases {
            let mut form = register();
            spoil(&mut form);
            let fault = form.checked().expect_err("it does not fit");
            assert!(fault.message().contains(part), "{part}: {fault:?}");
        }
    }

    #[test]
    fn nobody_is_called_what_no_account_can_be_called() {
        for (username, want) in
            [("user5", true), ("USER5", true), ("us\u{e9}r5", false), ("user5 ", false), ("", false)]
        {
            let (username, password) = (username.to_owned(), String::new());
            let form = SignInForm { username, password, next: Next::default(), cart: None };
            assert_eq!(form.name().is_some(), want, "{}", form.username);
        }
    }

    #[test]
    fn a_price_is_between_a_cent_and_a_fortune() {
        for (price_cents, fine) in [(0, false), (1, true), (10_000_000, true), (10_000_001, false)] {
            assert_eq!(PriceForm { price_cents, cover: 7 }.checked().is_ok(), fine, "{price_cents}");
        }
    }
}
