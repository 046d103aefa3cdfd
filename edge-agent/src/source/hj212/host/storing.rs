//! Frames become records on disk; what should have come and has not becomes absences.

use super::Host;
use crate::{
    record::Record,
    source::hj212::{
        config::Station,
        station::{Seen, State},
        verdict::Taken,
    },
};
use contract::{Absence, Quality, Reading, Timestamp};

/// Begins the note with the frames that a station has sent.
const NOTE: &str = "hj212/";

/// What became of a frame.
#[derive(Default)]
pub(super) struct Stored {
    /// What is answered.
    pub(super) reply: Option<String>,
    /// Whether it was new; `None` if it could not be stored.
    pub(super) is_new: Option<bool>,
}

pub(super) fn note_of(station: &Station) -> String {
    format!("{NOTE}{}", station.device)
}

impl Host {
    /// Stores what is taken of a frame, and gives the answer that may then go out.
    pub(super) async fn take(&self, mut taken: Taken) -> Stored {
        let counts = self.counts();
        let station = &self.door.stations[taken.station];
        let who = station.device.as_str();
        if !taken.is_kept {
            counts.heartbeats.add(1);
            return Stored {
                reply: taken.reply,
                is_new: Some(true),
            };
        }
        let mut state = self.states[taken.station].lock().await;
        let seen = state.memory.look(taken.print);
        if seen == Seen::Repeated {
            counts.frames_repeated.add(1);
            return Stored {
                reply: taken.reply,
                is_new: Some(false),
            };
        }
        if seen == Seen::Conflicting {
            taken.set_beside();
            counts.frames_conflicting.add(1);
            let words = "it came before with other content; both are kept";
            self.complain(who, "conflicting_resend", words, &taken.raw);
        }
        for complaint in &taken.complaints {
            let words = format!("{}: {}", complaint.place, complaint.what);
            self.complain(who, complaint.code.as_str(), &words, &taken.raw);
        }
        let before = taken.measured.len();
        taken
            .measured
            .retain(|measured| state.admits(&measured.reading.point));
        if taken.measured.len() < before {
            let words = "the station has too many points; these readings are in the raw frame only";
            self.complain(who, "points_max", words, &taken.raw);
        }
        let points = taken.points(station.every);
        self.sink.describe(&station.device, &points).await;
        let records = taken.records(&station.device);
        for (record, is_last) in records.iter().zip((0..records.len()).rev().map(|n| n == 0)) {
            let note = is_last.then(|| (note_of(station), state.memory.note(taken.print)));
            if let Err(error) = self.sink.keep(record, note).await {
                counts.frames_not_stored.add(1);
                self.complain(who, "not_stored", &error.to_string(), &taken.raw);
                return Stored::default();
            }
        }
        state.memory.remember(taken.print);
        counts.frames_stored.add(1);
        if seen == Seen::New {
            self.follow(&mut state, &taken);
        }
        Stored {
            reply: taken.reply,
            is_new: Some(true),
        }
    }

    /// What a new frame says of others that must come.
    fn follow(&self, state: &mut State, taken: &Taken) {
        let station = &self.door.stations[taken.station];
        let (who, now) = (station.device.as_str(), Timestamp::now());
        if let Some((key, pno)) = taken.split.clone() {
            let given_up = state.packet(key, pno, taken.print.content, now);
            if let Some(words) = given_up {
                self.incomplete(who, &words);
            }
        }
        if let Some(every) = station.every
            && taken.is_real_time
        {
            state.silence.heard(taken.at, taken.names(), every, now);
        }
    }

    fn incomplete(&self, who: &str, words: &str) {
        self.counts().splits_incomplete.add(1);
        self.complain(who, "incomplete", words, words.as_bytes());
    }

    /// What should have come by now and has not.
    pub(super) async fn look(&self, now: Timestamp) {
        for (station, state) in self.door.stations.iter().zip(&self.states) {
            let mut state = state.lock().await;
            for words in state.expired(now) {
                self.incomplete(station.device.as_str(), &words);
            }
            let Some(every) = station.every else { continue };
            let why = match state.connections {
                0 => Absence::NoConnection,
                _ => Absence::NoAnswer,
            };
            while let Some((at, points)) = state.silence.missed(every, now) {
                let absent = |point: &contract::PointName| {
                    Reading::new(point.clone(), at, None, Quality::Missing(why))
                };
                let readings: Vec<Reading> = points.iter().map(absent).collect();
                self.sink.metrics.absences.add(readings.len() as u64);
                let record = Record::of(station.device.clone(), at, readings);
                self.sink.store(&record, false).await;
            }
        }
    }
}
