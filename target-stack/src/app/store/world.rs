//! The plain measurements' table: rows by key, read and written, as TechEmpower's benchmarks do.

use super::Store;
use crate::app::fault::Fault;
use serde::Serialize;
use std::collections::BTreeSet;

/// How many rows `world` has, and how large its numbers are: 1 to this.
const ROWS: u32 = 10_000;

/// One row.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct World {
    id: u32,
    random_number: u32,
}

const READ: &str = "SELECT id, random_number FROM world WHERE id = ?";

impl Store {
    /// `count` different random rows, each read by a query of its own, by rising key.
    pub(crate) async fn worlds(&self, count: usize) -> Result<Vec<World>, Fault> {
        let mut session = self.session().await?;
        let mut worlds = Vec::with_capacity(count);
        for id in self.world_ids(count) {
            let (id, random_number) =
                session.first(READ, (id,)).await?.ok_or(Fault::NotFound("No such row."))?;
            worlds.push(World { id, random_number });
        }
        Ok(worlds)
    }

    /// As [`Store::worlds`], and gives each row a new number, all in one transaction.
    pub(crate) async fn update_worlds(&self, count: usize) -> Result<Vec<World>, Fault> {
        let mut session = self.session().await?;
        let mut transaction = session.begin().await?;
        let mut worlds = Vec::with_capacity(count);
        // By rising key: two requests that share rows take them in the same order and cannot block each other.
        for id in self.world_ids(count) {
            let (id, _): (u32, u32) =
                transaction.first(READ, (id,)).await?.ok_or(Fault::NotFound("No such row."))?;
            let random_number = self.random_id(ROWS);
            transaction
                .change("UPDATE world SET random_number = ? WHERE id = ?", (random_number, id))
                .await?;
            worlds.push(World { id, random_number });
        }
        transaction.commit().await?;
        Ok(worlds)
    }

    fn world_ids(&self, count: usize) -> BTreeSet<u32> {
        let mut ids = BTreeSet::new();
        while ids.len() < count {
            ids.insert(self.random_id(ROWS));
        }
        ids
    }
}
