//! The ceiling from the loads that were offered: whether the objective held in a window and in a load, and at which rate it
//! ceases to hold, with an interval. Pure functions over [`crate::ceiling`]: a search is steered by them while it goes on, and
//! its record gives the same numbers again.

mod curve;
mod estimate;
mod load;
mod saturation;

pub use estimate::{Estimate, estimate};
pub use load::{Patience, Settled, answered, excess, filling, is_bad, rises, settle, trend, why};
