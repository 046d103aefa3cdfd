//! Entries of the journal become time series.

pub mod embedded; // the default store: one SQLite file
