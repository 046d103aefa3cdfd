//! The gateway, one story per file.

mod coverage;
mod detect;
mod footage;
mod influx;
mod ingest;
mod records;
mod series;
