//! Orders. A purchase is one transaction under the visitor's idempotency key, and the unique index over the keys
//! alone decides whether it is new: a purchase that is sent again, later or at the same time, gives the order that
//! the first one made.

use super::cart::{self, Line, line, subtotal_cents};
use super::{DUPLICATE, Session, Store};
use crate::app::fault::Fault;
use crate::db::rows::tax_cents;
use mysql_async::{Conn, Transaction};
use serde::Serialize;

/// What somebody wants to buy.
#[derive(Debug)]
pub(crate) struct Purchase {
    pub(crate) key: String,
    pub(crate) customer: u32,
    pub(crate) basket: Basket,
}

/// Where the lines of an order come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basket {
    Cart(u64),
    Item { item: u32, quantity: u32 },
}

/// An order that is stored.
#[derive(Debug, Serialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) customer: u32,
    pub(crate) placed_at: String,
    pub(crate) status: String,
    pub(crate) subtotal_cents: u64,
    pub(crate) tax_cents: u64,
    pub(crate) total_cents: u64,
    pub(crate) lines: Vec<Line>,
}

/// An order as a list shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) id: u64,
    pub(crate) placed_at: String,
    pub(crate) status: String,
    pub(crate) total_cents: u64,
}

/// What became of an attempt.
enum Attempt {
    Stored(u64),
    /// The key is taken: this purchase was made before.
    Before,
}

/// ER_LOCK_DEADLOCK, ER_NO_REFERENCED_ROW_2.
const DEADLOCK: u16 = 1213;
const NO_SUCH_PARENT: u16 = 1452;
/// How often a purchase is tried when the database picks it to break a deadlock.
const ATTEMPTS: u32 = 5;

const PLACE: &str = "INSERT INTO orders (idempotency_key, customer_id, placed_at, subtotal_cents, tax_cents, \
    total_cents, status) VALUES (?, ?, UTC_TIMESTAMP(), 0, 0, 0, 'PENDING')";
const ITEM_LINE: &str = "SELECT id, title, CAST(? AS UNSIGNED), price_cents FROM item WHERE id = ?";
// The TPC-W-like model's rule: a shelf that runs low is filled up at once, so nothing is ever sold out.
const TAKE: &str = "UPDATE item SET stock = IF(stock >= ? + 10, stock - ?, 21) WHERE id = ?";
const ORDER: &str = "SELECT customer_id, CAST(placed_at AS CHAR), status, subtotal_cents, tax_cents, total_cents \
    FROM orders WHERE id = ?";
const ORDER_LINES: &str = "SELECT l.item_id, i.title, l.quantity, l.price_cents FROM order_line l \
    JOIN item i ON i.id = l.item_id WHERE l.order_id = ? ORDER BY l.item_id";

// As many as a page shows, the latest first.
const ORDERS_OF: &str = "SELECT id, CAST(placed_at AS CHAR), status, total_cents FROM orders \
    WHERE customer_id = ? ORDER BY id DESC LIMIT 20";

type LineRow = (u32, String, u32, u32);

impl Store {
    /// Makes the purchase, or finds the order that it made before.
    pub(crate) async fn buy(&self, purchase: &Purchase) -> Result<Order, Fault> {
        let mut session = self.session().await?;
        let mut attempt = try_buy(&mut session, purchase).await;
        for _ in 1..ATTEMPTS {
            if !attempt.as_ref().is_err_and(|fault| fault.server_code() == Some(DEADLOCK)) {
                break;
            }
            attempt = try_buy(&mut session, purchase).await;
        }
        let id = match attempt? {
            Attempt::Stored(id) => id,
            Attempt::Before => find(&mut session, purchase).await?,
        };
        read(&mut session, id).await
    }

    /// The order of this number.
    pub(crate) async fn order(&self, id: u64) -> Result<Order, Fault> {
        read(&mut self.session().await?, id).await
    }

    /// The latest orders of a customer.
    pub(crate) async fn orders_of(&self, customer: u32) -> Result<Vec<Summary>, Fault> {
        let rows: Vec<(u64, String, String, u64)> =
            self.session().await?.rows(ORDERS_OF, (customer,)).await?;
        let summary = |(id, placed_at, status, total_cents)| Summary { id, placed_at, status, total_cents };
        Ok(rows.into_iter().map(summary).collect())
    }
}

async fn try_buy(session: &mut Session<'_, Conn>, purchase: &Purchase) -> Result<Attempt, Fault> {
    let mut transaction = session.begin().await?;
    // The key goes first: while this transaction is open, another with the same key waits right here.
    let placed = transaction.change(PLACE, (&purchase.key, purchase.customer)).await;
    let order = match placed {
        Ok(change) => change.new_id,
        Err(fault) => {
            transaction.rollback().await?;
            return match fault.server_code() {
                Some(DUPLICATE) => Ok(Attempt::Before),
                Some(NO_SUCH_PARENT) => Err(Fault::BadRequest("There is no such customer.".into())),
                _ => Err(fault),
            };
        }
    };
    match fill(&mut transaction, order, purchase.basket).await {
        Ok(()) => transaction.commit().await.map(|()| Attempt::Stored(order)),
        Err(fault) => {
            transaction.rollback().await?;
            Err(fault)
        }
    }
}

/// Moves the basket's lines into the order.
async fn fill(
    transaction: &mut Session<'_, Transaction<'_>>,
    order: u64,
    basket: Basket,
) -> Result<(), Fault> {
    let lines = take_lines(transaction, basket).await?;
    // Lines come by rising item: two orders that share items take the rows in the same order.
    for Line { item, quantity, price_cents, .. } in &lines {
        transaction.change(TAKE, (quantity, quantity, item)).await?;
        let add = "INSERT INTO order_line (order_id, item_id, quantity, price_cents) VALUES (?, ?, ?, ?)";
        transaction.change(add, (order, item, quantity, price_cents)).await?;
    }
    if let Basket::Cart(cart) = basket {
        transaction.change("DELETE FROM cart_line WHERE cart_id = ?", (cart,)).await?;
    }
    let subtotal = subtotal_cents(&lines);
    let tax = tax_cents(subtotal);
    let close = "UPDATE orders SET subtotal_cents = ?, tax_cents = ?, total_cents = ? WHERE id = ?";
    transaction.change(close, (subtotal, tax, subtotal + tax, order)).await?;
    Ok(())
}

async fn take_lines(
    transaction: &mut Session<'_, Transaction<'_>>,
    basket: Basket,
) -> Result<Vec<Line>, Fault> {
    let (rows, otherwise): (Vec<LineRow>, _) = match basket {
        Basket::Cart(number) => {
            // Locked, so that two purchases of one cart under different keys cannot both find it full.
            let lock = "SELECT id FROM cart WHERE id = ? FOR UPDATE";
            let found: Option<(u64,)> = transaction.first(lock, (number,)).await?;
            found.ok_or(Fault::NotFound("There is no such cart."))?;
            (transaction.rows(cart::LINES, (number,)).await?, Fault::Conflict("The cart is empty."))
        }
        Basket::Item { item, quantity } => {
            let rows = transaction.rows(ITEM_LINE, (quantity, item)).await?;
            (rows, Fault::NotFound("We do not sell such an item."))
        }
    };
    if rows.is_empty() { Err(otherwise) } else { Ok(rows.into_iter().map(line).collect()) }
}

async fn find(session: &mut Session<'_, Conn>, purchase: &Purchase) -> Result<u64, Fault> {
    let sql = "SELECT id, customer_id FROM orders WHERE idempotency_key = ?";
    match session.first::<(u64, u32)>(sql, (&purchase.key,)).await? {
        Some((id, customer)) if customer == purchase.customer => Ok(id),
        _ => Err(Fault::Conflict("The idempotency key belongs to another purchase.")),
    }
}

async fn read(session: &mut Session<'_, Conn>, id: u64) -> Result<Order, Fault> {
    let head: Option<(u32, String, String, u64, u64, u64)> = session.first(ORDER, (id,)).await?;
    let (customer, placed_at, status, subtotal_cents, tax_cents, total_cents) =
        head.ok_or(Fault::NotFound("There is no such order."))?;
    let rows: Vec<LineRow> = session.rows(ORDER_LINES, (id,)).await?;
    let lines = rows.into_iter().map(line).collect();
    Ok(Order { id, customer, placed_at, status, subtotal_cents, tax_cents, total_cents, lines })
}
