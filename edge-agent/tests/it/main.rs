//! The agent against an instrument and a gateway's MQTT door, both made here.

mod buffer; // the buffer against a model, killed, full, cut and altered
mod config; // every problem in one run
mod heard; // what arrived, by device and point
mod hj212; // data loggers of the environment
mod host; // a tiny MQTT host with a gateway's receipts
mod instrument; // a Modbus TCP server
mod json_http; // devices that are asked, and devices that post
mod json_mqtt; // devices that publish through a real broker
mod peers; // mosquitto, nginx, curl
mod restored; // a buffer file put back from an old copy
mod run; // the story: silence, outage, kill -9
mod session; // the Sparkplug session as a table
mod sparkplug; // an edge node that is not ours
mod status; // page and command
