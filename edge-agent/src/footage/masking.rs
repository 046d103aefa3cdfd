//! Asks the vision process what is to be masked in a frame, and for the frame with it masked.
//!
//! A process that is away is waited for, some seconds; a picture over which it dies twice is left out.

use super::reel::Frame;
use crate::vision::{Vision, VisionError};
use bytes::Bytes;
use contract::vision::{Answer, Area, ModelUsed, Said, What};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::sleep;

/// How often one frame is asked about, and how long is waited between, longer each time.
const ASKS_MAX: u32 = 5;
const WAIT: Duration = Duration::from_secs(1);
/// A frame over which the process died, hung or talked nonsense so often is left out.
const ENDS_MAX: u32 = 2;

/// Nobody masks now.
#[derive(Debug, thiserror::Error)]
pub enum NotMasked {
    /// There is no vision process.
    #[error("nobody masks pictures now")]
    Away(#[from] VisionError),
    /// A model.
    #[error("the model {model}, which finds what is masked, cannot be used: {words}")]
    Model {
        /// Which.
        model: String,
        /// Why.
        words: String,
    },
}

/// Who masks.
pub struct Masker<'a> {
    /// The vision process.
    pub vision: &'a Vision,
    /// Detectors that find what is masked.
    pub detectors: Vec<String>,
}

impl Masker<'_> {
    /// Where faces, heads and the upper parts of persons are; nothing if this frame cannot be looked at.
    pub async fn find(
        &self,
        frame: &Frame,
        models: &mut BTreeSet<ModelUsed>,
    ) -> Result<Option<Vec<Area>>, NotMasked> {
        let what = What::Faces {
            pixels: frame.pixels,
            detectors: self.detectors.clone(),
        };
        let Some((answer, _)) = self.ask(what, &frame.body).await? else {
            return Ok(None);
        };
        models.extend(answer.models);
        match answer.said {
            Said::Faces(areas) => Ok(Some(areas)),
            // Without one of the detectors a face may be missed that it would have found.
            Said::Failed {
                of_model: Some(model),
                words,
            } => Err(NotMasked::Model { model, words }),
            _ => Ok(None),
        }
    }

    /// The frame as a JPEG without these places; nothing if it cannot be masked.
    pub async fn mask(
        &self,
        frame: &Frame,
        areas: &[Area],
        quality: u8,
    ) -> Result<Option<Bytes>, NotMasked> {
        let what = What::Mask {
            pixels: frame.pixels,
            areas: areas.to_vec(),
            quality,
        };
        let answered = self.ask(what, &frame.body).await?;
        Ok(answered.and_then(|(answer, jpeg)| match answer.said {
            Said::Masked if jpeg.starts_with(&[0xff, 0xd8]) => Some(jpeg),
            _ => None,
        }))
    }

    async fn ask(&self, what: What, body: &Bytes) -> Result<Option<(Answer, Bytes)>, NotMasked> {
        let (mut ends, mut asked) = (0, 0);
        loop {
            asked += 1;
            let error = match self.vision.ask(what.clone(), body.clone()).await {
                Ok(answer) => return Ok(Some(answer)),
                Err(VisionError::Large(_)) => return Ok(None),
                Err(error) => error,
            };
            let wait = match &error {
                VisionError::Died(_) | VisionError::Hung(..) | VisionError::Rubbish(_) => {
                    ends += 1;
                    WAIT
                }
                VisionError::Down { again_in, .. } => WAIT.max(*again_in),
                _ => WAIT * asked,
            };
            if ends >= ENDS_MAX {
                return Ok(None);
            }
            if asked >= ASKS_MAX {
                return Err(error.into());
            }
            sleep(wait).await;
        }
    }
}
