//! The ceiling from the loads that were offered: whether the objective held in a window and in a load, and at which rate it
//! ceases to hold, with an interval. Pure functions over [`crate::ceiling`]: a search is steered by them while it goes on, and
//! its record gives the same numbers again.

mod estimate;
mod load;

pub use estimate::{Estimate, estimate};
pub use load::{Patience, Settled, excess, is_bad, rises, settle, trend, why};
