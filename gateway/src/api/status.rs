//! How the gateway is, and live updates.

use super::{Api, SignedIn, error::ApiError, view::*};
use axum::{
    Json,
    extract::State as Shared,
    response::sse::{Event, KeepAlive, Sse},
};
use contract::Timestamp;
use futures_util::stream::{self, Stream};
use std::{convert::Infallible, time::Duration};

/// How the gateway is, and what it refused.
#[utoipa::path(get, path = "/api/status", responses((status = 200, body = StatusView)))]
pub async fn status(_: SignedIn, Shared(api): Shared<Api>) -> Json<StatusView> {
    let inner = &api.0;
    let series = match &inner.series {
        crate::series::Series::Embedded(embedded) => embedded.progress().cursor,
        _ => 0,
    };
    let refused = inner.ingest.refused().into_iter().map(|r| RefusedMessage {
        at: r.at.as_millis(),
        topic: r.topic.clone(),
        reason: r.reason.label().into(),
        what: r.what.clone(),
        fix: r.reason.fix().into(),
    });
    Json(StatusView {
        journal: inner.ingest.journal().head().0.0,
        series,
        detect: inner.detected(),
        readings_journaled: inner.metrics.ingest_readings_journaled_total.get(),
        duplicates: inner.metrics.ingest_duplicates_total.get(),
        scoring_unavailable: inner.scoring_unavailable.clone(),
        refused: refused.collect(),
    })
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
                    let read = api.blocking(move |i| i.signals.changes_after(from, 500).map_err(ApiError::internal)).await;
                    let (through, changed) = read.ok()?;
                    after = through;
                    let lines: Vec<SignalLine> = changed.iter().map(|s| api.0.signal_line(s, None)).collect();
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
