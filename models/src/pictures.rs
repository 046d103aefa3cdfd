//! The commands for pictures: a folder of models is filled, checked, measured and used.

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use models::{
    RuntimePath,
    picture::{
        Detector, Image, Task, fetch, golden,
        store::{Folder, is_there, read_manifest},
        timing,
    },
};
use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// Where models for pictures are.
#[derive(Debug, Args)]
pub struct FolderArgument {
    /// The folder of models for pictures: a manifest NAME.toml for each, and their files.
    #[arg(long, env = "ONEDOOR_MODELS")]
    folder: Option<PathBuf>,
}

impl FolderArgument {
    fn folder(&self) -> anyhow::Result<Folder> {
        let path = self.folder.clone();
        path.map(Folder::new)
            .context("which folder of models? Give --folder DIR or set ONEDOOR_MODELS")
    }
}

/// A command for pictures.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copies a model into the folder after its hash was checked and it has run.
    Add {
        /// The ONNX file.
        file: PathBuf,
        /// Its manifest.
        manifest: PathBuf,
        #[command(flatten)]
        folder: FolderArgument,
    },
    /// Fetches a model from where its authors give it out, checks its hash, and adds it.
    Fetch {
        /// Name of a shipped manifest, or the path of one.
        name: String,
        /// The folder of shipped manifests.
        #[arg(long)]
        manifests: Option<PathBuf>,
        #[command(flatten)]
        folder: FolderArgument,
    },
    /// Runs every model of the folder on its known inputs; ends with 1 if one gives something else.
    Check {
        #[command(flatten)]
        folder: FolderArgument,
    },
    /// Prints what a model gives, as `[[golden]]` for its manifest.
    Golden {
        /// The ONNX file.
        file: PathBuf,
        /// Its manifest.
        manifest: PathBuf,
        /// JPEG files beside the manifest; the built-in test picture if there is none.
        pictures: Vec<PathBuf>,
    },
    /// Prints what a model finds, one line of JSON for each picture.
    Detect {
        /// A model of the folder.
        name: String,
        /// JPEG files.
        #[arg(required = true)]
        pictures: Vec<PathBuf>,
        /// Less sure than this is not found, instead of what the manifest says.
        #[arg(long)]
        score: Option<f32>,
        #[command(flatten)]
        folder: FolderArgument,
    },
}

/// Runs one.
pub fn run(command: Command, runtime: &RuntimePath) -> anyhow::Result<()> {
    match command {
        Command::Add {
            file,
            manifest,
            folder,
        } => add(&folder.folder()?, &file, &manifest, runtime),
        Command::Fetch {
            name,
            manifests,
            folder,
        } => fetch_model(&folder.folder()?, &name, manifests, runtime),
        Command::Check { folder } => check(&folder.folder()?, runtime),
        Command::Golden {
            file,
            manifest,
            pictures,
        } => print_golden(&file, &manifest, &pictures, runtime),
        Command::Detect {
            name,
            pictures,
            score,
            folder,
        } => {
            let mut detector = folder.folder()?.open(&name, runtime, 1)?;
            if let Some(score) = score {
                detector.set_score_min(score);
            }
            detect(&mut detector, &pictures)
        }
    }
}

fn add(folder: &Folder, file: &Path, manifest: &Path, runtime: &RuntimePath) -> anyhow::Result<()> {
    let (said, _) = read_manifest(manifest)?;
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut detector = Detector::open(said, &bytes, runtime, 1)?;
    let beside = manifest.parent().unwrap_or(Path::new(".")).to_owned();
    let differences = golden::check(&mut detector, |name| picture_of(&beside.join(name)))?;
    if !differences.is_empty() {
        bail!(
            "{} gives something else here than its manifest says, so it was not added:\n  {}",
            detector.manifest().name,
            differences.join("\n  ")
        );
    }
    let detector = folder.add(file, manifest, runtime)?;
    let manifest = detector.manifest();
    println!(
        "{} version {} added to {} ({})",
        manifest.name,
        manifest.version,
        folder.path().display(),
        manifest.licence
    );
    Ok(())
}

fn fetch_model(
    folder: &Folder,
    name: &str,
    manifests: Option<PathBuf>,
    runtime: &RuntimePath,
) -> anyhow::Result<()> {
    let manifest_file = match Path::new(name) {
        path if path.extension().is_some_and(|e| e == "toml") => path.to_owned(),
        _ => manifests
            .map_or_else(find_manifests, Ok)?
            .join(format!("{name}.toml")),
    };
    let (manifest, _) = read_manifest(&manifest_file)?;
    let source = manifest.source.as_deref().with_context(|| {
        format!("{name} has no `source` in its manifest; put its file there with `models add`")
    })?;
    std::fs::create_dir_all(folder.path())
        .with_context(|| format!("cannot make {}", folder.path().display()))?;
    let file = folder.path().join(format!("{}.fetched", manifest.name));
    let there = folder.path().join(&manifest.file);
    if is_there(&there, &manifest.sha256) {
        println!("{} is there already", there.display());
        return add(folder, &there, &manifest_file, runtime);
    }
    if !is_there(&file, &manifest.sha256) {
        println!("{name} ({}) from {source}", manifest.licence);
        download(source, &manifest.sha256, &file)?;
    }
    add(folder, &file, &manifest_file, runtime)?;
    std::fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))
}

fn download(source: &str, sha256: &str, file: &Path) -> anyhow::Result<()> {
    let mut shown = Progress::default();
    let waiting = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let fetched = waiting.block_on(fetch::fetch(source, sha256, file, |done, all| {
        shown.show(done, all);
    }));
    shown.end();
    Ok(fetched?)
}

/// Bytes so far, on one line of a terminal that is written over; elsewhere a line at each tenth.
#[derive(Debug, Default)]
struct Progress {
    tenths: Option<u64>,
}

impl Progress {
    fn show(&mut self, done: u64, all: Option<u64>) {
        let all = all.filter(|all| *all > 0);
        let tenths = all.map_or(done / 1_000_000, |all| done * 10 / all);
        if self.tenths == Some(tenths) {
            return;
        }
        self.tenths = Some(tenths);
        let mut out = std::io::stderr();
        let words = match all {
            Some(all) => format!(
                "{:3} %  {} of {} kB",
                done * 100 / all,
                done / 1000,
                all / 1000
            ),
            None => format!("{} kB", done / 1000),
        };
        let (begin, end) = if out.is_terminal() {
            ("\r", "")
        } else {
            ("", "\n")
        };
        let _nobody_looks = write!(out, "{begin}{words}{end}");
    }

    fn end(&self) {
        if self.tenths.is_some() && std::io::stderr().is_terminal() {
            eprintln!();
        }
    }
}

fn check(folder: &Folder, runtime: &RuntimePath) -> anyhow::Result<()> {
    let names = folder.names()?;
    if names.is_empty() {
        bail!(
            "{} has no models; `models add` or `models fetch` put one there",
            folder.path().display()
        );
    }
    let mut wrong = 0;
    for name in &names {
        let outcome = folder
            .open(name, runtime, 1)
            .map_err(anyhow::Error::from)
            .and_then(|mut detector| {
                let known = detector.manifest().golden.len();
                let words =
                    golden::check(&mut detector, |file| picture_of(&folder.path().join(file)))?;
                Ok((known, words))
            });
        match outcome {
            Ok((0, _)) => {
                println!("{name}: runs; its manifest has no golden input to compare with")
            }
            Ok((known, words)) if words.is_empty() => {
                println!("{name}: gives what its manifest says ({known} golden)");
            }
            Ok((_, words)) => {
                wrong += 1;
                println!("{name}: gives something else\n  {}", words.join("\n  "));
            }
            Err(e) => {
                wrong += 1;
                println!("{name}: {e:#}");
            }
        }
    }
    if wrong > 0 {
        bail!(
            "{wrong} of {} models are not as their manifests say",
            names.len()
        );
    }
    Ok(())
}

fn print_golden(
    file: &Path,
    manifest: &Path,
    pictures: &[PathBuf],
    runtime: &RuntimePath,
) -> anyhow::Result<()> {
    let (manifest, _) = read_manifest(manifest)?;
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut detector = Detector::open(manifest, &bytes, runtime, 1)?;
    if pictures.is_empty() {
        let golden = golden::observe(&mut detector, golden::RAMPS, &golden::ramps())?;
        print!("{}", golden::to_toml(&golden));
    }
    for path in pictures {
        let image = picture_of(path).map_err(anyhow::Error::msg)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        print!(
            "{}",
            golden::to_toml(&golden::observe(&mut detector, &name, &image)?)
        );
    }
    Ok(())
}

fn detect(detector: &mut Detector, pictures: &[PathBuf]) -> anyhow::Result<()> {
    let round = |v: f32| (f64::from(v) * 1000.0).round() / 1000.0;
    let mut out = std::io::stdout().lock();
    let mut unread = 0;
    for path in pictures {
        let image = match picture_of(path) {
            Ok(image) => image,
            Err(words) => {
                unread += 1;
                writeln!(
                    out,
                    "{}",
                    serde_json::json!({"picture": path, "error": words})
                )?;
                continue;
            }
        };
        let mut line = serde_json::json!({
            "picture": path,
            "width": image.width(),
            "height": image.height(),
            "model": detector.manifest().name,
        });
        let classes = detector.manifest().classes.clone();
        if detector.manifest().task == Task::Classes {
            let scores = detector.classify(&image)?;
            let scores = classes
                .into_iter()
                .zip(scores.into_iter().map(|s| round(s).into()));
            line["classes"] = serde_json::Value::Object(scores.collect());
        } else {
            let found = detector.detect(&image)?.into_iter().map(|d| {
                let a = d.area;
                let edges = [a.left, a.top, a.right, a.bottom].map(round);
                serde_json::json!({
                    "class": classes[d.class],
                    "score": round(d.score),
                    "box": edges,
                })
            });
            line["found"] = found.collect();
        }
        writeln!(out, "{line}")?;
    }
    if unread > 0 {
        bail!("{unread} of {} pictures could not be read", pictures.len());
    }
    Ok(())
}

/// `models bench NAME`: milliseconds of each step on one thread and on two.
pub fn bench(
    folder: &FolderArgument,
    name: &str,
    picture: Option<&Path>,
    seconds: u64,
    runtime: &RuntimePath,
) -> anyhow::Result<()> {
    let image = match picture {
        Some(path) => picture_of(path).map_err(anyhow::Error::msg)?,
        None => Image::plain(1920, 1080, [90, 120, 60])?,
    };
    let folder = folder.folder()?;
    println!(
        "{name}, {} x {}; min / median ms",
        image.width(),
        image.height()
    );
    for threads in [1, 2] {
        let mut detector = folder.open(name, runtime, threads)?;
        let t = timing::measure(&mut detector, &image, Duration::from_secs(seconds))?;
        let ms = |span: timing::Span| format!("{:.2} / {:.2}", span.min_ms, span.median_ms);
        println!(
            "{threads} thread(s), {} runs: input {}, bare session {}, session and decoding {}, whole {}; \
             the bare session is {:.1} % of the whole",
            t.runs,
            ms(t.prepare),
            ms(t.session),
            ms(t.rest),
            ms(t.whole),
            100.0 * t.session_share()
        );
    }
    Ok(())
}

/// A JPEG file, or why there is none.
fn picture_of(path: &Path) -> Result<Image, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    Image::from_jpeg(&bytes).map_err(|e| format!("{}: {e}", path.display()))
}

/// The shipped manifests: beside the program (an installed package) or in the checkout.
fn find_manifests() -> anyhow::Result<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join("models/manifests")));
    let checkout = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/manifests"));
    [
        beside,
        Some(PathBuf::from("models/manifests")),
        Some(checkout),
    ]
    .into_iter()
    .flatten()
    .find(|path| path.is_dir())
    .context("no folder of manifests was found; give its path with --manifests")
}
