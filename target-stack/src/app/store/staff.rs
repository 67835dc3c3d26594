//! What the staff change: a product's price and picture, and with them what is shown beside it.

use super::Store;
use crate::app::fault::Fault;
use mysql_async::Value;

/// A product's new price and picture.
#[derive(Debug)]
pub(crate) struct NewPrice {
    pub(crate) price_cents: u32,
    pub(crate) thumbnail: String,
}

/// How many related items a product has.
const RELATED: usize = 5;

// What the latest orders have beside the item, the most of it first: as the TPC-W-like model chooses what is related.
const BESIDE: &str = "SELECT other.item_id FROM (SELECT id FROM orders ORDER BY id DESC LIMIT 3333) latest \
    JOIN order_line own ON own.order_id = latest.id AND own.item_id = ? \
    JOIN order_line other ON other.order_id = latest.id AND other.item_id <> ? \
    GROUP BY other.item_id ORDER BY SUM(other.quantity) DESC, other.item_id LIMIT ?";
const OLD: &str = "SELECT related1, related2, related3, related4, related5 FROM item WHERE id = ? FOR UPDATE";
const CHANGE: &str = "UPDATE item SET price_cents = ?, thumbnail = ?, published = UTC_DATE(), \
    related1 = ?, related2 = ?, related3 = ?, related4 = ?, related5 = ? WHERE id = ?";

impl Store {
    /// Changes a product, which is then as good as new. Orders keep the price that they were made at.
    pub(crate) async fn change_product(&self, id: u32, new: NewPrice) -> Result<(), Fault> {
        let mut session = self.session().await?;
        let beside: Vec<(u32,)> = session.rows(BESIDE, (id, id, RELATED)).await?;
        let mut transaction = session.begin().await?;
        let Some(old) = transaction.first::<(u32, u32, u32, u32, u32)>(OLD, (id,)).await? else {
            transaction.rollback().await?;
            return Err(Fault::NotFound("We do not sell such an item."));
        };
        let beside = beside.into_iter().map(|(item,)| item);
        let related = related(beside, [old.0, old.1, old.2, old.3, old.4]);
        let mut params: Vec<Value> = vec![new.price_cents.into(), new.thumbnail.into()];
        params.extend(related.map(Value::from));
        params.push(id.into());
        transaction.change(CHANGE, params).await?;
        transaction.commit().await
    }
}

/// The items beside it, and the old ones where there are too few.
fn related(beside: impl Iterator<Item = u32>, old: [u32; RELATED]) -> [u32; RELATED] {
    let mut related = old;
    related.iter_mut().zip(beside).for_each(|(place, item)| *place = item);
    related
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bought_together_goes_before_what_was_related() {
        for (beside, want) in [
            (vec![], [1, 2, 3, 4, 5]),
            (vec![9], [9, 2, 3, 4, 5]),
            (vec![9, 8, 7, 6, 10, 11], [9, 8, 7, 6, 10]),
        ] {
            assert_eq!(related(beside.clone().into_iter(), [1, 2, 3, 4, 5]), want, "{beside:?}");
        }
    }
}
