//! Carts: numbered, anonymous, filled line by line until an order empties them.

use super::Store;
use crate::app::fault::Fault;
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
    pub(crate) id: u64,
    pub(crate) lines: Vec<Line>,
    pub(crate) subtotal_cents: u64,
}

/// A cart's lines, by rising item.
pub(super) const LINES: &str = "SELECT l.item_id, i.title, l.quantity, i.price_cents FROM cart_line l \
    JOIN item i ON i.id = l.item_id WHERE l.cart_id = ? ORDER BY l.item_id";

// Adds to a cart that exists an item that exists: otherwise no row is touched.
const ADD: &str = "INSERT INTO cart_line (cart_id, item_id, quantity) \
    SELECT c.id, i.id, ? FROM cart c JOIN item i ON i.id = ? WHERE c.id = ? \
    ON DUPLICATE KEY UPDATE cart_line.quantity = LEAST(cart_line.quantity + ?, ?)";

impl Store {
    /// The cart of this number.
    pub(crate) async fn cart(&self, id: u64) -> Result<Cart, Fault> {
        let mut session = self.session().await?;
        let lines: Vec<(u32, String, u32, u32)> = session.rows(LINES, (id,)).await?;
        if lines.is_empty() {
            // An empty cart is fine, one that never was is not.
            let found: Option<(u64,)> = session.first("SELECT id FROM cart WHERE id = ?", (id,)).await?;
            found.ok_or(Fault::NotFound("There is no such cart."))?;
        }
        let lines: Vec<Line> = lines.into_iter().map(line).collect();
        Ok(Cart { id, subtotal_cents: subtotal_cents(&lines), lines })
    }

    /// Adds copies of an item to a cart, or to a new one; gives the cart's number.
    pub(crate) async fn add_to_cart(
        &self,
        cart: Option<u64>,
        item: u32,
        quantity: u32,
    ) -> Result<u64, Fault> {
        let mut session = self.session().await?;
        let mut transaction = session.begin().await?;
        let cart = match cart {
            Some(cart) => cart,
            None => {
                let new = "INSERT INTO cart (created_at) VALUES (UTC_TIMESTAMP())";
                transaction.change(new, ()).await?.new_id
            }
        };
        let added = transaction.change(ADD, (quantity, item, cart, quantity, MOST)).await?;
        if added.rows == 0 {
            transaction.rollback().await?;
            return Err(Fault::NotFound("There is no such cart or no such item."));
        }
        transaction.commit().await?;
        Ok(cart)
    }

    /// Sets how many copies of an item that it has are in a cart; with none, the line is gone.
    pub(crate) async fn set_line(&self, cart: u64, item: u32, quantity: u32) -> Result<(), Fault> {
        let mut session = self.session().await?;
        let changed = if quantity == 0 {
            let sql = "DELETE FROM cart_line WHERE cart_id = ? AND item_id = ?";
            session.change(sql, (cart, item)).await?
        } else {
            let sql = "UPDATE cart_line SET quantity = ? WHERE cart_id = ? AND item_id = ?";
            session.change(sql, (quantity, cart, item)).await?
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
