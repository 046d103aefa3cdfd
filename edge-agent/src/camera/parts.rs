//! A clip of pictures as one file: parts of `multipart/x-mixed-replace` (RFC 2046 5.1), which browsers and ffmpeg's `mpjpeg`
//! play. Pure.

use contract::Timestamp;

/// What the file is called over HTTP.
pub const MEDIA_TYPE: &str = "multipart/x-mixed-replace";

/// What goes before a picture.
pub fn head(at: Timestamp, bytes: usize) -> String {
    format!(
        "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {bytes}\r\nX-Timestamp: {}\r\n\r\n",
        at.as_millis()
    )
}

/// What goes after a picture.
pub const TAIL: &[u8] = b"\r\n";
/// What ends the file.
pub const END: &[u8] = b"--frame--\r\n";
