//! The OneDoor gateway.
//!
//! Read in this order: `app`, `config`, `registry`, `broker`, `fleet`, `ingest`, `post`, `follow`, `series`, `coverage`, `detect`, `case`,
//! `footage`, `evidence`, `credit`, `risk`, `inspection`, `control`, `store`, `account`, `api`, `ca`, `metrics`.

pub mod account; // who may sign in, and as what
pub mod api; // HTTP: the console's and other systems' door
pub mod app; // what runs, and how it stops
pub mod broker; // MQTT connections: who may say what
pub mod ca; // certificates for the gateway and its agents
pub mod case; // signals become something a person must look at
pub mod certificate; // what a certificate says
pub mod config; // one file, all problems in one run
pub mod control; // what devices were ordered to do, by whom, why, and what became of it
pub mod coverage; // what was expected of each point and day, and what came
pub mod credit; // a finding becomes an entry in a credit record, and is delivered
pub mod detect; // entries become signals
pub mod evidence; // what a person confirmed is sealed
pub mod fleet; // agents are enrolled, renewed, revoked
pub mod follow; // a thread that follows the journal
pub mod footage; // what agents' cameras saw, masked, as far as it has come
pub mod ingest; // bytes from MQTT become entries of the journal, and receipts
pub mod inspection; // what departments have to check becomes one visit
pub mod metrics; // every counter, declared in one place
pub mod post; // what the gateway sends by itself
pub mod registry; // businesses, sites, devices, agents: what is known before the first reading
pub mod risk; // findings become a class A to D, explained
pub mod series; // entries become time series
pub mod store; // the records database

pub(crate) use contract::problems::chain;
