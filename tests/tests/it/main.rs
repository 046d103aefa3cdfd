//! The whole system, one story per file.

mod agent_killed;
mod camera;
mod clock;
mod configuration;
mod enrol;
mod footage_killed;
mod hj212;
mod hj212_control;
mod influx_servers;
mod link;
mod outage;
mod pymodbus;
mod replay;
mod rtsp_footage;
mod story;
