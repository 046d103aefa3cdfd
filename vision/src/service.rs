//! One ask, one answer.

use crate::{
    Shelf, faces, look, mask, seal,
    shelf::{Failure, Run},
};
use contract::{
    problems::chain,
    vision::{Answer, Ask, ModelUsed, Pixels, Said, What},
};
use models::picture::Image;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

/// Answers asks.
pub struct Service {
    shelf: Shelf,
}

impl Service {
    /// With the models of a shelf.
    pub fn new(shelf: Shelf) -> Service {
        Service { shelf }
    }

    /// The answer and its body. A panic is an answer too; the models are opened anew after it.
    pub fn answer(&mut self, ask: Ask, body: Vec<u8>) -> (Answer, Vec<u8>) {
        let began = Instant::now();
        let mut run = Run::of(&mut self.shelf);
        let answered = catch_unwind(AssertUnwindSafe(|| answer(&mut run, ask.what, body)));
        let used = run.used();
        let (said, body) = match answered {
            Ok(Ok(answered)) => answered,
            Ok(Err(failure)) => (failure.said(), Vec::new()),
            Err(_) => {
                self.shelf.clear();
                let words = "this ask made the vision process panic; its standard error says where";
                (Failure::other(words).said(), Vec::new())
            }
        };
        let (models, each_ms): (Vec<ModelUsed>, Vec<f64>) = used.into_iter().unzip();
        let answer = Answer {
            id: ask.id,
            took_ms: began.elapsed().as_secs_f64() * 1e3,
            models,
            each_ms,
            said,
        };
        (answer, body)
    }
}

fn answer(run: &mut Run, what: What, body: Vec<u8>) -> Result<(Said, Vec<u8>), Failure> {
    let said = match what {
        What::Look {
            pixels,
            persons,
            faces,
            of_persons,
            of_picture,
        } => {
            let wanted = look::Wanted {
                persons: &persons,
                faces: faces.as_deref(),
                of_persons: &of_persons,
                of_picture: &of_picture,
            };
            Said::Seen(look::look(run, &picture(pixels, body)?, &wanted)?)
        }
        What::Faces { pixels, detectors } => {
            Said::Faces(faces::find(run, &picture(pixels, body)?, &detectors)?)
        }
        What::Mask {
            pixels,
            areas,
            quality,
        } => {
            let jpeg = mask::masked(picture(pixels, body)?, &areas, quality)?;
            return Ok((Said::Masked, jpeg));
        }
        What::Seal {
            from,
            to,
            custodians,
        } => {
            let (sha256, bytes) = seal::seal(&from, &to, &custodians)
                .map_err(|error| Failure::other(chain(&error)))?;
            Said::Sealed { sha256, bytes }
        }
    };
    Ok((said, Vec::new()))
}

fn picture(pixels: Pixels, body: Vec<u8>) -> Result<Image, Failure> {
    let image = match pixels {
        Pixels::Jpeg => Image::from_jpeg(&body),
        Pixels::Rgb { width, height } => Image::new(width, height, body),
    };
    image.map_err(|error| Failure::other(chain(&error)))
}
