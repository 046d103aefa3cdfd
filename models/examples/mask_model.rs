//! How good is the public mask model on close-up faces? `cargo run --release -p models --example mask_model -- SHARED`
//!
//! SHARED is the folder with `models/` and `images/` (default `../shared`). Each photograph stands in the middle of a grey
//! canvas of twice its size; its surest face counts.

use anyhow::Context;
use models::{
    RuntimePath,
    picture::{Detector, Image, store::read_manifest},
};
use std::path::{Path, PathBuf};

fn main() -> anyhow::Result<()> {
    let shared = PathBuf::from(std::env::args().nth(1).unwrap_or("../shared".into()));
    for name in ["ultraface-masked-640", "ultraface-masked-1280"] {
        let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests");
        let (manifest, _) = read_manifest(&manifests.join(format!("{name}.toml")))?;
        let file = shared.join("models/ultraface-masked").join(&manifest.file);
        let bytes =
            std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut detector = Detector::open(manifest, &bytes, &RuntimePath(None), 1)?;
        for folder in ["with_mask", "without_mask"] {
            let folder = shared.join("images/face-mask").join(folder);
            println!("{name}, {}", measure(&mut detector, &folder)?);
        }
    }
    Ok(())
}

fn measure(detector: &mut Detector, folder: &Path) -> anyhow::Result<String> {
    let masked_face = detector.manifest().class("masked_face");
    let entries = folder
        .read_dir()
        .with_context(|| format!("cannot read {}", folder.display()))?;
    let (mut all, mut found, mut masked) = (0_u32, 0_u32, 0_u32);
    for entry in entries {
        let path = entry?.path();
        let face =
            Image::from_jpeg(&std::fs::read(&path)?).with_context(|| path.display().to_string())?;
        let seen = detector.detect(&on_canvas(&face)?)?;
        all += 1;
        if let Some(surest) = seen.first() {
            found += 1;
            masked += u32::from(Some(surest.class) == masked_face);
        }
    }
    let percent = |part: u32, of: u32| 100.0 * f64::from(part) / f64::from(of.max(1));
    let name = folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(format!(
        "{name}: {all} pictures, a face found in {:.1} %, of these called masked {:.1} %",
        percent(found, all),
        percent(masked, found)
    ))
}

fn on_canvas(face: &Image) -> anyhow::Result<Image> {
    let (width, height) = (face.width() as usize, face.height() as usize);
    let mut rgb = vec![127; width * height * 4 * 3];
    for y in 0..height {
        let at = ((y + height / 2) * width * 2 + width / 2) * 3;
        rgb[at..at + width * 3].copy_from_slice(&face.rgb()[y * width * 3..(y + 1) * width * 3]);
    }
    Ok(Image::new(face.width() * 2, face.height() * 2, rgb)?)
}
