//! The whole system, started from its binaries: the demo and the system tests use the same world. Read in this order:
//! `setup`, `process`, `config_text`, `world`, `client`, `reviewer`, `collect`, `balance`, `report`, `outage`, `watched`.

pub mod balance; // what the journal says, counted after everything stopped
pub mod browser; // a walk through the console
pub mod client; // the API as the console uses it
pub mod collect; // fills the report
pub mod config_text; // the configuration of the demo world
pub mod outage; // violent ends of agent, gateway and the line between them
pub mod process; // a child process with a log, an ordered stop and a violent one
pub mod recording; // a recording played to an agent
pub mod report; // what the demo says it did, and whether that was the whole chain
pub mod reviewer; // a person, scripted
pub mod servers; // real servers: InfluxDB, VictoriaMetrics, mosquitto
pub mod setup; // what must be there before anything starts
pub mod stores; // what the series store holds
pub mod watched; // a site with a camera
pub mod world; // certificates, configuration and processes of three sites and the gateway
