//! The whole system under test, and what tests start.

pub mod servers; // real servers: InfluxDB, VictoriaMetrics
