//! One job: the frames of a cut become masked files, the cut becomes a sealed one, and a signed manifest says what they are.

use super::{
    config::FootageConfig,
    cover::{Looked, cover},
    job::{Cutter, JobError, blocking},
    manifest::{self, Made, Stills},
    masking::{Masker, NotMasked},
    reel::{Choice, Frame, Reel, ReelError},
    spool::{Entry, Want, Writing},
};
use crate::camera::{
    clip::{self, Clip, Piece},
    parts,
};
use contract::hex::sha256;
use contract::{
    Timestamp,
    footage::{Manifest, Occasion, Part, Role},
    vision::{Area, ModelUsed, Said as Answered, What},
};
use std::{
    collections::{BTreeSet, HashMap},
    fs, io,
    path::Path,
};

/// Quality of the pictures of a clip and of stills.
const QUALITY: (u8, u8) = (70, 88);

/// One job.
pub struct Work<'a> {
    /// For whom.
    pub cutter: &'a Cutter,
    /// What holds.
    pub config: &'a FootageConfig,
    /// Name of what is wanted, if it is written down.
    pub name: Option<&'a str>,
    /// What is wanted.
    pub want: &'a Want,
    /// Who masks.
    pub masker: Masker<'a>,
    /// The cut.
    pub plain: &'a Path,
    /// What it is.
    pub clip: &'a Clip,
    /// Its segments, of a transport stream.
    pub pieces: &'a [Piece],
}

impl Work<'_> {
    /// Masks, seals and signs.
    pub async fn run(&self) -> Result<Entry, JobError> {
        let is_overview = self.want.occasion == Occasion::Overview;
        let mut masked_by = BTreeSet::new();
        let looked = self.look(&mut masked_by).await?;
        let masks = cover(&looked);
        let shown: Vec<(Timestamp, usize)> = looked
            .iter()
            .enumerate()
            .filter(|(n, _)| masks[*n].is_some())
            .map(|(n, looked)| (looked.at, n))
            .collect();
        let times: Vec<Timestamp> = shown.iter().map(|(at, _)| *at).collect();
        let stills = match is_overview {
            true => Stills::last(&times),
            false => Stills::around(&times, self.want, self.config),
        };
        let masks: HashMap<Timestamp, &Vec<_>> = shown
            .iter()
            .filter_map(|(at, n)| Some((*at, masks[*n].as_ref()?)))
            .collect();
        let mut made = self.mask(&masks, &stills, is_overview).await?;
        let left_out = looked.len() - made.times.len();
        let counts = &self.cutter.footage.metrics().footage;
        counts.frames_masked.add(made.times.len() as u64);
        if made.parts.is_empty() {
            return Err(JobError::Nothing(looked.len()));
        }
        counts.frames_left_out.add(left_out as u64);
        if left_out > 0 {
            tracing::warn!(camera = %self.want.camera, at = %self.want.at, left_out, "frames could not be masked and were left out");
        }
        if !is_overview {
            made.parts.push(self.detections().await?);
            made.parts.extend(self.seal().await?);
        }
        self.sign(made, masked_by.into_iter().collect())
    }

    async fn reel(&self) -> Result<Reel, ReelError> {
        let choice = Choice {
            from: self.want.from,
            to: self.want.to,
            frames_per_s: self.config.frames_per_s,
            at: self.want.at,
        };
        Reel::open(
            self.plain,
            self.clip,
            self.pieces,
            &self.want.ffmpeg,
            choice,
        )
        .await
    }

    async fn look(&self, masked_by: &mut BTreeSet<ModelUsed>) -> Result<Vec<Looked>, JobError> {
        let (mut reel, mut looked) = (self.reel().await?, Vec::new());
        while let Some(frame) = reel.next().await? {
            let found = self.masker.find(&frame, masked_by).await?;
            looked.push(Looked {
                at: frame.at,
                found,
            });
        }
        Ok(looked)
    }

    /// Goes through the frames a second time and writes them masked.
    async fn mask(
        &self,
        masks: &HashMap<Timestamp, &Vec<Area>>,
        stills: &Stills,
        is_overview: bool,
    ) -> Result<Made, JobError> {
        let spool = self.cutter.footage.spool();
        let mut reel = self.reel().await?;
        let mut writing = Writing::create(spool.part("clip"))?;
        let mut made = Made::default();
        while let Some(frame) = reel.next().await? {
            let Some(areas) = masks.get(&frame.at) else {
                continue;
            };
            for role in stills.at(frame.at) {
                if let Some(part) = self.still(&frame, areas, role).await? {
                    made.parts.push(part);
                }
            }
            if is_overview {
                made.times.push(frame.at);
                continue;
            }
            let Some(jpeg) = self.masker.mask(&frame, areas, QUALITY.0).await? else {
                continue;
            };
            writing.write(parts::head(frame.at, jpeg.len()).as_bytes())?;
            writing.write(&jpeg)?;
            writing.write(parts::TAIL)?;
            made.times.push(frame.at);
        }
        writing.write(parts::END)?;
        if is_overview || made.times.is_empty() {
            fs::remove_file(spool.part("clip"))?;
            return Ok(made);
        }
        let holes = clip::holes(&made.times, self.want.from, self.want.to);
        let part = Part {
            span: made.times.first().copied().zip(made.times.last().copied()),
            frames: u32::try_from(made.times.len()).unwrap_or(u32::MAX),
            holes: manifest::few(&holes),
            ..self.keep(writing, Role::Clip, parts::MEDIA_TYPE).await?
        };
        made.parts.push(part);
        Ok(made)
    }

    async fn still(
        &self,
        frame: &Frame,
        areas: &[Area],
        role: Role,
    ) -> Result<Option<Part>, JobError> {
        let Some(jpeg) = self.masker.mask(frame, areas, QUALITY.1).await? else {
            return Ok(None);
        };
        let mut writing = Writing::create(self.cutter.footage.spool().part("still"))?;
        writing.write(&jpeg)?;
        Ok(Some(Part {
            span: Some((frame.at, frame.at)),
            frames: 1,
            ..self.keep(writing, role, "image/jpeg").await?
        }))
    }

    /// What was seen, from before the sighting was written down and after it.
    async fn detections(&self) -> Result<Part, JobError> {
        let footage = &self.cutter.footage;
        let since = footage.detections(&self.want.camera, self.want.from, self.want.to);
        let seen = manifest::joined(self.want.seen.clone(), since);
        let mut writing = Writing::create(footage.spool().part("detections"))?;
        writing.write(&serde_json::to_vec(&seen).expect("detections are always JSON"))?;
        let part = self.keep(writing, Role::Detections, "application/json");
        Ok(part.await?)
    }

    /// The original, if there is somebody who could open it.
    async fn seal(&self) -> Result<Option<Part>, JobError> {
        let Some(custodians) = self.config.custodians.clone() else {
            return Ok(None);
        };
        let spool = self.cutter.footage.spool();
        let to = spool.part("original");
        let what = What::Seal {
            from: self.plain.to_owned(),
            to: to.clone(),
            custodians,
        };
        let answer = self.masker.vision.ask(what, bytes::Bytes::new()).await;
        let (answer, _) = answer.map_err(NotMasked::from)?;
        let (sha256, bytes) = match answer.said {
            Answered::Sealed { sha256, bytes } => (sha256, bytes),
            Answered::Failed { words, .. } => return Err(JobError::Seal(words)),
            other => {
                return Err(JobError::Seal(format!(
                    "an answer to something else: {other:?}"
                )));
            }
        };
        spool.keep(&to, &sha256, bytes, Role::Original)?;
        self.cutter
            .footage
            .metrics()
            .footage
            .originals_sealed
            .add(1);
        Ok(Some(Part {
            role: Role::Original,
            sha256,
            bytes,
            media_type: "application/octet-stream".into(),
            span: self.clip.span,
            frames: u32::try_from(self.clip.frames).unwrap_or(u32::MAX),
            holes: manifest::few(&self.clip.holes),
        }))
    }

    async fn keep(&self, writing: Writing, role: Role, media: &str) -> io::Result<Part> {
        let footage = self.cutter.footage.clone();
        let (sha256, bytes) = blocking(move || {
            let (path, sha256, bytes) = writing.finish()?;
            footage.spool().keep(&path, &sha256, bytes, role)?;
            Ok((sha256, bytes))
        })
        .await?;
        Ok(Part {
            role,
            sha256,
            bytes,
            media_type: media.to_owned(),
            span: None,
            frames: 0,
            holes: Vec::new(),
        })
    }

    fn sign(&self, made: Made, masked_by: Vec<ModelUsed>) -> Result<Entry, JobError> {
        let at = match self.want.occasion {
            Occasion::Overview => made.times.last().copied().unwrap_or(self.want.at),
            Occasion::Sighting { .. } => self.want.at,
        };
        let manifest = Manifest {
            format: 1,
            site: self.cutter.site.clone(),
            agent: self.cutter.agent.clone(),
            camera: self.want.camera.clone(),
            occasion: self.want.occasion.clone(),
            at,
            cut_at: Timestamp::now(),
            models: self.want.models.clone(),
            masked_by,
            parts: made.parts,
        };
        let text = serde_json::to_string(&manifest).expect("a manifest is always JSON");
        Ok(Entry {
            want: self.name.map(str::to_owned),
            id: sha256(text.as_bytes()),
            camera: manifest.camera,
            at,
            cut_at: manifest.cut_at,
            signed: self.cutter.signed(text)?,
            parts: manifest.parts,
            is_announced: false,
        })
    }
}
