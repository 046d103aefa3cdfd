//! What the agent and its vision process say to each other, over the process's standard input and output.
//!
//! Every message is `head length u32, body length u32` (little-endian), the head (JSON: [`Ask`] or [`Answer`]), the body
//! (pixels or a JPEG; empty where nothing of it is said). Places are shares of the picture, so that its size does not matter.
//! Nothing here tells one person from another: there is no field for it, and none may come.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Bytes of a head, at most.
pub const HEAD_MAX: u32 = 1 << 20;
/// Bytes of a body, at most: 4,096 x 4,096 pixels.
pub const BODY_MAX: u32 = 3 << 24;

/// A rectangle, each edge as a share of the picture's width or height, 0 (left, top) to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Area {
    /// Left edge.
    pub left: f32,
    /// Upper edge.
    pub top: f32,
    /// Right edge.
    pub right: f32,
    /// Lower edge.
    pub bottom: f32,
}

/// How the pixels in a body are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pixels {
    /// A JPEG file.
    Jpeg,
    /// Red, green, blue, row by row.
    Rgb {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
    },
}

/// What the process is asked; its body is the picture, where one is meant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Comes back in the answer.
    pub id: u64,
    /// What is wanted.
    pub what: What,
}

/// See [`Ask`]. Models are named as their manifests are; the process opens each when it is first named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Persons, what classifiers say of each, and what they say of the whole picture.
    Look {
        /// The picture in the body.
        pixels: Pixels,
        /// The detector of persons (and heads, if it knows them).
        persons: String,
        /// A detector of faces, for classifiers that are shown a face; without one the faces are those that `persons` finds.
        #[serde(default)]
        faces: Option<String>,
        /// Classifiers that are shown the part of each person, head or face that their manifest names.
        of_persons: Vec<String>,
        /// Classifiers that are shown the whole picture.
        of_picture: Vec<String>,
    },
    /// Where faces, heads and the upper parts of persons are, grown as masking wants it. Each detector runs on the whole picture and
    /// on parts of it.
    Faces {
        /// The picture in the body.
        pixels: Pixels,
        /// Detectors that are all asked; what any of them finds counts.
        detectors: Vec<String>,
    },
    /// The picture as a JPEG in which these places are pixelated. No model runs.
    Mask {
        /// The picture in the body.
        pixels: Pixels,
        /// What nobody may see.
        areas: Vec<Area>,
        /// Quality of the JPEG, 1 to 100.
        quality: u8,
    },
    /// A file encrypted so that it takes both custodians to read it (age v1, twice, the second's around the first's).
    Seal {
        /// What is read.
        from: PathBuf,
        /// What is written, as a whole or not at all.
        to: PathBuf,
        /// Public keys `age1…` of the two.
        custodians: [String; 2],
    },
}

/// What became of an [`Ask`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Of the ask.
    pub id: u64,
    /// Milliseconds that it took in the process.
    pub took_ms: f64,
    /// The models that were run.
    pub models: Vec<ModelUsed>,
    /// Of each of these, in their order, the milliseconds of one run, on average.
    #[serde(default)]
    pub each_ms: Vec<f64>,
    /// What it is.
    pub said: Said,
}

/// A model that was run, by what its file is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelUsed {
    /// Name of its manifest.
    pub name: String,
    /// SHA-256 of its file, hexadecimal.
    pub sha256: String,
}

/// See [`Answer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// To [`What::Look`].
    Seen(Seen),
    /// To [`What::Faces`].
    Faces(Vec<Area>),
    /// To [`What::Mask`]: the body is the JPEG.
    Masked,
    /// To [`What::Seal`].
    Sealed {
        /// SHA-256 of the sealed file, hexadecimal.
        sha256: String,
        /// Its length.
        bytes: u64,
    },
    /// It cannot be done.
    Failed {
        /// True if a model is the cause, so that another version of it may do better.
        of_model: Option<String>,
        /// What, where and how to mend it.
        words: String,
    },
}

/// What a picture shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Its persons, the surest first.
    pub persons: Vec<Person>,
    /// What classifiers say of the whole picture.
    pub picture: Vec<Verdict>,
}

/// A person in a picture: where, and what is worn. Never who.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// Where.
    pub area: Area,
    /// How sure the detector is, 0 to 1.
    pub score: f32,
    /// What classifiers say.
    pub verdicts: Vec<Verdict>,
}

/// What a classifier says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Which one.
    pub model: String,
    /// A class of its manifest (`helmet`, `no_helmet`), or nothing if it is not sure enough of any, or sees nothing to judge.
    pub class: Option<String>,
    /// How sure it is of its likeliest class, 0 to 1.
    pub score: f32,
}

/// A message that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// Longer than any message is.
    #[error("a message of {head} + {body} bytes is longer than {HEAD_MAX} + {BODY_MAX}")]
    Long {
        /// Bytes of the head.
        head: u32,
        /// Bytes of the body.
        body: u32,
    },
    /// Its head is none.
    #[error("the head of a message cannot be read: {0}")]
    Head(String),
}

/// The lengths of head and body that a message begins with.
pub fn lengths(begin: [u8; 8]) -> Result<(usize, usize), BadMessage> {
    let [a, b, c, d, e, f, g, h] = begin;
    let (head, body) = (
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    );
    if head > HEAD_MAX || body > BODY_MAX {
        return Err(BadMessage::Long { head, body });
    }
    Ok((head as usize, body as usize))
}

/// The head of a message.
pub fn head<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, BadMessage> {
    serde_json::from_slice(bytes).map_err(|error| BadMessage::Head(error.to_string()))
}

/// What goes before a body of `body` bytes: the lengths and the head.
pub fn begin<T: Serialize>(head: &T, body: usize) -> Vec<u8> {
    let json = serde_json::to_vec(head).expect("heads are always JSON");
    let mut bytes = Vec::with_capacity(8 + json.len());
    bytes.extend_from_slice(&(json.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&(body as u32).to_le_bytes());
    bytes.extend_from_slice(&json);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written_and_an_endless_one_is_refused() {
        let ask = Ask {
            id: 7,
            what: What::Faces {
                pixels: Pixels::Rgb {
                    width: 2,
                    height: 1,
                },
                detectors: vec!["yunet-640".into()],
            },
        };
        let bytes = begin(&ask, 6);
        let (length, body) = lengths(bytes[..8].try_into().unwrap()).unwrap();
        assert_eq!((8 + length, body), (bytes.len(), 6));
        assert_eq!(head::<Ask>(&bytes[8..]).unwrap(), ask);
        assert!(matches!(lengths([255; 8]), Err(BadMessage::Long { .. })));
        assert!(matches!(head::<Ask>(b"{}"), Err(BadMessage::Head(_))));
    }
}
