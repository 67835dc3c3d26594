//! Reading one endpoint over HTTP: its answer in time and in bounds, or why there is none. The connection and the memory are
//! kept from one reading to the next, since whoever reads shares its CPU with the load.

use super::reading::{self, Values};
use super::select::Selection;
use super::table::Table;
use crate::client::tls;
use crate::failure::{Failure, Outcome};
use crate::pace;
use crate::plan::Observe;
use reqwest::redirect::Policy;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The longest answer of an endpoint that is read.
const MOST_BYTES: usize = 8 << 20;

/// A client that reads what is at a http:// URL, and nothing else: no proxy, no redirects, and within `limit`.
///
/// # Errors
/// The host's fault: there is no client.
pub(crate) fn reader(limit: Duration) -> Outcome<reqwest::Client> {
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).timeout(limit).gzip(false);
    let client = client.tls_backend_preconfigured(tls::none()?).build();
    client.map_err(|e| Failure::host(format!("there is no HTTP client: {e}")))
}

/// One reading.
#[derive(Debug)]
pub(super) struct Reading {
    /// Just before the question.
    pub(super) asked: Instant,
    /// When the answer began: the numbers in it are from between the two.
    pub(super) answered: Instant,
    /// The numbers, or why there are none.
    pub(super) values: Result<Values, String>,
}

/// An endpoint that is read again and again.
#[derive(Debug)]
pub(super) struct Endpoint {
    client: reqwest::Client,
    url: String,
    only: Selection,
    table: Rc<Table>,
    text: RefCell<Vec<u8>>,
}

impl Endpoint {
    /// The one of `observe`.
    pub(super) fn new(client: &reqwest::Client, observe: &Observe, table: &Rc<Table>) -> Self {
        Self {
            client: client.clone(),
            url: observe.url.clone(),
            // What cannot be read was refused with the command line.
            only: Selection::of_url(&observe.url).unwrap_or_default(),
            table: Rc::clone(table),
            text: RefCell::default(),
        }
    }

    /// Reads it once.
    pub(super) async fn read(&self) -> Reading {
        let asked = pace::now();
        let answer = self.client.get(&self.url).send().await;
        let answered = pace::now();
        let mut text = self.text.take();
        text.clear();
        let values = match answer.map_err(|e| in_words(&e)) {
            Ok(answer) => fill(&mut text, answer).await,
            Err(why) => Err(why),
        };
        let values = values.and_then(|()| reading::read(&self.table, &text, &self.only));
        self.text.replace(text);
        Reading { asked, answered, values }
    }
}

pub(super) async fn fill(text: &mut Vec<u8>, mut answer: reqwest::Response) -> Result<(), String> {
    if !answer.status().is_success() {
        return Err(format!("the answer is {}", answer.status()));
    }
    while let Some(piece) = answer.chunk().await.map_err(|e| in_words(&e))? {
        if text.len() + piece.len() > MOST_BYTES {
            return Err(format!("the answer is longer than {} MiB", MOST_BYTES >> 20));
        }
        text.extend_from_slice(&piece);
    }
    Ok(())
}

/// The innermost cause, in one line and without the URL.
pub(super) fn in_words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string().replace(['\n', '\r'], " ")
}
