//! The journal's promises, each as a test.

mod crash; // kill -9 loses no committed block
mod model; // random operations against a tiny model
mod promises; // damage, following, limits, closing
