//! The gateway, one story per file.

mod influx;
mod series;
