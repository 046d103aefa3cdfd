//! Sparkplug B edge nodes that publish to a broker of the site. Read in this order: `config`, `node`, `task`.

pub mod config; // which group
pub mod node; // what is known of one node; pure
pub mod task; // the connection

pub use config::Sparkplug;
