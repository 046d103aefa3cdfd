//! Footage, who looked at it, and cameras.

use crate::{
    case::precision::{Record, Terms},
    detect::rule::Text,
    footage::{FootageState, Place, Shown, Unmasking},
};
use contract::{
    Timestamp,
    footage::{LostBy, Occasion, Role},
    status::FootageStatus,
    vision::ModelUsed,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a part of footage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartRole {
    /// A masked picture of before, JPEG.
    Before,
    /// A masked picture of the frame at which it was found, JPEG.
    Still,
    /// A masked picture of afterwards, JPEG.
    After,
    /// Masked pictures one after the other: `multipart/x-mixed-replace`, each with `Content-Length` and `X-Timestamp` (ms).
    Clip,
    /// JSON: the zones of the camera, and what was seen in each frame.
    Detections,
    /// The encrypted original.
    Original,
}

impl From<Role> for PartRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Before => PartRole::Before,
            Role::Still => PartRole::Still,
            Role::After => PartRole::After,
            Role::Clip => PartRole::Clip,
            Role::Detections => PartRole::Detections,
            Role::Original => PartRole::Original,
        }
    }
}

/// Why footage was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FootageOccasion {
    /// A point of the camera became 1.
    Sighting,
    /// How the camera looks.
    Overview,
    /// The manifest says nothing that counts.
    Unknown,
}

/// A model, by what its file is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PictureModel {
    /// Name of its manifest.
    pub name: String,
    /// SHA-256 of its file.
    pub sha256: String,
}

impl From<ModelUsed> for PictureModel {
    fn from(model: ModelUsed) -> Self {
        PictureModel {
            name: model.name,
            sha256: model.sha256,
        }
    }
}

/// A file of footage.
#[derive(Debug, Serialize, ToSchema)]
pub struct FootagePart {
    /// What it is.
    pub role: PartRole,
    /// Its hash.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// As the agent said it.
    pub media_type: String,
    /// The first frame in it.
    pub from: Option<i64>,
    /// The last frame in it.
    pub to: Option<i64>,
    /// Frames in it; 0 if it has none.
    pub frames: u32,
    /// Where frames are missing: the last before and the first after each hole.
    pub holes: Vec<[i64; 2]>,
    /// Where it is.
    pub state: FootageState,
    /// How it was lost at the site, if it was.
    pub lost: Option<LostView>,
}

/// How a file was lost at its site before it was sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct LostView {
    /// When, by the clock of the site.
    pub at: i64,
    /// Why.
    pub why: Text,
}

impl LostView {
    fn of((at, by): (Timestamp, LostBy)) -> Self {
        let why = match by {
            LostBy::Full => Text::new(
                "现场的存放处已满，等待最久的文件被丢弃",
                "the spool at the site was full, and what had waited longest was let go of",
            ),
            LostBy::Damaged => Text::new(
                "现场的磁盘改坏了文件",
                "the disk at the site changed the file",
            ),
            LostBy::Expired => Text::new(
                "原始影像在现场的保存期已满",
                "the time for which an original is kept at the site was over",
            ),
        };
        LostView {
            at: at.as_millis(),
            why,
        }
    }
}

/// Footage of an agent, as it says itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct BoxFootage {
    /// Pictures that are to be cut and masked.
    pub wanted: u64,
    /// Masked files that wait for the gateway, those that it does not take included.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Bytes at which the oldest are let go of.
    pub bytes_max: u64,
    /// When the oldest of these files was cut.
    pub oldest_at: Option<i64>,
    /// Of these files those that the gateway does not take.
    pub refused: u64,
    /// Sealed originals.
    pub originals: u64,
    /// Bytes of sealed originals.
    pub originals_bytes: u64,
    /// Files that the gateway got since the agent started.
    pub sent: u64,
    /// Files that were lost before the gateway had them, since the agent started.
    pub lost: u64,
}

impl BoxFootage {
    /// From what an agent says of itself; nothing if it keeps no footage, or does not say.
    pub fn said(status: &serde_json::Value) -> Option<Self> {
        let of = FootageStatus::deserialize(status.get("footage")?).ok()?;
        Some(BoxFootage {
            wanted: of.wanted,
            files: of.files,
            bytes: of.bytes,
            bytes_max: of.bytes_max,
            oldest_at: of.oldest.map(Timestamp::as_millis),
            refused: of.refused,
            originals: of.originals,
            originals_bytes: of.originals_bytes,
            sent: of.sent,
            lost: of.lost,
        })
    }
}

/// Somebody who looked at footage.
#[derive(Debug, Serialize, ToSchema)]
pub struct FootageViewer {
    /// Who.
    pub who: String,
    /// When first.
    pub first_at: i64,
    /// When last.
    pub last_at: i64,
    /// How many parts were fetched, the same one twice counted twice.
    pub times: u64,
}

/// How it stands with an original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnmaskingState {
    /// Approvals are missing.
    Asked,
    /// The agent is asked for it.
    Approved,
    /// The gateway has it.
    Here,
    /// A reviewer refused it.
    Refused,
    /// Who asked took it back.
    Withdrawn,
}

/// The end of a wish.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndView {
    /// Who refused it, or took it back.
    pub by: String,
    /// When.
    pub at: i64,
    /// Why.
    pub reason: String,
}

/// Somebody who approved.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalView {
    /// Who.
    pub who: String,
    /// When.
    pub at: i64,
}

/// The wish to have an original.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnmaskingView {
    /// Why.
    pub reason: String,
    /// Who asked.
    pub asked_by: String,
    /// When.
    pub asked_at: i64,
    /// Who approved.
    pub approvals: Vec<ApprovalView>,
    /// How it stands.
    pub state: UnmaskingState,
    /// Its end, if it was refused or taken back; then anybody may ask anew.
    pub end: Option<EndView>,
}

impl UnmaskingView {
    fn of(wish: Unmasking, is_here: bool) -> Self {
        UnmaskingView {
            state: match (&wish.end, wish.is_approved()) {
                (Some(end), _) if end.is_withdrawn => UnmaskingState::Withdrawn,
                (Some(_), _) => UnmaskingState::Refused,
                (None, true) if is_here => UnmaskingState::Here,
                (None, true) => UnmaskingState::Approved,
                (None, false) => UnmaskingState::Asked,
            },
            end: wish.end.map(|end| EndView {
                by: end.by,
                at: end.at.as_millis(),
                reason: end.reason,
            }),
            reason: wish.reason,
            asked_by: wish.asked_by,
            asked_at: wish.asked_at.as_millis(),
            approvals: wish
                .approvals
                .into_iter()
                .map(|(who, at)| ApprovalView {
                    who,
                    at: at.as_millis(),
                })
                .collect(),
        }
    }
}

/// The pictures of one occasion.
#[derive(Debug, Serialize, ToSchema)]
pub struct FootageView {
    /// SHA-256 of the manifest's text.
    pub id: String,
    /// The site.
    pub site: String,
    /// The camera.
    pub camera: String,
    /// Its name.
    pub camera_name: Text,
    /// Why it was cut.
    pub occasion: FootageOccasion,
    /// The point that became 1.
    pub point: Option<String>,
    /// Name of the zone; empty where the whole picture counts.
    pub zone: String,
    /// The frame at which it was found.
    pub at: i64,
    /// When it was cut.
    pub cut_at: Option<i64>,
    /// When the manifest came.
    pub received_at: i64,
    /// Models that found it.
    pub models: Vec<PictureModel>,
    /// Models that found what was masked.
    pub masked_by: Vec<PictureModel>,
    /// Its files.
    pub parts: Vec<FootagePart>,
    /// Why none of its files is taken; then there is nothing to see.
    pub not_taken: Option<Text>,
    /// Who looked at it, the latest first.
    pub viewers: Vec<FootageViewer>,
    /// The wish to have its original, if there is one.
    pub unmasking: Option<UnmaskingView>,
    /// Cases that it belongs to.
    pub cases: Vec<String>,
}

impl FootageView {
    /// From what is known; `camera_name` is the registry's.
    pub fn of(shown: Shown, camera_name: Text) -> Self {
        let of = shown.announced;
        let manifest = of.manifest;
        let ms = Timestamp::as_millis;
        let (occasion, point, zone) = match manifest.as_ref().map(|m| &m.occasion) {
            Some(Occasion::Sighting { point, zone }) => (
                FootageOccasion::Sighting,
                Some(point.to_string()),
                zone.clone(),
            ),
            Some(Occasion::Overview) => (FootageOccasion::Overview, None, String::new()),
            None => (FootageOccasion::Unknown, None, String::new()),
        };
        let cut_at = manifest.as_ref().map(|m| ms(m.cut_at));
        let (models, masked_by, parts) = manifest
            .map(|m| (m.models, m.masked_by, m.parts))
            .unwrap_or_default();
        let is_here = parts
            .iter()
            .zip(&shown.places)
            .any(|(part, at)| part.role == Role::Original && at.state == FootageState::Here);
        let parts = parts.into_iter().zip(shown.places);
        let part = |(part, place): (contract::footage::Part, Place)| FootagePart {
            role: part.role.into(),
            sha256: part.sha256,
            bytes: part.bytes,
            media_type: part.media_type,
            from: part.span.map(|(from, _)| ms(from)),
            to: part.span.map(|(_, to)| ms(to)),
            frames: part.frames,
            holes: part.holes.iter().map(|(a, b)| [ms(*a), ms(*b)]).collect(),
            state: place.state,
            lost: place.lost.map(LostView::of),
        };
        FootageView {
            id: of.id,
            site: of.site.to_string(),
            camera: of.camera.to_string(),
            camera_name,
            occasion,
            point,
            zone,
            at: ms(of.at),
            cut_at,
            received_at: ms(of.received_at),
            models: models.into_iter().map(PictureModel::from).collect(),
            masked_by: masked_by.into_iter().map(PictureModel::from).collect(),
            parts: parts.map(part).collect(),
            not_taken: shown.not_taken,
            viewers: shown
                .viewers
                .into_iter()
                .map(|viewer| FootageViewer {
                    who: viewer.who,
                    first_at: ms(viewer.first_at),
                    last_at: ms(viewer.last_at),
                    times: viewer.times,
                })
                .collect(),
            unmasking: shown.unmasking.map(|wish| UnmaskingView::of(wish, is_here)),
            cases: shown.cases,
        }
    }
}

/// Why the original is needed.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AskUnmasking {
    /// In a sentence.
    pub reason: String,
}

/// Ends a wish for an original.
#[derive(Debug, Deserialize, ToSchema)]
pub struct EndUnmasking {
    /// Why; for the history, and for who asked.
    pub reason: String,
}

/// How good a rule on what cameras see is at a site, by what people decided.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeeingRule {
    /// The rule.
    pub rule: String,
    /// Its version.
    pub version: u32,
    /// What it says.
    pub title: Text,
    /// The point it looks at.
    pub point: String,
    /// The models behind its sightings; another model is counted from the start.
    pub models: Vec<PictureModel>,
    /// Cases that were confirmed because of it.
    pub confirmed: usize,
    /// Cases that were set aside.
    pub set_aside: usize,
    /// The share of confirmed ones; nothing while none is decided.
    pub precision: Option<f64>,
    /// Below this share the rule works in shadow …
    pub precision_min: f64,
    /// … once so many cases are decided.
    pub decided_min: usize,
    /// True while it works in shadow: its signals are recorded and open no case.
    pub is_shadow: bool,
    /// Signals that were raised in shadow.
    pub shadow_signals: u64,
    /// Days on which a camera of the site gave the point, each camera counted, of the last 30.
    pub camera_days: u64,
    /// Signals of the last 30 days whose cases were set aside.
    pub false_alarms: u64,
    /// The same for each camera and day; nothing while there is none.
    pub false_alarms_per_day: Option<f64>,
}

impl SeeingRule {
    /// From what people decided.
    pub fn of(
        rule: &crate::detect::rule::Rule,
        models: Vec<ModelUsed>,
        record: &Record,
        terms: &Terms,
        camera_days: u64,
    ) -> Self {
        SeeingRule {
            rule: rule.id.clone(),
            version: rule.version,
            title: rule.title.clone(),
            point: rule.point.clone(),
            models: models.into_iter().map(PictureModel::from).collect(),
            confirmed: record.tally.confirmed,
            set_aside: record.tally.set_aside,
            precision: record.tally.precision(),
            precision_min: terms.precision_min,
            decided_min: terms.decided_min,
            is_shadow: record.tally.is_shadow(terms),
            shadow_signals: record.shadow_signals,
            camera_days,
            false_alarms: record.false_alarms,
            false_alarms_per_day: (camera_days > 0)
                .then(|| record.false_alarms as f64 / camera_days as f64),
        }
    }
}

/// A camera, and what people were told of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CameraView {
    /// The site.
    pub site: String,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Text,
    /// What for; empty if it is not stated.
    pub purpose: String,
    /// The sign on site; empty if there is none.
    pub sign: String,
    /// Where exactly; empty if it is not stated.
    pub location: String,
    /// The day on which that was published, `2026-01-15`; empty if it was not.
    pub published: String,
    /// What is missing before anything that it sees is judged or kept; its own health is judged all the same.
    pub missing: Vec<Text>,
    /// The newest footage that shows how it looks.
    pub overview: Option<String>,
    /// The rules on what it sees.
    pub rules: Vec<SeeingRule>,
}
