//! A shop that is open, and people with browsers who go there.

use crate::{Target, get, http};
use serde_json::Value;

/// All customers of the seed have it.
pub const PASSWORD: &str = "correct%20horse";
/// What a program says it reads.
pub const JSON: &str = "Accept: application/json\r\n";

/// A stack, and where it is.
#[derive(Debug)]
pub struct Shop {
    /// The whole of it.
    pub stack: Target,
    /// The address of its proxy.
    pub proxy: String,
    /// The address of its app server.
    pub app: String,
}

/// A person with a browser, which keeps its cookie.
#[derive(Debug)]
pub struct Person<'s> {
    /// Where they shop.
    pub shop: &'s Shop,
    /// What their browser keeps.
    pub cookie: String,
}

/// What the shop answered.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its status line and fields.
    pub head: String,
    /// Its body, of any length.
    pub body: String,
}

impl Shop {
    /// A small shop.
    pub fn open() -> Self {
        Self::with("")
    }

    /// A small shop with these options.
    pub fn with(options: &str) -> Self {
        let stack = Target::start(&format!("up --scale small {options}"));
        let address = |tier: &str| stack.said["tiers"][tier][0]["address"].as_str().unwrap().to_owned();
        let (proxy, app) = (address("proxy"), address("app"));
        Self { stack, proxy, app }
    }

    /// Somebody new.
    pub fn person(&self) -> Person<'_> {
        Person { shop: self, cookie: String::new() }
    }

    /// The value of a sample of the app's, whose name and labels are `name`.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = get(&self.app, "/metrics", "");
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}

impl Answer {
    /// What these bytes say.
    pub fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The value of a field of its head.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Its body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// The value of the field `name` of a form.
    pub fn written(&self, name: &str) -> &str {
        let (_, rest) = self.body.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
        rest.split('"').next().unwrap()
    }

    /// Asserts its status, and gives it back.
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        self
    }

    /// Asserts that it sends the browser on.
    pub fn leads_to(self, place: &str) -> Self {
        assert_eq!((self.status, self.field("location")), (303, Some(place)), "{}", self.body);
        self
    }
}

impl Person<'_> {
    /// Gets a page, with these further header lines.
    pub fn look(&mut self, path: &str, headers: &str) -> Answer {
        let headers = format!("{}{headers}", self.cookies());
        let answer = Answer::of(&get(&self.shop.proxy, path, &headers));
        self.keep(answer)
    }

    /// Sends a form.
    pub fn send(&mut self, path: &str, form: &str, headers: &str) -> Answer {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: www.foobar.com\r\nConnection: close\r\n{}{headers}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            self.cookies(),
            form.len()
        );
        let answer = Answer::of(&http(&self.shop.proxy, &request));
        self.keep(answer)
    }

    /// Signs in as a customer of the seed.
    pub fn sign_in(&mut self, name: &str) -> Answer {
        self.send("/login", &format!("username={name}&password={PASSWORD}"), JSON)
    }

    fn cookies(&self) -> String {
        if self.cookie.is_empty() { String::new() } else { format!("Cookie: {}\r\n", self.cookie) }
    }

    fn keep(&mut self, answer: Answer) -> Answer {
        if let Some(cookie) = answer.field("set-cookie") {
            let pair = cookie.split(';').next().unwrap();
            self.cookie = if pair.ends_with('=') { String::new() } else { pair.to_owned() };
        }
        answer
    }
}
