//! The gateway, one story per file.

mod series;
