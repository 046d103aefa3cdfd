//! Footage, from an agent's word on MQTT and curl at the door to the screens, the history and the sealed bundle.

mod door; // files, as curl sends them
mod lost; // files that will never come, wishes that end, and how many files there are
mod story; // what cameras may say, cases, originals, shadow, deletion
mod world; // a kitchen with two cameras and three agents
