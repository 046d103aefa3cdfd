//! Cameras of the site: their frames, whether they see what they should, and a ring of the last minutes. Read in this order:
//! `config`, `frame`, `multipart`, `login`, `mjpeg`, `ffmpeg`, `queue`, `look`, `usual`, `health`, `ring`, `packets`, `clip`, `watcher`, `task`.
//!
//! Promise: each frame that came is in the ring as it came, or counted; what health finds is a reading of the camera, every
//! `every`, like those of other devices. Memory per camera is bounded: at most [`task::FRAMES_MAX`] frames wait, then the
//! oldest goes and is counted. Without a `[[camera]]` nothing is started. Not promised: that every frame is looked at (at most
//! `frames_per_s` are); what people in the pictures do, since nothing here looks for people.

pub mod clip; // the frames around an event, with what is missing
pub mod config; // how a camera is written down
pub mod counts; // what came, and what was wrong with it
pub mod ffmpeg; // RTSP and files, by a child process
pub mod frame; // a picture on its way
pub mod health; // what is wrong with a camera; pure
pub mod login; // what a camera is shown that asks for a password; pure
pub mod look; // a frame as health sees it; pure
pub mod mjpeg; // JPEG parts over HTTP
pub mod multipart; // pictures out of bytes; pure
pub mod packets; // times of an MPEG transport stream; pure
pub mod parts; // pictures with their times as one file; pure
pub mod queue; // bounded, drops the oldest
pub mod ring; // the last minutes on disk
pub mod task; // captures until told to stop
pub mod usual; // what a camera usually shows; pure
pub mod watch; // what the pictures are watched for
pub mod watcher; // the thread that looks
