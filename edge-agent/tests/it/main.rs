//! The agent against an instrument and a gateway's MQTT door, both made here.

mod buffer; // the buffer against a model, killed, full, cut and altered
mod camera; // pictures over HTTP, a ring and its clips
mod camera_health; // what is wrong with simulated cameras, and an hour without anything
mod camera_rtsp; // through a server and a decoder nobody here wrote
mod camera_watch; // what its pictures are watched for
mod complete; // each due poll is a record or inside a gap
mod config; // every problem in one run
mod desired; // what the gateway wants the box to run
mod footage; // masked pictures on their way, and the frames of a cut
mod footage_door; // a gateway's door that misbehaves
mod heard; // what arrived, by device and point
mod hj212; // data loggers of the environment
mod hj212_host; // the HJ 212 host against loggers, strangers and kill -9
mod host; // a tiny MQTT host with a gateway's receipts
mod instrument; // a Modbus TCP server
mod json_http; // devices that are asked, and devices that post
mod json_mqtt; // devices that publish through a real broker
mod line; // a serial line behind a TCP box
mod modbus; // late, refusing and exchanged devices
mod peers; // mosquitto, nginx, curl
mod probe; // what a probe finds
mod pymodbus; // a line with instruments nobody here wrote
mod restored; // a buffer file put back from an old copy
mod run; // the story: silence, outage, kill -9
mod session; // the Sparkplug session as a table
mod sparkplug; // an edge node that is not ours
mod status; // page and command
