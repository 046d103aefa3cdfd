//! What is missing: room made for new records, and the gaps that come of it.

use super::{Buffer, LAST, SLACK, is_in, note};
use crate::{
    giving_up::{self, GivenUp, Otherwise},
    missing::{self, Missing},
    record::Record,
};
use contract::{DeviceId, Gap, GapReason};
use journal::{AppendError, Seq, Staged};
use std::collections::{BTreeSet, HashMap};

/// A full buffer lets go of a part of its bytes at a time, but of so many bytes at least and at most.
const ROOM: (u64, u64, u64) = (64, 4 << 10, 64 << 10);
/// How often room is made for one record before it is given up itself.
const TRIES: usize = 8;

impl Buffer {
    /// Stores a record with the notes of what is missing beside it. Goes on to its end if the caller goes away: what is on
    /// disk and what is known of it must not differ.
    pub(super) async fn append_with_missing(
        &self,
        record: &Record,
        staged: Staged,
    ) -> Result<(), AppendError> {
        let (own, record) = (self.clone(), record.clone());
        let task = tokio::spawn(async move { own.append_missing(&record, staged).await });
        task.await.unwrap_or(Err(AppendError::Closed))
    }

    async fn append_missing(&self, record: &Record, staged: Staged) -> Result<(), AppendError> {
        let mut kept = self.kept.lock().await;
        let device = &record.device;
        let loose = self.shared().loose.remove(device);
        let mut changed = HashMap::new();
        if let Some(loose) = loose.clone() {
            let mut missing = kept.get(device).cloned().unwrap_or_default();
            missing.join(loose);
            changed.insert(device.clone(), missing);
        }
        let otherwise = Otherwise {
            device: device.clone(),
            at: record.at,
        };
        let stored = self.write_over(&mut kept, staged, changed, otherwise).await;
        if let (Err(_), Some(loose)) = (&stored, loose) {
            self.loosen(device, loose);
        }
        stored
    }

    /// Writes a block with what is missing, `changed`, in notes beside it, over as many of the oldest blocks as must go for
    /// it; what is missing without those is in the notes too.
    async fn write_over(
        &self,
        kept: &mut HashMap<DeviceId, Missing>,
        staged: Staged,
        changed: HashMap<DeviceId, Missing>,
        otherwise: Otherwise,
    ) -> Result<(), AppendError> {
        let mut full = AppendError::Closed;
        for _ in 0..TRIES {
            let (mut changed, mut staged) = (changed.clone(), staged.clone());
            let (through, lost) = self.room(staged.body.len(), &otherwise).await?;
            for GivenUp {
                number,
                device,
                gap,
            } in lost.clone()
            {
                let missing = changed
                    .entry(device)
                    .or_insert_with_key(|device| kept.get(device).cloned().unwrap_or_default());
                match self.shared().may_be_there(number) {
                    true => missing.doubt(number, gap),
                    false => missing.add(gap),
                }
            }
            staged.notes.extend(changed.iter().map(note));
            match self.write(through, staged).await {
                Err(error @ AppendError::Full { .. }) => full = error,
                Err(error) => return Err(error),
                Ok(()) => {
                    self.count_lost(&lost);
                    kept.extend(changed);
                    kept.retain(|_, missing| !missing.is_empty());
                    return Ok(());
                }
            }
        }
        Err(full)
    }

    /// What must go so that `more` bytes fit.
    async fn room(
        &self,
        more: usize,
        otherwise: &Otherwise,
    ) -> Result<(Seq, Vec<GivenUp>), AppendError> {
        if self.has_room(more) {
            return Ok((Seq(0), Vec::new()));
        }
        let (part, least, most) = ROOM;
        let beyond = (self.journal.bytes_used() + more as u64).saturating_sub(self.bytes_max);
        let wanted = beyond + (self.bytes_max / part).clamp(least, most);
        let (journal, otherwise) = (self.journal.clone(), otherwise.clone());
        let read =
            tokio::task::spawn_blocking(move || giving_up::oldest(&journal, wanted, &otherwise));
        match read.await {
            Ok(Ok(found)) => Ok(found.unwrap_or_default()),
            other => {
                tracing::error!(
                    ?other,
                    "the buffer is full, and its oldest records cannot be read"
                );
                Err(AppendError::Closed)
            }
        }
    }

    pub(super) fn has_room(&self, more: usize) -> bool {
        let first = self.first();
        let under_way = self.shared().under_way;
        let slack = match under_way.iter().any(|own| is_in(own, first)) {
            true => self.bytes_max / SLACK,
            false => 0,
        };
        self.journal.bytes_used() + more as u64 <= self.bytes_max + slack
    }

    fn count_lost(&self, lost: &[GivenUp]) {
        if lost.is_empty() {
            return;
        }
        let readings = lost.iter().map(|lost| lost.gap.readings).sum();
        self.metrics.records_lost_full.add(lost.len() as u64);
        self.metrics.readings_lost_full.add(readings);
        if !std::mem::replace(&mut self.shared().is_full, true) {
            tracing::error!(
                bytes_max = self.bytes_max,
                "the buffer is full: the oldest records are let go of from now on, and said as gaps"
            );
        }
    }

    /// Readings of a device will never come.
    pub fn miss(&self, device: &DeviceId, gap: Gap) {
        let mut missing = Missing::default();
        missing.add(gap);
        self.loosen(device, missing);
    }

    fn loosen(&self, device: &DeviceId, missing: Missing) {
        let mut shared = self.shared();
        shared
            .loose
            .entry(device.clone())
            .or_default()
            .join(missing);
    }

    pub(super) fn was_off(&self) {
        let (devices, last) = {
            let mut shared = self.shared();
            (
                std::mem::take(&mut shared.off),
                std::mem::take(&mut shared.last),
            )
        };
        let until = self.time.started_at();
        for device in devices {
            let at = last.get(&device.id);
            if let Some(gap) = at.and_then(|last| missing::while_off(&device, *last, until)) {
                self.miss(&device.id, gap);
            }
        }
    }

    /// Makes gap records of what is missing, all of it or only what holds back a receipt. `is_received` says which numbers
    /// the gateway has. Goes on to its end if the caller goes away.
    pub async fn say_missing(
        &self,
        is_urgent: bool,
        is_received: impl Fn(u64) -> bool + Send + Sync + 'static,
    ) -> Result<(), AppendError> {
        let own = self.clone();
        let task = tokio::spawn(async move { own.say(is_urgent, is_received).await });
        task.await.unwrap_or(Err(AppendError::Closed))
    }

    async fn say(
        &self,
        is_urgent: bool,
        is_received: impl Fn(u64) -> bool + Send + Sync,
    ) -> Result<(), AppendError> {
        if self.time.is_trusted() {
            self.was_off();
        }
        let mut kept = self.kept.lock().await;
        let loose: BTreeSet<DeviceId> = self.shared().loose.keys().cloned().collect();
        let devices: BTreeSet<DeviceId> = kept.keys().cloned().chain(loose).collect();
        for device in devices {
            self.say_of(&mut kept, &device, is_urgent, &is_received)
                .await?;
        }
        Ok(())
    }

    async fn say_of(
        &self,
        kept: &mut HashMap<DeviceId, Missing>,
        device: &DeviceId,
        is_urgent: bool,
        is_received: &(impl Fn(u64) -> bool + Sync),
    ) -> Result<(), AppendError> {
        let mut missing = kept.get(device).cloned().unwrap_or_default();
        if is_urgent && !missing.is_urgent() {
            return Ok(());
        }
        if !is_urgent {
            // What is in doubt for longer than a moment will not come any more.
            missing.settle(is_received);
        }
        let mut loose = self.shared().loose.remove(device);
        missing.join(loose.clone().unwrap_or_default());
        let off_until = missing.off_until();
        while let Some(gap) = missing.take() {
            let at = gap.to;
            let is_off = gap.reason == GapReason::AgentOff;
            let record = Record::gap(device.clone(), at, gap);
            let mut staged = Staged {
                at_ms: at.as_millis(),
                body: record.encode(),
                ..Staged::default()
            };
            if let Some(until) = off_until.filter(|_| is_off) {
                let key = format!("{LAST}{device}");
                staged
                    .notes
                    .push((key, until.as_millis().to_le_bytes().to_vec()));
            }
            let otherwise = Otherwise {
                device: device.clone(),
                at,
            };
            let changed = HashMap::from([(device.clone(), missing)]);
            let said = self.write_over(kept, staged, changed, otherwise).await;
            if let Err(error) = said {
                // Nothing was changed on disk: what was loose is so still.
                loose
                    .into_iter()
                    .for_each(|loose| self.loosen(device, loose));
                return Err(error);
            }
            loose = None;
            missing = kept.get(device).cloned().unwrap_or_default();
        }
        if kept.get(device).is_some_and(|kept| *kept != missing) {
            // All that was in doubt is there.
            let (key, json) = note((device, &missing));
            self.journal.set_note(&key, json).await?;
            kept.insert(device.clone(), missing);
            kept.retain(|_, missing| !missing.is_empty());
        }
        Ok(())
    }
}
