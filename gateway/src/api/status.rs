//! How the gateway is, and live updates.

use super::{Api, Inner, Scoring, SignedIn, error::ApiError, view::*};
use crate::{
    ingest::set_aside,
    series::{Series, embedded, influx},
};
use axum::{
    Json,
    extract::State as Shared,
    response::sse::{Event, KeepAlive, Sse},
};
use contract::{AgentId, SiteId, Timestamp};
use futures_util::stream::{self, Stream};
use std::{collections::BTreeMap, convert::Infallible, time::Duration};

/// How the gateway is, and what it refused.
#[utoipa::path(get, path = "/api/status", responses((status = 200, body = StatusView)))]
pub async fn status(_: SignedIn, Shared(api): Shared<Api>) -> super::Answer<StatusView> {
    api.blocking(|inner| inner.status()).await.map(Json)
}

impl Inner {
    fn status(&self) -> Result<StatusView, ApiError> {
        // The head comes first: what follows it can then only seem nearer than it is.
        let journal = self.ingest.journal();
        let head = journal.head().0.0;
        let embedded = match &self.series {
            Series::Embedded(embedded) => Some(embedded),
            Series::Influx(..) => None,
        };
        let influx = match self.influx {
            Some(_) => Some(
                journal
                    .cursor(influx::CURSOR)
                    .map_err(ApiError::internal)?
                    .0,
            ),
            None => None,
        };
        let metrics = &self.metrics;
        Ok(StatusView {
            now: Timestamp::now().as_millis(),
            started_at: self.started_at.as_millis(),
            journal: head,
            series: embedded.map(|store| store.progress().cursor),
            detect: self.detected(),
            influx,
            series_part: embedded.map_or(PartView::quiet(PartState::Off), |store| {
                series_part(store.state())
            }),
            influx_part: self
                .influx
                .as_ref()
                .map_or(PartView::quiet(PartState::Off), |state| {
                    influx_part(state.borrow().clone())
                }),
            scoring_part: scoring_part(&self.scoring),
            readings_journaled: metrics.ingest_readings_journaled_total.get(),
            duplicates: metrics.ingest_duplicates_total.get(),
            readings_late: metrics.detect_readings_late_total.get(),
            readings_ahead: metrics.detect_readings_ahead_total.get(),
            footage: self.footage.sums().map_err(ApiError::internal)?,
            agents: self.agent_lines(),
            refused_by_reason: self.refused_by_reason(),
            refused: self.refused(),
            set_aside_file: set_aside::FILE.into(),
        })
    }

    fn agent_lines(&self) -> Vec<AgentLine> {
        let mut lines: BTreeMap<(SiteId, AgentId), (AgentState, Option<BoxFootage>)> =
            BTreeMap::new();
        for agent in &self.registry.agents {
            let line = (AgentState::Unheard, None);
            lines.insert((agent.site.clone(), agent.id.clone()), line);
        }
        for heard in self.ingest.heard() {
            let state = match heard.is_online {
                true => AgentState::Online,
                false => AgentState::Offline,
            };
            let footage = heard.status.as_ref();
            let footage = footage.and_then(|(_, status)| BoxFootage::said(status));
            lines.insert((heard.site, heard.agent), (state, footage));
        }
        let line = |((site, agent), (state, footage)): ((SiteId, AgentId), _)| AgentLine {
            site_name: self.registry.site(&site).map(|s| s.name.clone()),
            site: site.to_string(),
            agent: agent.to_string(),
            state,
            footage,
        };
        lines.into_iter().map(line).collect()
    }

    fn refused_by_reason(&self) -> Vec<RefusedTally> {
        let tallies = self.ingest.refused_tallies().into_iter();
        let line = |tally: crate::ingest::refused::Tally| {
            Some(RefusedTally {
                reason: tally.reason,
                count: tally.count,
                last_at: tally.last_at?.as_millis(),
                sent_again: tally.reason.is_sent_again(),
                fix: tally.reason.fix().into(),
            })
        };
        tallies.filter_map(line).collect()
    }

    fn refused(&self) -> Vec<RefusedMessage> {
        let refused = self.ingest.refused().into_iter();
        let line = |r: crate::ingest::refused::Refused| RefusedMessage {
            at: r.at.as_millis(),
            topic: r.topic,
            reason: r.reason,
            what: r.what,
            fix: r.reason.fix().into(),
        };
        refused.map(line).collect()
    }
}

fn series_part(state: embedded::State) -> PartView {
    match state {
        embedded::State::Following => PartView::quiet(PartState::Works),
        embedded::State::Stalled(why) => PartView::stuck(PartState::Waits, why, None),
    }
}

fn influx_part(state: influx::State) -> PartView {
    match state {
        influx::State::Writing => PartView::quiet(PartState::Works),
        influx::State::Waiting(why) => PartView::stuck(PartState::Waits, why, None),
        influx::State::Blocked { what, fix } => {
            PartView::stuck(PartState::Blocked, what, Some(fix))
        }
    }
}

fn scoring_part(scoring: &Scoring) -> PartView {
    match scoring {
        Scoring::Off => PartView::quiet(PartState::Off),
        Scoring::Ready => PartView::quiet(PartState::Works),
        Scoring::Unavailable(why) => PartView::stuck(PartState::Blocked, why.clone(), None),
    }
}

/// Live updates: `signal` when a signal changed (with the changed signals), `case` when records changed, `tick`
/// every five seconds. Not in the description: it is a stream.
pub async fn events(
    _: SignedIn,
    Shared(api): Shared<Api>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let signals = api.0.signals.subscribe();
    let records = api.0.changed.subscribe();
    let stopping = api.0.stopping.clone();
    let after = *signals.borrow();
    let tick = tokio::time::interval(Duration::from_secs(5));
    let state = (api, signals, records, stopping, tick, after);
    let next = stream::unfold(
        state,
        |(api, mut signals, mut records, mut stopping, mut tick, mut after)| async move {
            let event = tokio::select! {
                () = async { drop(stopping.wait_for(|stop| *stop).await); } => return None,
                // After a read that was full, what is left is read at once.
                changed = async { signals.wait_for(|last| *last > after).await.map(|_| ()) } => {
                    changed.ok()?;
                    let from = after;
                    let read = api.blocking(move |inner| {
                        let (through, changed) = inner.signals.changes_after(from, 500).map_err(ApiError::internal)?;
                        let changed = inner.weighed(changed);
                        let lines: Vec<SignalLine> = changed.iter().map(|s| inner.signal_line(s, None)).collect();
                        Ok((through, lines))
                    }).await;
                    let (through, lines) = read.ok()?;
                    after = through;
                    Event::default().event("signal").json_data(lines).ok()?
                }
                changed = records.changed() => {
                    changed.ok()?;
                    Event::default().event("case").data("{}")
                }
                _ = tick.tick() => Event::default().event("tick").data(format!("{{\"now\":{}}}", Timestamp::now().as_millis())),
            };
            Some((Ok(event), (api, signals, records, stopping, tick, after)))
        },
    );
    Sse::new(next).keep_alive(KeepAlive::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_does_not_work_says_why_and_who_must_act() {
        let said = |part: PartView| (part.state, part.why, part.fix);
        let some = |text: &str| Some(text.to_owned());
        let stalled = series_part(embedded::State::Stalled("the disk is full".into()));
        assert_eq!(
            said(stalled),
            (PartState::Waits, some("the disk is full"), None)
        );
        let waiting = influx_part(influx::State::Waiting("refused".into()));
        assert_eq!(said(waiting), (PartState::Waits, some("refused"), None));
        let (what, fix) = ("no such bucket".to_owned(), "make it".to_owned());
        let blocked = influx_part(influx::State::Blocked { what, fix });
        let expected = (PartState::Blocked, some("no such bucket"), some("make it"));
        assert_eq!(said(blocked), expected);
        let missing = scoring_part(&Scoring::Unavailable("no library".into()));
        assert_eq!(
            said(missing),
            (PartState::Blocked, some("no library"), None)
        );
        for works in [
            series_part(embedded::State::Following),
            influx_part(influx::State::Writing),
            scoring_part(&Scoring::Ready),
        ] {
            assert_eq!(said(works), (PartState::Works, None, None));
        }
    }
}
