//! What the shop sells: one item, and lists of them. All reads; each function is one query.

use super::Store;
use crate::app::fault::Fault;
use mysql_async::Value;
use serde::{Deserialize, Serialize};

/// How many items a list shows.
const PAGE: u32 = 50;

/// An item as lists show it.
#[derive(Debug, Serialize)]
pub(crate) struct Card {
    pub(crate) id: u32,
    pub(crate) title: String,
    pub(crate) author: String,
    pub(crate) price_cents: u32,
    pub(crate) thumbnail: String,
    /// Copies sold lately, where that is what the list is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sold: Option<u64>,
}

/// An item with all that is known of it.
#[derive(Debug, Serialize)]
pub(crate) struct Product {
    pub(crate) id: u32,
    pub(crate) title: String,
    pub(crate) author: String,
    pub(crate) subject: String,
    pub(crate) published: String,
    pub(crate) price_cents: u32,
    pub(crate) stock: i32,
    pub(crate) description: String,
    pub(crate) thumbnail: String,
    pub(crate) related: Vec<u32>,
}

/// What a search looks into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SearchBy {
    #[default]
    Title,
    Author,
    Subject,
}

const PRODUCT: &str = "SELECT i.id, i.title, CONCAT(a.first_name, ' ', a.last_name), i.subject, \
    CAST(i.published AS CHAR), i.price_cents, i.stock, i.description, i.thumbnail, \
    CONCAT_WS(',', i.related1, i.related2, i.related3, i.related4, i.related5) \
    FROM item i JOIN author a ON a.id = i.author_id WHERE i.id = ?";

/// The columns of a [`Card`] from `item i` and `author a`.
macro_rules! cards {
    ($rest:literal) => {
        concat!(
            "SELECT i.id, i.title, CONCAT(a.first_name, ' ', a.last_name), i.price_cents, i.thumbnail ",
            $rest
        )
    };
}

const PROMOTED: &str =
    cards!("FROM item i JOIN author a ON a.id = i.author_id WHERE i.id IN (?, ?, ?, ?, ?)");

const NEW: &str = cards!(
    "FROM item i JOIN author a ON a.id = i.author_id WHERE i.subject = ? ORDER BY i.published DESC, i.id LIMIT ?"
);

// A word anywhere in the title, as the TPC-W-like model asks: a walk along the titles' index, which stops when the
// page is full. A full-text index would be faster, but MariaDB and MySQL cut words differently, and the search is
// here to be honest work for the database. STRAIGHT_JOIN, because the optimizer would rather visit every author.
const BY_TITLE: &str = cards!(
    "FROM item i STRAIGHT_JOIN author a ON a.id = i.author_id WHERE i.title LIKE ? ORDER BY i.title, i.id LIMIT ?"
);

// A last name's beginning: the index finds the authors, and theirs are few.
const BY_AUTHOR: &str = cards!(
    "FROM author a JOIN item i ON i.author_id = a.id WHERE a.last_name LIKE ? ORDER BY i.title, i.id LIMIT ?"
);

const BY_SUBJECT: &str = cards!(
    "FROM item i JOIN author a ON a.id = i.author_id WHERE i.subject = ? ORDER BY i.title, i.id LIMIT ?"
);

// The lines of the latest 3,333 orders, added up for every request: nothing is remembered between two of them.
const BEST_SELLERS: &str = "SELECT i.id, i.title, CONCAT(a.first_name, ' ', a.last_name), i.price_cents, \
    i.thumbnail, CAST(top.sold AS UNSIGNED) FROM (\
        SELECT l.item_id, SUM(l.quantity) AS sold \
        FROM (SELECT id FROM orders ORDER BY id DESC LIMIT 3333) latest \
        JOIN order_line l ON l.order_id = latest.id \
        GROUP BY l.item_id ORDER BY sold DESC, l.item_id LIMIT ?) top \
    JOIN item i ON i.id = top.item_id JOIN author a ON a.id = i.author_id ORDER BY top.sold DESC, i.id";

const BEST_SELLERS_OF: &str = "SELECT i.id, i.title, CONCAT(a.first_name, ' ', a.last_name), i.price_cents, \
    i.thumbnail, CAST(top.sold AS UNSIGNED) FROM (\
        SELECT l.item_id, SUM(l.quantity) AS sold \
        FROM (SELECT id FROM orders ORDER BY id DESC LIMIT 3333) latest \
        JOIN order_line l ON l.order_id = latest.id JOIN item s ON s.id = l.item_id \
        WHERE s.subject = ? GROUP BY l.item_id ORDER BY sold DESC, l.item_id LIMIT ?) top \
    JOIN item i ON i.id = top.item_id JOIN author a ON a.id = i.author_id ORDER BY top.sold DESC, i.id";

type CardRow = (u32, String, String, u32, String);
type SoldRow = (u32, String, String, u32, String, u64);
type ProductRow = (u32, String, String, String, String, u32, i32, String, String, String);

impl Store {
    /// One item, by one query.
    pub(crate) async fn product(&self, id: u32) -> Result<Product, Fault> {
        let row: Option<ProductRow> = self.session().await?.first(PRODUCT, (id,)).await?;
        row.map(product).ok_or(Fault::NotFound("We do not sell such an item."))
    }

    /// A few items by chance.
    pub(crate) async fn promotions(&self) -> Result<Vec<Card>, Fault> {
        let ids = [(); 5].map(|()| Value::from(self.random_id(self.items)));
        self.cards(PROMOTED, ids.to_vec()).await
    }

    /// The latest items of a subject.
    pub(crate) async fn new_products(&self, subject: &str) -> Result<Vec<Card>, Fault> {
        self.cards(NEW, vec![subject.into(), PAGE.into()]).await
    }

    /// The items sold most among the latest orders, of one subject or of all.
    pub(crate) async fn best_sellers(&self, subject: Option<&str>) -> Result<Vec<Card>, Fault> {
        let mut session = self.session().await?;
        let rows: Vec<SoldRow> = match subject {
            Some(subject) => session.rows(BEST_SELLERS_OF, (subject, PAGE)).await?,
            None => session.rows(BEST_SELLERS, (PAGE,)).await?,
        };
        let sold = |(id, title, author, price_cents, thumbnail, sold)| Card {
            sold: Some(sold),
            ..card((id, title, author, price_cents, thumbnail))
        };
        Ok(rows.into_iter().map(sold).collect())
    }

    /// The items that a search finds, the first page of them.
    pub(crate) async fn search(&self, by: SearchBy, words: &str) -> Result<Vec<Card>, Fault> {
        let (sql, pattern) = match by {
            SearchBy::Title => (BY_TITLE, format!("%{}%", escape_like(words))),
            SearchBy::Author => (BY_AUTHOR, format!("{}%", escape_like(words))),
            SearchBy::Subject => (BY_SUBJECT, words.to_owned()),
        };
        self.cards(sql, vec![pattern.into(), PAGE.into()]).await
    }

    /// A customer's first name.
    pub(crate) async fn first_name(&self, customer: u32) -> Result<Option<String>, Fault> {
        let sql = "SELECT first_name FROM customer WHERE id = ?";
        let row: Option<(String,)> = self.session().await?.first(sql, (customer,)).await?;
        Ok(row.map(|(name,)| name))
    }

    async fn cards(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Card>, Fault> {
        let rows: Vec<CardRow> = self.session().await?.rows(sql, params).await?;
        Ok(rows.into_iter().map(card).collect())
    }
}

fn card((id, title, author, price_cents, thumbnail): CardRow) -> Card {
    Card { id, title, author, price_cents, thumbnail, sold: None }
}

fn product(row: ProductRow) -> Product {
    let (id, title, author, subject, published, price_cents, stock, description, thumbnail, related) = row;
    let related = related.split(',').filter_map(|id| id.parse().ok()).collect();
    Product { id, title, author, subject, published, price_cents, stock, description, thumbnail, related }
}

/// `text` as a LIKE pattern that means itself.
fn escape_like(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_mean_themselves() {
        for (text, want) in [("plain", "plain"), ("100%_\\", "100\\%\\_\\\\"), ("", "")] {
            assert_eq!(escape_like(text), want);
        }
    }
}
