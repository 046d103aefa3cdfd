//! Orders of the gateway for devices (reverse control): which are taken, and what became of them.
//!
//! Promise: an order reaches a device only if the agent's own configuration allows it, only before it expires by the
//! gateway's clock, and only after its id was noted on disk; an id that was noted never reaches a device again, whatever
//! stops the agent. What became of the last orders is said after every birth and on every change.
//! Not promised: that the device did not hear an order of which the agent says that it was not answered.

use crate::{buffer::Buffer, stop::Stop};
use contract::{
    DeviceId, Timestamp,
    control::{Order, Outcome, REPORTS_MAX, Refusal, Report, Right},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    watch,
};

/// The note with the orders that were taken.
const NOTE: &str = "control/orders";
/// Orders that are remembered. One that was forgotten has expired long ago.
const REMEMBERED: usize = 64;
/// Orders that wait to be looked at; more are dropped, and the gateway hears no word of them.
const INBOX: usize = 16;

/// Where orders come in and reports go out. Clones share it.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    buffer: Buffer,
    book: Mutex<Book>,
    changed: watch::Sender<u64>,
    inbox: mpsc::Sender<Order>,
}

impl Desk {
    /// With what the buffer remembers. An order that was under way when the agent stopped is lost: nobody waits for its
    /// answer any more.
    pub fn open(buffer: Buffer) -> (Desk, mpsc::Receiver<Order>) {
        let book = Book::of_note(&buffer.note(NOTE).unwrap_or_default(), Timestamp::now());
        let (inbox, orders) = mpsc::channel(INBOX);
        let inner = Inner {
            buffer,
            book: Mutex::new(book),
            changed: watch::Sender::new(0),
            inbox,
        };
        (Desk(Arc::new(inner)), orders)
    }

    /// Looks at what was given until told to stop.
    pub async fn run(self, mut orders: mpsc::Receiver<Order>, mut stop: Stop) {
        loop {
            let order = tokio::select! {
                () = stop.asked() => return,
                order = orders.recv() => order,
            };
            match order {
                Some(order) => self.take(order).await,
                None => return,
            }
        }
    }

    /// An order has come; it is looked at soon.
    pub fn give(&self, order: Order) {
        if let Err(error) = self.0.inbox.try_send(order) {
            tracing::warn!(%error, "an order of the gateway was dropped: too many at once");
        }
    }

    /// From now on orders for `device` that need one of `rights` go to `taker`, which says by [`Desk::report`] what became
    /// of each.
    pub fn serve(&self, device: &DeviceId, rights: &[Right], taker: mpsc::Sender<Order>) {
        let rights = rights.to_vec();
        let taker = Taker { rights, taker };
        self.book().takers.insert(device.clone(), taker);
    }

    /// What became of an order that was taken.
    pub async fn report(&self, id: &str, outcome: Outcome) {
        tracing::info!(order = id, ?outcome, "an order of the gateway has ended");
        self.book().settle(id, outcome, Timestamp::now());
        // Without the note the same is said until the agent stops, and after that that it was lost.
        self.note().await;
        self.0.changed.send_modify(|n| *n += 1);
    }

    /// What became of the last orders, the oldest first.
    pub fn reports(&self) -> Vec<Report> {
        self.book().reports()
    }

    /// Tells when [`Desk::reports`] has changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// The gateway's time, as far as receipts have told it.
    pub fn gateway_now(&self) -> Option<Timestamp> {
        let ahead = self.0.buffer.time.status().offset_ms?;
        Some(Timestamp::now().plus_millis(ahead))
    }

    async fn take(&self, order: Order) {
        let (id, device) = (order.id.clone(), order.device.clone());
        let judged = self.book().judge(&order, self.gateway_now());
        let taker = match judged {
            Judged::Known => return,
            Judged::Refused(why) => {
                tracing::warn!(order = id, %device, action = ?order.action, ?why, "an order of the gateway is refused");
                let outcome = Outcome::Refused { why };
                self.book().add(&id, &device, outcome, Timestamp::now());
                self.note().await;
                self.0.changed.send_modify(|n| *n += 1);
                return;
            }
            Judged::For(taker) => taker,
        };
        tracing::warn!(order = id, %device, action = ?order.action, "an order of the gateway is carried out");
        self.book()
            .add(&id, &device, Outcome::UnderWay, Timestamp::now());
        let why = match self.note().await {
            false => Some(Refusal::NotNoted),
            true => match taker.try_send(order) {
                Ok(()) => None,
                Err(TrySendError::Full(_)) => Some(Refusal::Busy),
                // Its source was taken out of the configuration.
                Err(TrySendError::Closed(_)) => Some(Refusal::NoSuchDevice),
            },
        };
        match why {
            Some(why) => self.report(&id, Outcome::Refused { why }).await,
            None => self.0.changed.send_modify(|n| *n += 1),
        }
    }

    /// True if the book is on disk.
    async fn note(&self) -> bool {
        let note = self.book().note();
        let kept = self.0.buffer.keep_note(NOTE, note).await;
        if let Err(error) = &kept {
            tracing::error!(%error, "orders cannot be noted");
        }
        kept.is_ok()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of orders. Pure.
#[derive(Default)]
struct Book {
    /// The newest last.
    entries: VecDeque<Entry>,
    takers: HashMap<DeviceId, Taker>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    device: DeviceId,
    report: Report,
}

struct Taker {
    rights: Vec<Right>,
    taker: mpsc::Sender<Order>,
}

enum Judged {
    /// It was looked at before.
    Known,
    Refused(Refusal),
    For(mpsc::Sender<Order>),
}

impl Book {
    fn of_note(note: &[u8], now: Timestamp) -> Book {
        let mut entries: VecDeque<Entry> = serde_json::from_slice(note).unwrap_or_default();
        for entry in &mut entries {
            if !entry.report.outcome.is_final() {
                entry.report.outcome = Outcome::Lost;
                entry.report.at = now;
            }
        }
        Book {
            entries,
            takers: HashMap::new(),
        }
    }

    fn note(&self) -> Vec<u8> {
        serde_json::to_vec(&self.entries).expect("entries are always JSON")
    }

    fn judge(&self, order: &Order, now: Option<Timestamp>) -> Judged {
        if self.entries.iter().any(|entry| entry.report.id == order.id) {
            return Judged::Known;
        }
        let is_busy =
            |entry: &Entry| entry.device == order.device && !entry.report.outcome.is_final();
        let taker = self.takers.get(&order.device);
        let refusal = match (taker, now) {
            (None, _) => Refusal::NoSuchDevice,
            (Some(taker), _) if !taker.rights.contains(&order.action.right()) => {
                Refusal::NotAllowed
            }
            (_, None) => Refusal::ClockUnknown,
            (_, Some(now)) if now > order.expires_at => Refusal::Expired,
            _ if order.action.check().is_err() => Refusal::BadAction,
            _ if self.entries.iter().any(is_busy) => Refusal::Busy,
            (Some(taker), _) => return Judged::For(taker.taker.clone()),
        };
        Judged::Refused(refusal)
    }

    fn add(&mut self, id: &str, device: &DeviceId, outcome: Outcome, at: Timestamp) {
        let report = Report {
            id: id.to_owned(),
            at,
            outcome,
        };
        self.entries.push_back(Entry {
            device: device.clone(),
            report,
        });
        while self.entries.len() > REMEMBERED {
            self.entries.pop_front();
        }
    }

    fn settle(&mut self, id: &str, outcome: Outcome, at: Timestamp) {
        let entry = self.entries.iter_mut().find(|e| e.report.id == id);
        if let Some(entry) = entry.filter(|e| !e.report.outcome.is_final()) {
            entry.report.outcome = outcome;
            entry.report.at = at;
        }
    }

    fn reports(&self) -> Vec<Report> {
        let skipped = self.entries.len().saturating_sub(REPORTS_MAX);
        let last = self.entries.iter().skip(skipped);
        last.map(|entry| entry.report.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::control::{Action, Interval};

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn device(name: &str) -> DeviceId {
        DeviceId::new(name).unwrap()
    }

    fn order(id: &str, name: &str, action: Action) -> Order {
        Order {
            id: id.into(),
            device: device(name),
            action,
            expires_at: NOW.plus_millis(60_000),
        }
    }

    /// A book in which `stack` may be read.
    fn book() -> Book {
        let mut book = Book::default();
        let (taker, _) = mpsc::channel(1);
        let rights = vec![Right::Read, Right::Interval];
        book.takers.insert(device("stack"), Taker { rights, taker });
        book
    }

    fn why(book: &Book, order: &Order, now: Option<Timestamp>) -> Option<Refusal> {
        match book.judge(order, now) {
            Judged::Refused(why) => Some(why),
            Judged::Known => panic!("known"),
            Judged::For(_) => None,
        }
    }

    #[test]
    fn an_order_is_taken_only_if_it_is_allowed_in_time_and_possible() {
        let mut book = book();
        let read = order("1", "stack", Action::ReadClock);
        assert_eq!(why(&book, &read, Some(NOW)), None);
        let late = Some(NOW.plus_millis(60_001));
        assert_eq!(why(&book, &read, late), Some(Refusal::Expired));
        assert_eq!(why(&book, &read, None), Some(Refusal::ClockUnknown));
        let set = order("2", "stack", Action::SetClock);
        assert_eq!(why(&book, &set, Some(NOW)), Some(Refusal::NotAllowed));
        let other = order("3", "kiln", Action::ReadClock);
        assert_eq!(why(&book, &other, Some(NOW)), Some(Refusal::NoSuchDevice));
        let (of, every) = (Interval::Minute, 7);
        let odd = order("4", "stack", Action::SetInterval { of, every });
        assert_eq!(why(&book, &odd, Some(NOW)), Some(Refusal::BadAction));
        book.add("1", &device("stack"), Outcome::UnderWay, NOW);
        assert!(matches!(book.judge(&read, Some(NOW)), Judged::Known));
        let next = order("5", "stack", Action::ReadClock);
        assert_eq!(why(&book, &next, Some(NOW)), Some(Refusal::Busy));
        book.settle("1", Outcome::NoAnswer { asked: 4 }, NOW);
        assert_eq!(why(&book, &next, Some(NOW)), None);
    }

    #[test]
    fn what_was_taken_is_known_after_a_restart_and_what_was_under_way_is_lost() {
        let mut before = book();
        let stack = device("stack");
        for id in ["1", "2"] {
            before.add(id, &stack, Outcome::UnderWay, NOW);
        }
        before.settle("1", Outcome::Rejected { code: 3 }, NOW);
        // A second word about the same order changes nothing.
        before.settle("1", Outcome::Lost, NOW);
        let mut after = Book::of_note(&before.note(), NOW.plus_millis(5));
        let outcomes: Vec<Outcome> = after.reports().into_iter().map(|r| r.outcome).collect();
        assert_eq!(outcomes, [Outcome::Rejected { code: 3 }, Outcome::Lost]);
        let again = order("2", "stack", Action::ReadClock);
        assert!(matches!(after.judge(&again, Some(NOW)), Judged::Known));
        for n in 0..REMEMBERED {
            after.add(&format!("n{n}"), &stack, Outcome::Lost, NOW);
        }
        assert_eq!(after.entries.len(), REMEMBERED);
        assert_eq!(after.reports().len(), REPORTS_MAX);
        assert_eq!(Book::of_note(b"nonsense", NOW).entries.len(), 0);
    }
}
