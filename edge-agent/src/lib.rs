//! The OneDoor edge agent: asks instruments, keeps the answers on disk until the gateway has them. Read in
//! this order: `config`, `profile`, `source`, `calibrate`, `record`, `buffer`, `publish`, `app`; `enrol` comes before all of
//! it on a new box, `identity` and `tls` say who it is.

pub mod app; // what runs, and how it stops
pub mod buffer; // on disk, promised
pub mod calibrate; // raw answers become readings, with doubt
pub mod camera; // pictures of the site, and whether a camera sees
pub mod check; // what a configuration means, in words
pub mod clock; // whether the clock can be trusted
pub mod config; // one file, all problems in one run
pub mod control; // orders of the gateway for devices: once, in time, where allowed
pub mod desired; // what the gateway wants this box to run, tried and proved
pub mod enrol; // a one-time code becomes an identity
pub mod folder; // the files that a configuration names
pub mod footage; // masked pictures of what was seen, on their way
pub mod giving_up; // what a block was that is let go of
pub mod http; // the least of it: a door and a question
pub mod identity; // key and certificate on disk, and their successors
pub mod metrics; // every counter, declared in one place
pub mod missing; // readings that will never come, until they are said
pub mod probe; // what a bus answers, for whoever sets the agent up
pub mod profile; // what a kind of instrument has in its registers
pub mod publish; // to the gateway, until its receipt
pub mod record; // one poll of one device, as bytes
pub mod salvage; // a damaged buffer file is set aside, its readable part goes on
pub mod section; // a TOML table that is read key by key
pub mod source; // instruments become raw answers
pub mod status; // how it does, for whoever stands before it
pub mod stop; // the stop token of a task
pub mod tls; // whom the agent believes
pub mod vision; // the process that looks at pictures

pub(crate) use contract::problems::chain;
