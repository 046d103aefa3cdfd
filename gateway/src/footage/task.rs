//! Follows the journal for what cameras' agents say, on a thread of its own, and writes it down.

use super::check::{self, Refusal};
use super::files::Files;
use super::store::{Announced, FootageError, News, Store};
use super::{Footage, Inner, Plan};
use crate::broker::Authority;
use crate::certificate::Certificate;
use crate::detect::Signals;
use crate::fleet;
use crate::follow::{self, Following, RETRY};
use crate::ingest::record::{self, Entry, RawHead};
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::store::{Records, sha256};
use contract::footage::{Said, Signed};
use journal::{Block, Journal};
use rustls::pki_types::CertificateDer;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The cursor is written down this often where nothing was announced.
const SAVE_EVERY: Duration = Duration::from_secs(10);

/// What following needs.
pub struct Setup<'a> {
    /// The data folder.
    pub data: &'a Path,
    /// The journal.
    pub journal: &'a Journal,
    /// What is configured.
    pub plan: Plan,
    /// The records.
    pub records: Records,
    /// The registry.
    pub registry: Arc<Registry>,
    /// The signals.
    pub signals: Signals,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// The running thread.
pub struct Running {
    /// The footage.
    pub footage: Footage,
    /// The thread.
    pub follow: follow::Running,
}

/// Starts following from what is on disk.
pub fn start(setup: Setup<'_>) -> Result<Running, FootageError> {
    let plan = &setup.plan;
    let authority = plan
        .tls
        .as_ref()
        .map(|files| Authority::open(files, plan.expired_max));
    let authority = authority.transpose()?;
    let store = Store::open(&setup.data.join("footage.db"))?;
    let folder = setup.data.join("footage");
    let files = Files::open(&folder).map_err(|source| FootageError::File {
        doing: "open the folder",
        path: folder.clone(),
        source,
    })?;
    let through = store.through()?;
    let footage = Footage(Arc::new(Inner {
        store: Mutex::new(store),
        files,
        folder,
        records: setup.records,
        registry: setup.registry,
        signals: setup.signals,
        plan: setup.plan,
        kept: AtomicU64::new(0),
        coming: Mutex::default(),
    }));
    footage.count_coming()?;
    let (of, metrics) = (footage.clone(), setup.metrics);
    let run = move |journal| {
        Follow {
            journal,
            footage: of,
            authority,
            metrics,
        }
        .run()
    };
    let follow = follow::start("footage", "footage", setup.journal, through, run);
    Ok(Running { footage, follow })
}

type Vouches<'a> = &'a dyn Fn(&CertificateDer<'_>) -> Result<(), String>;
type Revoked<'a> = &'a mut dyn FnMut(&Certificate) -> fleet::Revocation;

struct Follow {
    journal: Following,
    footage: Footage,
    authority: Option<Authority>,
    metrics: Arc<Metrics>,
}

impl Follow {
    fn run(mut self) {
        let mut since = Instant::now();
        while let Some(next) = self.journal.wait() {
            let mut news = Vec::new();
            if let Some(block) = next {
                match self.read(&block) {
                    Ok(found) => news = found,
                    Err(()) => return,
                }
            }
            if !news.is_empty() || since.elapsed() >= SAVE_EVERY {
                if !self.save(&news) {
                    return;
                }
                since = Instant::now();
            }
        }
        self.save(&[]);
    }

    /// What cameras' agents say in a block, trying again for as long as the records cannot be asked; an error if it was
    /// stopped before.
    fn read(&self, block: &Block) -> Result<Vec<News>, ()> {
        let mut news = Vec::new();
        for entry in record::entries(&block.body) {
            match entry {
                Ok(Entry::Raw(head, bytes)) => match Said::read(bytes) {
                    Some(Said::Sighting(sighting)) => {
                        news.push(News::Sighting(head.site, head.device, sighting));
                    }
                    Some(Said::Footage(signed)) => {
                        news.push(News::Announced(Box::new(self.announced(&head, signed)?)));
                    }
                    Some(Said::Lost(signed)) => {
                        let loss = self.checked(&head, |v, r| check::loss(&signed, &head, v, r))?;
                        match loss {
                            Ok(loss) => news.push(News::Lost(loss, head.received_at)),
                            Err(refusal) => {
                                let why = refusal.words().en;
                                tracing::warn!(site = %head.site, agent = %head.agent, camera = %head.device, why,
                                    "that a file of footage is lost does not count");
                            }
                        }
                    }
                    None => {}
                },
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(block = block.seq.0, %error, "nobody looks for footage in the rest of a block");
                    break;
                }
            }
        }
        Ok(news)
    }

    fn announced(&self, head: &RawHead, signed: Signed) -> Result<Announced, ()> {
        let checked = self.checked(head, |v, r| check::manifest(&signed, head, v, r))?;
        self.metrics.footage_manifests_total.inc();
        let id = sha256(signed.manifest.as_bytes());
        let (manifest, refusal) = match checked {
            Ok(manifest) => (Some(manifest), None),
            Err(refusal) => {
                self.metrics.footage_manifests_refused_total.inc();
                let why = refusal.words().en;
                tracing::warn!(site = %head.site, agent = %head.agent, camera = %head.device, id, why,
                    "a manifest of footage does not count; none of its files is taken");
                (None, Some(refusal))
            }
        };
        Ok(Announced {
            id,
            site: head.site.clone(),
            agent: head.agent.clone(),
            camera: head.device.clone(),
            received_at: head.received_at,
            at: manifest.as_ref().map_or(head.at, |manifest| manifest.at),
            signed,
            manifest,
            refusal,
        })
    }

    /// What `check` says, which is given whether an authority vouches for a certificate, and whether that was revoked; it is
    /// asked again for as long as the records cannot be read. An error if it was stopped before.
    fn checked<T>(
        &self,
        head: &RawHead,
        check: impl Fn(Vouches<'_>, Revoked<'_>) -> Result<T, Refusal>,
    ) -> Result<Result<T, Refusal>, ()> {
        let Some(authority) = &self.authority else {
            let what = "no authority is configured here ([broker] listen_tls, or [broker.tls])";
            return Ok(Err(Refusal::Certificate(what.into())));
        };
        loop {
            let mut failed = None;
            let checked = check(
                &|der| authority.vouches(der, head.received_at),
                &mut |certificate| {
                    let records = &self.footage.0.records;
                    fleet::revocation(records, certificate).unwrap_or_else(|error| {
                        failed = Some(error);
                        fleet::Revocation::default()
                    })
                },
            );
            let Some(error) = failed else {
                return Ok(checked);
            };
            let error = &error as &dyn std::error::Error;
            tracing::error!(
                error,
                "what an agent signed cannot be checked; trying again"
            );
            if self.journal.is_stopping() {
                return Err(());
            }
            std::thread::sleep(RETRY);
        }
    }

    /// Writes down what came, trying again for as long as the disk refuses; false if it was stopped before.
    fn save(&self, news: &[News]) -> bool {
        let through = self.journal.seen();
        if through == self.journal.saved() && news.is_empty() {
            return true;
        }
        loop {
            // The store is let go of before what was kept is looked at.
            let taken = self.footage.store().take(through, news);
            match taken {
                Ok(()) => {
                    self.footage.heard(news);
                    self.journal.set_saved(through);
                    return true;
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "what agents announced cannot be kept; trying again");
                }
            }
            if self.journal.is_stopping() {
                return false;
            }
            std::thread::sleep(RETRY);
        }
    }
}
