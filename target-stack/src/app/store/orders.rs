//! Orders. A purchase is one transaction under the visitor's idempotency key, and the unique index over the keys
//! alone decides whether it is new: a purchase that is sent again, later or at the same time, gives the order that
//! the first one made.

use super::cart::{LINES, Line, line, subtotal_cents};
use super::{DUPLICATE, Session, Store};
use crate::app::fault::Fault;
use crate::app::ticket::{Ticket, new_secret};
use crate::db::rows::tax_cents;
use mysql_async::{Conn, Transaction};
use serde::Serialize;

/// What somebody wants to buy.
#[derive(Debug)]
pub(crate) struct Purchase {
    pub(crate) key: String,
    pub(crate) buyer: Buyer,
    pub(crate) basket: Basket,
}

/// Who buys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Buyer {
    /// A customer who has signed in.
    Member(u32),
    /// Anybody with an e-mail address.
    Guest(String),
}

/// Where the lines of an order come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basket {
    Cart(Ticket),
    Item { item: u32, quantity: u32 },
}

/// An order that is stored.
#[derive(Debug, Serialize)]
pub(crate) struct Order {
    pub(crate) id: Ticket,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) customer: Option<u32>,
    /// The e-mail address of who is no customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) guest: Option<String>,
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
    pub(crate) id: Ticket,
    pub(crate) placed_at: String,
    pub(crate) status: String,
    pub(crate) total_cents: u64,
}

/// What became of an attempt.
enum Attempt {
    Stored(Ticket),
    /// The key is taken: this purchase was made before.
    Before,
}

/// ER_LOCK_DEADLOCK.
const DEADLOCK: u16 = 1213;
/// How often a purchase is tried when the database picks it to break a deadlock.
const ATTEMPTS: u32 = 5;

const PLACE: &str = "INSERT INTO orders (secret, idempotency_key, customer_id, guest_email, cart_id, placed_at, \
    subtotal_cents, tax_cents, total_cents, status) VALUES (?, ?, ?, ?, ?, UTC_TIMESTAMP(), 0, 0, 0, 'PENDING')";
const ITEM_LINE: &str = "SELECT id, title, CAST(? AS UNSIGNED), price_cents FROM item WHERE id = ?";
// The TPC-W-like model's rule: a shelf that runs low is filled up at once, so nothing is ever sold out.
const TAKE: &str = "UPDATE item SET stock = IF(stock >= ? + 10, stock - ?, 21) WHERE id = ?";
const ORDER: &str = "SELECT customer_id, guest_email, CAST(placed_at AS CHAR), status, subtotal_cents, tax_cents, \
    total_cents FROM orders WHERE id = ? AND secret = ?";
const BEFORE: &str =
    "SELECT id, secret, customer_id, guest_email, cart_id FROM orders WHERE idempotency_key = ?";
const ORDER_LINES: &str = "SELECT l.item_id, i.title, l.quantity, l.price_cents FROM order_line l \
    JOIN item i ON i.id = l.item_id WHERE l.order_id = ? ORDER BY l.item_id";

// As many as a page shows, the latest first.
const ORDERS_OF: &str = "SELECT id, secret, CAST(placed_at AS CHAR), status, total_cents FROM orders \
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
        match attempt? {
            Attempt::Stored(ticket) => read(&mut session, ticket).await,
            Attempt::Before => before(&mut session, purchase).await,
        }
    }

    /// The order of this ticket.
    pub(crate) async fn order(&self, id: Ticket) -> Result<Order, Fault> {
        read(&mut self.session().await?, id).await
    }

    /// The latest orders of a customer.
    pub(crate) async fn orders_of(&self, customer: u32) -> Result<Vec<Summary>, Fault> {
        let rows: Vec<(u64, u64, String, String, u64)> =
            self.session().await?.rows(ORDERS_OF, (customer,)).await?;
        let summary = |(id, secret, placed_at, status, total_cents)| Summary {
            id: Ticket { id, secret },
            placed_at,
            status,
            total_cents,
        };
        Ok(rows.into_iter().map(summary).collect())
    }
}

async fn try_buy(session: &mut Session<'_, Conn>, purchase: &Purchase) -> Result<Attempt, Fault> {
    let secret = new_secret()?;
    let mut transaction = session.begin().await?;
    // The key goes first: while this transaction is open, another with the same key waits right here.
    let (customer, guest) = purchase.buyer.columns();
    let params = (secret, &purchase.key, customer, guest, purchase.basket.cart());
    let id = match transaction.change(PLACE, params).await {
        Ok(change) => change.new_id,
        Err(fault) => {
            transaction.rollback().await?;
            return if fault.server_code() == Some(DUPLICATE) { Ok(Attempt::Before) } else { Err(fault) };
        }
    };
    match fill(&mut transaction, id, purchase.basket).await {
        Ok(()) => transaction.commit().await.map(|()| Attempt::Stored(Ticket { id, secret })),
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
        transaction.change("DELETE FROM cart_line WHERE cart_id = ?", (cart.id,)).await?;
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
        Basket::Cart(cart) => {
            // Locked, so that two purchases of one cart under different keys cannot both find it full.
            let lock = "SELECT id FROM cart WHERE id = ? AND secret = ? FOR UPDATE";
            let found: Option<(u64,)> = transaction.first(lock, (cart.id, cart.secret)).await?;
            found.ok_or(Fault::NotFound("There is no such cart."))?;
            (transaction.rows(LINES, (cart.id, cart.secret)).await?, Fault::Conflict("The cart is empty."))
        }
        Basket::Item { item, quantity } => {
            let rows = transaction.rows(ITEM_LINE, (quantity, item)).await?;
            (rows, Fault::NotFound("We do not sell such an item."))
        }
    };
    if rows.is_empty() { Err(otherwise) } else { Ok(rows.into_iter().map(line).collect()) }
}

/// The order that this key made before, if it was made by the same purchase: a key that comes with another one is the
/// client's mistake (draft-ietf-httpapi-idempotency-key-header-07, section 2.7).
async fn before(session: &mut Session<'_, Conn>, purchase: &Purchase) -> Result<Order, Fault> {
    type Row = (u64, u64, Option<u32>, Option<String>, Option<u64>);
    let row: Option<Row> = session.first(BEFORE, (&purchase.key,)).await?;
    let (id, secret, customer, guest, cart) = row.ok_or(Fault::Inside)?;
    let order = read(session, Ticket { id, secret }).await?;
    let same_basket = cart == purchase.basket.cart() && purchase.basket.fills(&order.lines);
    if same_basket && (customer, guest.as_deref()) == purchase.buyer.columns() {
        Ok(order)
    } else {
        Err(Fault::KeyTaken("The idempotency key belongs to another purchase."))
    }
}

async fn read(session: &mut Session<'_, Conn>, ticket: Ticket) -> Result<Order, Fault> {
    type Row = (Option<u32>, Option<String>, String, String, u64, u64, u64);
    let head: Option<Row> = session.first(ORDER, (ticket.id, ticket.secret)).await?;
    let (customer, guest, placed_at, status, subtotal_cents, tax_cents, total_cents) =
        head.ok_or(Fault::NotFound("There is no such order."))?;
    let rows: Vec<LineRow> = session.rows(ORDER_LINES, (ticket.id,)).await?;
    let lines = rows.into_iter().map(line).collect();
    Ok(Order {
        id: ticket,
        customer,
        guest,
        placed_at,
        status,
        subtotal_cents,
        tax_cents,
        total_cents,
        lines,
    })
}

impl Buyer {
    /// As an order's row has it.
    fn columns(&self) -> (Option<u32>, Option<&str>) {
        match self {
            Self::Member(id) => (Some(*id), None),
            Self::Guest(email) => (None, Some(email)),
        }
    }
}

impl Basket {
    /// The number of the cart, if it is one.
    fn cart(self) -> Option<u64> {
        if let Self::Cart(cart) = self { Some(cart.id) } else { None }
    }

    /// Whether these lines can come from it. What was in a cart nobody knows any more.
    fn fills(self, lines: &[Line]) -> bool {
        match self {
            Self::Cart(_) => true,
            Self::Item { item, quantity } => {
                matches!(lines, [line] if (line.item, line.quantity) == (item, quantity))
            }
        }
    }
}
