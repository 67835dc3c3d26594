//! Carts: anonymous, opened by their tickets, filled line by line until an order empties them.

use super::Store;
use crate::app::fault::Fault;
use crate::app::ticket::{Ticket, new_secret};
use serde::Serialize;

/// How many copies of one item a cart or an order may hold.
pub(crate) const MOST: u32 = 99;

/// Copies of one item, in a cart or in an order.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) item: u32,
    pub(crate) title: String,
    pub(crate) quantity: u32,
    pub(crate) price_cents: u32,
}

/// A cart as it is now.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Cart {
    pub(crate) id: Ticket,
    pub(crate) lines: Vec<Line>,
    pub(crate) subtotal_cents: u64,
}

/// A cart's lines, by rising item.
pub(super) const LINES: &str = "SELECT l.item_id, i.title, l.quantity, i.price_cents FROM cart c \
    JOIN cart_line l ON l.cart_id = c.id JOIN item i ON i.id = l.item_id \
    WHERE c.id = ? AND c.secret = ? ORDER BY l.item_id";
const FIND: &str = "SELECT id FROM cart WHERE id = ? AND secret = ?";

// Adds to a cart that exists an item that exists: otherwise no row is touched.
const ADD: &str = "INSERT INTO cart_line (cart_id, item_id, quantity) \
    SELECT c.id, i.id, ? FROM cart c JOIN item i ON i.id = ? WHERE c.id = ? AND c.secret = ? \
    ON DUPLICATE KEY UPDATE cart_line.quantity = LEAST(cart_line.quantity + ?, ?)";
const REMOVE: &str = "DELETE l FROM cart c JOIN cart_line l ON l.cart_id = c.id \
    WHERE c.id = ? AND c.secret = ? AND l.item_id = ?";
const SET: &str = "UPDATE cart c JOIN cart_line l ON l.cart_id = c.id SET l.quantity = ? \
    WHERE c.id = ? AND c.secret = ? AND l.item_id = ?";

impl Store {
    /// The cart of this ticket.
    pub(crate) async fn cart(&self, id: Ticket) -> Result<Cart, Fault> {
        let mut session = self.session().await?;
        let lines: Vec<(u32, String, u32, u32)> = session.rows(LINES, (id.id, id.secret)).await?;
        if lines.is_empty() {
            // An empty cart is fine, one that never was is not.
            let found: Option<(u64,)> = session.first(FIND, (id.id, id.secret)).await?;
            found.ok_or(Fault::NotFound("There is no such cart."))?;
        }
        let lines: Vec<Line> = lines.into_iter().map(line).collect();
        Ok(Cart { id, subtotal_cents: subtotal_cents(&lines), lines })
    }

    /// Adds copies of an item to a cart, or to a new one; gives the cart's ticket.
    pub(crate) async fn add_to_cart(
        &self,
        cart: Option<Ticket>,
        item: u32,
        quantity: u32,
    ) -> Result<Ticket, Fault> {
        let mut session = self.session().await?;
        let mut transaction = session.begin().await?;
        let cart = match cart {
            Some(cart) => cart,
            None => {
                let secret = new_secret()?;
                let new = "INSERT INTO cart (secret, created_at) VALUES (?, UTC_TIMESTAMP())";
                Ticket { id: transaction.change(new, (secret,)).await?.new_id, secret }
            }
        };
        let added = transaction.change(ADD, (quantity, item, cart.id, cart.secret, quantity, MOST)).await?;
        if added.rows == 0 {
            transaction.rollback().await?;
            return Err(Fault::NotFound("There is no such cart or no such item."));
        }
        transaction.commit().await?;
        Ok(cart)
    }

    /// Sets how many copies of an item that it has are in a cart; with none, the line is gone.
    pub(crate) async fn set_line(&self, cart: Ticket, item: u32, quantity: u32) -> Result<(), Fault> {
        let mut session = self.session().await?;
        let changed = if quantity == 0 {
            session.change(REMOVE, (cart.id, cart.secret, item)).await?
        } else {
            session.change(SET, (quantity, cart.id, cart.secret, item)).await?
        };
        if changed.rows == 0 { Err(Fault::NotFound("There is no such item in the cart.")) } else { Ok(()) }
    }
}

pub(super) fn line((item, title, quantity, price_cents): (u32, String, u32, u32)) -> Line {
    Line { item, title, quantity, price_cents }
}

pub(super) fn subtotal_cents(lines: &[Line]) -> u64 {
    lines.iter().map(|line| u64::from(line.quantity) * u64::from(line.price_cents)).sum()
}
