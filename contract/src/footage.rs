//! What a camera's agent says of what it saw, and of the pictures that it keeps of it: [`Sighting`] at once, [`Manifest`]
//! when stills and clip are cut, [`Loss`] when a file that was announced will never come. All travel as what the camera sent (`OneDoor/Raw`) in the buffered stream, so they are neither
//! lost nor doubled, stand in the journal beside the readings, and are sealed with the evidence of a case.

use crate::{
    AgentId, DeviceId, PointName, SiteId, Timestamp,
    vision::{Area, ModelUsed},
};
use serde::{Deserialize, Serialize};

/// What a camera's agent says beside readings; `kind` in the JSON tells which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Said {
    /// Why a point of the camera became 1.
    Sighting(Sighting),
    /// Which pictures there are of it.
    Footage(Signed),
    /// Which of them is lost at the site: the text that is signed is a [`Loss`].
    Lost(Signed),
}

impl Said {
    /// What these bytes say, if it is this.
    pub fn read(bytes: &[u8]) -> Option<Said> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Why a point of a camera became 1: a signal for a person to look at, no more. Its readings are in the same record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sighting {
    /// The point, such as `see.no_helmet`.
    pub point: PointName,
    /// Name of the zone; empty where the whole picture counts.
    pub zone: String,
    /// The first frame that counted.
    pub began: Timestamp,
    /// The frame in which dwell and share were reached.
    pub at: Timestamp,
    /// Number of the track in this run of the agent; nothing for a whole picture. It says "the same one as a second ago", no more.
    pub track: Option<u64>,
    /// Frames that were judged since `began`.
    pub frames: u32,
    /// The share of them that spoke for it, 0 to 1.
    pub share: f32,
    /// Every model that was run.
    pub models: Vec<ModelUsed>,
}

/// What a part of the footage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A masked picture of before.
    Before,
    /// A masked picture of the frame at which it was found.
    Still,
    /// A masked picture of afterwards.
    After,
    /// Masked pictures, one after the other: parts of `multipart/x-mixed-replace`, each with `Content-Length` and
    /// `X-Timestamp` (milliseconds since 1970).
    Clip,
    /// JSON of [`Detections`].
    Detections,
    /// What the camera sent, encrypted for two custodians. It stays at the site until two persons have approved that it is fetched.
    Original,
}

/// One file of the footage, known by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What it is.
    pub role: Role,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// `image/jpeg`, `multipart/x-mixed-replace`, `application/json`, `application/octet-stream`.
    pub media_type: String,
    /// The first and the last frame in it.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Frames in it; 0 if it has none.
    pub frames: u32,
    /// Where frames are missing: the last one before and the first one after each hole. Empty means complete.
    pub holes: Vec<(Timestamp, Timestamp)>,
}

/// Why footage was cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// A point became 1; of the sighting.
    Sighting {
        /// The point.
        point: PointName,
        /// Name of the zone; empty where the whole picture counts.
        zone: String,
    },
    /// How the camera looks, for drawing zones: one masked still.
    Overview,
}

/// The pictures of one occasion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format: 1.
    pub format: u32,
    /// The site.
    pub site: SiteId,
    /// The agent that cut it.
    pub agent: AgentId,
    /// The camera.
    pub camera: DeviceId,
    /// Why.
    pub occasion: Occasion,
    /// The frame at which it was found: the time of the reading that became 1.
    pub at: Timestamp,
    /// When it was cut.
    pub cut_at: Timestamp,
    /// Models that found it.
    pub models: Vec<ModelUsed>,
    /// Models that found what was masked.
    pub masked_by: Vec<ModelUsed>,
    /// The files.
    pub parts: Vec<Part>,
}

/// Why a file is not at the site any more, and was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostBy {
    /// The spool was full, and it had waited longest.
    Full,
    /// The disk gave it back other than it was written.
    Damaged,
    /// An original whose time at the site was over.
    Expired,
}

/// A file that was announced and will never come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Version of this format: 1.
    pub format: u32,
    /// The site.
    pub site: SiteId,
    /// The agent that had it.
    pub agent: AgentId,
    /// The camera.
    pub camera: DeviceId,
    /// The file's SHA-256, hexadecimal, as its manifest has it.
    pub lost_sha256: String,
    /// What it was.
    pub role: Role,
    /// When it went.
    pub at: Timestamp,
    /// Why.
    pub by: LostBy,
}

/// A manifest, or a loss, with the agent's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// JSON of a [`Manifest`] or a [`Loss`], byte for byte as it was signed.
    pub manifest: String,
    /// The agent's certificate, PEM.
    pub certificate: String,
    /// ECDSA P-256 with SHA-256 (ASN.1) over `manifest`, hexadecimal.
    pub signature: String,
}

/// Name of the header in which the gateway's door says, beside status 403, why it does not take a file.
pub const REFUSED: &str = "footage-refused";

/// Why the gateway does not take a file: a word of [`REFUSED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotTaken {
    /// The manifest does not count as this agent's: signature, certificate, or what it says.
    Manifest,
    /// The camera is not in the gateway's registry.
    UnknownCamera,
    /// People were not told of the camera when it was filmed: purpose, sign, place, publication.
    NotTold,
    /// An original that nobody approved, or not any more.
    NotApproved,
}

impl NotTaken {
    /// All of them.
    pub const ALL: [NotTaken; 4] = [
        NotTaken::Manifest,
        NotTaken::UnknownCamera,
        NotTaken::NotTold,
        NotTaken::NotApproved,
    ];

    /// The word of the header.
    pub fn word(self) -> &'static str {
        match self {
            NotTaken::Manifest => "manifest",
            NotTaken::UnknownCamera => "unknown_camera",
            NotTaken::NotTold => "not_told",
            NotTaken::NotApproved => "not_approved",
        }
    }

    /// What a word of the header says.
    pub fn of(word: &str) -> Option<NotTaken> {
        Self::ALL.into_iter().find(|why| why.word() == word)
    }
}

/// What was seen in each frame of a clip, for drawing over it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Detections {
    /// The zones of the camera.
    pub zones: Vec<Outline>,
    /// Frames, oldest first; those of a clip that were not looked at are not here.
    pub frames: Vec<Frame>,
}

/// A zone as it is drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outline {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Corners, each as shares of width and height.
    pub polygon: Vec<[f32; 2]>,
}

/// What was seen in one frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Its time.
    pub at: Timestamp,
    /// What.
    pub boxes: Vec<Marked>,
}

/// A box to draw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Marked {
    /// Where.
    pub area: Area,
    /// Number of the track.
    pub track: Option<u64>,
    /// Classes that were found: `person`, `no_helmet`.
    pub classes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_camera_says_is_told_from_what_instruments_send() {
        let said = Said::Sighting(Sighting {
            point: PointName::new("see.no_helmet").unwrap(),
            zone: "hall".into(),
            began: Timestamp::from_millis(1),
            at: Timestamp::from_millis(3_001),
            track: Some(4),
            frames: 15,
            share: 0.8,
            models: Vec::new(),
        });
        let bytes = serde_json::to_vec(&said).unwrap();
        assert_eq!(Said::read(&bytes), Some(said));
        for why in NotTaken::ALL {
            let json = serde_json::to_value(why).unwrap();
            assert_eq!(json, why.word());
            assert_eq!(NotTaken::of(why.word()), Some(why));
        }
        assert_eq!(Said::read(b"##0101QN=20160801085857223"), None);
        assert_eq!(Said::read(b"{\"kind\":\"reading\",\"v\":3}"), None);
    }
}
