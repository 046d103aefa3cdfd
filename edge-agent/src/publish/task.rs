//! The MQTT connection: births, then two lanes: new records at once, and beside them what waited, oldest first, at a
//! bounded rate.
//!
//! Promise: nothing goes out before the gateway has said what it has, and what it has does not go again. The records of a
//! lane go out in order of their numbers, those that waited or go again marked historical. If the receipts of a lane make no
//! progress for `receipt_timeout`, what it sent since goes again. At most [`WINDOW`] records of a lane are without a receipt. A
//! client that lost its connection is thrown away and built anew from the buffer, so nothing depends on the MQTT library's
//! own queue.

use super::{
    fence::{Fence, Heard},
    flight::{Flight, Which},
    lane::Lane,
    link::{Link, Lost, drive},
    renewal::Renewal,
    session::{Outgoing, Session},
};
use crate::{
    buffer::Buffer,
    chain,
    config::{GatewayConfig, Identity},
    control::Desk,
    footage::Footage,
    giving_up::Otherwise,
    identity::IdentityError,
    metrics::Metrics,
    record::Record,
    status::Board,
    stop::Stop,
};
use contract::{
    DeviceId, PointName, Timestamp,
    configuration::Desired,
    status::{AgentStatus, LostCounts},
};
use journal::{Block, ReadError};
use ring::rand::{SecureRandom, SystemRandom};
use rumqttc::{AsyncClient, ClientError, LastWill, MqttOptions, QoS, TlsConfiguration, Transport};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

/// Most records of a lane under way without a receipt.
pub const WINDOW: u64 = 2_000;
/// Requests that wait for the socket; then publishing waits.
const REQUESTS: usize = 32;
const PACKET_MAX: usize = 1 << 20;
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// The gateway has not answered the births for so long: they go out again, each time after twice the time.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How often the receipt is looked at and the buffer trimmed.
const TICK: Duration = Duration::from_millis(500);
/// How often what is missing becomes gaps, but for what holds back a receipt; and how often the agent says how it does.
const EVERY_MINUTE: Duration = Duration::from_secs(60);
/// After a change it says so, but no sooner than this after the last time.
const SAY_AGAIN: Duration = Duration::from_secs(2);
/// For the last records, their receipts, the death and the good-bye when stopping.
const FAREWELL: Duration = Duration::from_millis(1_500);
/// Of this, for the receipts.
const LAST_RECEIPTS: Duration = Duration::from_millis(700);

/// What publishes.
pub struct Publisher {
    /// The gateway.
    pub gateway: GatewayConfig,
    /// The MQTT client id and user name.
    pub agent: String,
    /// The session.
    pub session: Session,
    /// The records.
    pub buffer: Buffer,
    /// How far the stream's numbers are known to be ours.
    pub fence: Fence,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// How devices, sources and the connection do.
    pub board: Board,
    /// Which certificate is shown; none if the agent has none.
    pub renewal: Option<Renewal>,
    /// Orders for devices.
    pub desk: Desk,
    /// Sealed originals that the gateway may ask for.
    pub footage: Option<Footage>,
    /// The last configuration that the gateway sent.
    pub wished: watch::Sender<Option<Arc<Desired>>>,
    /// Becomes true with the first receipt.
    pub is_heard: watch::Sender<bool>,
}

/// Why a connection ended in order.
enum Ended {
    Stopped,
    Renewed,
}

impl Publisher {
    /// Connects and publishes until told to stop. It may be run again.
    pub async fn run(mut self, mut stop: Stop) -> Publisher {
        let mut failures = 0u32;
        loop {
            let ended = self.connection(&mut stop).await;
            self.buffer.lose_sight();
            match ended {
                Ok(Ended::Stopped) => return self,
                Ok(Ended::Renewed) => {
                    failures = 0;
                    continue;
                }
                Err(error) => {
                    self.board.gateway(Err(chain(&error)));
                    if !self.fence.is_asking() {
                        // It worked: the line is bad, not the address.
                        failures = 0;
                    }
                    if failures == 0 {
                        let cause = chain(&error);
                        tracing::warn!(host = %self.gateway.host, port = self.gateway.port, cause, "not connected to the gateway; readings wait in the buffer");
                    }
                }
            }
            let delay = back_off(failures, random());
            failures = failures.saturating_add(1);
            tokio::select! {
                () = stop.asked() => return self,
                () = sleep(delay) => {}
            }
        }
    }

    /// One connection from its beginning to its end; `Ok` if it ended because of `stop` or for a new certificate.
    async fn connection(&mut self, stop: &mut Stop) -> Result<Ended, Lost> {
        self.fence.ask();
        let bdseq = match self.buffer.next_bdseq().await {
            Ok(bdseq) => bdseq,
            Err(error) => {
                // A full disk must not silence the agent; a repeated number is the lesser evil.
                tracing::error!(cause = chain(&error), "cannot store the birth number");
                u64::from(random() as u8)
            }
        };
        let will = self.session.begin(bdseq, Timestamp::now());
        let (client, events) = AsyncClient::new(self.options(will)?, REQUESTS);
        let (link, seen) = watch::channel(Link::default());
        let stream = self.buffer.stream();
        let time = self.buffer.time.clone();
        let mut drive = pin!(drive(
            events,
            link,
            stream,
            time,
            self.metrics.clone(),
            self.desk.clone(),
            self.footage.clone(),
        ));
        tokio::select! {
            lost = &mut drive => Err(lost),
            done = self.work(client, seen, stop) => {
                let ended = done?;
                // The good-bye is in the client's queue; the driver carries it out.
                let _ = timeout(FAREWELL, drive).await;
                Ok(ended)
            }
        }
    }

    fn options(&mut self, will: Outgoing) -> Result<MqttOptions, IdentityError> {
        let mut options = MqttOptions::new(&self.agent, &self.gateway.host, self.gateway.port);
        options
            .set_keep_alive(Duration::from_secs(15))
            .set_clean_session(true)
            .set_max_packet_size(PACKET_MAX, PACKET_MAX)
            .set_last_will(LastWill::new(
                will.topic,
                will.payload,
                QoS::AtLeastOnce,
                false,
            ));
        if let Identity::Password(password) = &self.gateway.identity {
            options.set_credentials(&self.agent, password);
        }
        if let Some(renewal) = &mut self.renewal {
            let tls = TlsConfiguration::Rustls(renewal.next_config()?);
            options.set_transport(Transport::tls_with_config(tls));
        }
        Ok(options)
    }

    async fn work(
        &mut self,
        client: AsyncClient,
        mut link: watch::Receiver<Link>,
        stop: &mut Stop,
    ) -> Result<Ended, Lost> {
        tokio::select! {
            () = stop.asked() => return Ok(Ended::Stopped),
            up = link.wait_for(|link| link.is_up) => { up.map_err(|_| Lost::Closed)?; }
        }
        if let Some(renewal) = &mut self.renewal {
            renewal.accepted(&self.metrics)?;
        }
        self.metrics.connections.add(1);
        self.board.gateway(Ok(()));
        tracing::info!(host = %self.gateway.host, port = self.gateway.port, waiting = self.metrics.records_waiting.get(), "connected to the gateway");
        client
            .subscribe(self.session.command_topic(), QoS::AtLeastOnce)
            .await?;
        let mut flight = Flight::new(
            &self.buffer,
            self.gateway.backfill_per_s,
            link.borrow().rebirths,
        );
        self.born(&client).await?;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut orders = self.desk.changes();
        let ended = loop {
            let may_fill = self.may_send(&flight.back);
            let is_paced = flight.pace.next_at() > Instant::now();
            tokio::select! {
                biased;
                () = stop.asked() => break Ended::Stopped,
                changed = link.changed() => {
                    changed.map_err(|_| Lost::Closed)?;
                    let seen = link.borrow_and_update().clone();
                    if let Some(renewal) = &mut self.renewal {
                        if let Some(csr) = renewal.asked(seen.renewals, &self.metrics) {
                            publish(&client, self.session.request(csr)).await?;
                        }
                        if renewal.answered(&seen.certificate, &self.metrics) {
                            break Ended::Renewed;
                        }
                    }
                    self.listen(&client, &mut flight, seen).await?;
                }
                Ok(()) = orders.changed() => self.say_reports(&client).await?,
                _ = ticks.tick() => self.tick(&client, &mut flight).await?,
                block = flight.live.follower.next(), if self.may_send(&flight.live) => {
                    self.take(&client, &mut flight, Which::Live, block).await?;
                }
                block = flight.back.follower.next(), if may_fill && !is_paced => {
                    self.take(&client, &mut flight, Which::Back, block).await?;
                }
                () = sleep_until(flight.pace.next_at()), if may_fill && is_paced => {}
            }
        };
        let farewell = self.farewell(&client, &mut flight, &mut link);
        // Out of time: what was not sent is in the buffer.
        let _ = timeout(FAREWELL, farewell).await;
        Ok(ended)
    }

    async fn born(&mut self, client: &AsyncClient) -> Result<(), Lost> {
        let first = self.buffer.first_unsaid().await;
        for message in self.session.births(Timestamp::now(), first) {
            publish(client, message).await?;
        }
        self.say_status(client).await?;
        self.say_reports(client).await
    }

    /// What became of orders, if there were any.
    async fn say_reports(&mut self, client: &AsyncClient) -> Result<(), Lost> {
        let reports = self.desk.reports();
        if !reports.is_empty() {
            publish(client, self.session.reports(Timestamp::now(), &reports)).await?;
        }
        Ok(())
    }

    async fn say_status(&mut self, client: &AsyncClient) -> Result<(), Lost> {
        let status = self.status();
        publish(client, self.session.status(Timestamp::now(), &status)).await?;
        Ok(())
    }

    /// How the agent does.
    fn status(&self) -> AgentStatus {
        let metrics = &self.metrics;
        AgentStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at: Timestamp::now(),
            configuration: self.board.report(),
            buffer: self.buffer.status(),
            clock: self.buffer.time.status(),
            sources: self.board.devices(),
            lost: LostCounts {
                buffer_full: metrics.readings_lost_full.get(),
                disk_refused: metrics.readings_lost_disk.get(),
                damaged: metrics.records_damaged.get(),
                skipped: metrics.polls_skipped.get(),
                malformed: metrics.all_malformed(),
            },
            footage: self.footage.as_ref().map(Footage::status),
        }
    }

    /// The driver has heard something.
    async fn listen(
        &mut self,
        client: &AsyncClient,
        flight: &mut Flight,
        seen: Link,
    ) -> Result<(), Lost> {
        if seen.rebirths != flight.rebirths {
            flight.rebirths = seen.rebirths;
            self.metrics.rebirths.add(1);
            self.born(client).await?;
        }
        if let Some(highest) = seen.highest {
            self.hear(highest).await;
            self.is_heard
                .send_if_modified(|is_heard| !std::mem::replace(is_heard, true));
        }
        if let Some(desired) = seen.desired {
            self.wished.send_if_modified(|wished| {
                let is_new = wished.as_ref() != Some(&desired);
                *wished = Some(desired);
                is_new
            });
        }
        let most = self.fence.at();
        let through = self.fence.ours(seen.through);
        if through > flight.through {
            flight.through = through;
            self.board.receipt(through);
        }
        flight.known.join(&seen.known, most);
        flight.settled.join(&seen.known, most);
        if let Some((gateway_at, now, passed)) = seen.heard {
            if let Some((_, sent)) = flight
                .probe
                .take_if(|(n, _)| *n == 0 || seen.known.contains(*n))
            {
                self.buffer.time.heard(gateway_at, sent, now, passed);
            }
            if flight.gaps_at.is_none() {
                self.say_missing(flight, false).await;
                self.buffer.see_clearly();
            }
        }
        self.learn(flight);
        Ok(())
    }

    /// What the gateway has, and what is no longer in the buffer, need not be sent.
    fn learn(&self, flight: &mut Flight) {
        flight.settled.insert(1, self.buffer.first() - 1);
        flight.back.learn(&flight.settled, &self.buffer);
        flight.live.learn(&flight.settled, &self.buffer);
        while let Some(delay) = flight.live.next_delay() {
            self.metrics.receipt_delays.add(delay);
        }
        let under_way = [flight.back.under_way(), flight.live.under_way()];
        self.buffer.under_way(under_way);
    }

    async fn say_missing(&self, flight: &mut Flight, is_urgent: bool) {
        if !is_urgent {
            flight.gaps_at = Some(Instant::now());
        }
        let known = flight.known.clone();
        let said = self
            .buffer
            .say_missing(is_urgent, move |n| known.contains(n))
            .await;
        if let Err(error) = said {
            tracing::warn!(
                cause = chain(&error),
                "what is missing cannot be made gaps; trying again"
            );
        }
    }

    /// The gateway has said how far it has heard of our stream.
    async fn hear(&mut self, highest: u64) {
        let at = self.fence.at();
        let kept = match self.fence.hear(highest) {
            Heard::Same => return,
            Heard::Opened => None,
            Heard::Foreign => {
                tracing::error!(
                    stream = self.buffer.stream(),
                    highest,
                    last_of_ours = at,
                    "the gateway has records that this buffer never sent: the buffer file was restored from a copy, or copied; what comes next goes under a new stream"
                );
                Some(at)
            }
        };
        if let Err(error) = self.buffer.keep_fence(kept).await {
            tracing::warn!(cause = chain(&error), "cannot keep the fence of the stream");
        }
    }

    fn may_send(&self, lane: &Lane) -> bool {
        let is_heard = !self.fence.is_asking() && self.fence.lets(lane.next());
        is_heard && !lane.is_done() && lane.has_window(WINDOW)
    }

    /// Lets go of what has a receipt; sends again what has waited too long for one; says what is to be said now and then.
    async fn tick(&mut self, client: &AsyncClient, flight: &mut Flight) -> Result<(), Lost> {
        self.trim(flight).await;
        if self.fence.is_left(self.buffer.first()) {
            return Err(self.leave_stream().await);
        }
        let patience = (ASK_AGAIN * (1 << flight.asked.min(10))).min(self.gateway.receipt_timeout);
        if self.fence.is_asking() && flight.asked_at.elapsed() >= patience {
            // Behind an external broker the births are lost while the gateway is away.
            self.born(client).await?;
            flight.asked += 1;
            flight.asked_at = Instant::now();
        }
        self.learn(flight);
        for lane in [&mut flight.back, &mut flight.live] {
            if let Some((from, to)) = lane.go_back(self.gateway.receipt_timeout, &self.buffer) {
                tracing::warn!(from, to, "no receipt from the gateway; sending again");
            }
        }
        if let Some(at) = flight.gaps_at {
            self.say_missing(flight, at.elapsed() < EVERY_MINUTE).await;
        }
        self.tell(client, flight).await
    }

    /// Says how the agent does, if that changed or was not said for long.
    async fn tell(&mut self, client: &AsyncClient, flight: &mut Flight) -> Result<(), Lost> {
        let clock = self.buffer.time.status();
        self.metrics
            .clock_untrusted
            .set(u64::from(!clock.is_trusted));
        self.metrics
            .clock_offset_ms
            .set(clock.offset_ms.unwrap_or(0));
        self.metrics
            .clock_uncertainty_ms
            .set(clock.uncertainty_ms.unwrap_or(0));
        let now = (self.board.changes(), clock.is_trusted, self.board.report());
        let since = flight.said_at.elapsed();
        if since >= EVERY_MINUTE || (now != flight.said && since >= SAY_AGAIN) {
            (flight.said, flight.said_at) = (now, Instant::now());
            self.say_status(client).await?;
        }
        Ok(())
    }

    /// Everything that was owed to the stream has its receipt; the rest goes under a new one, on a new connection.
    async fn leave_stream(&mut self) -> Lost {
        match self.buffer.begin_stream().await {
            Ok(stream) => {
                tracing::warn!(stream, first = self.buffer.first(), "a new stream begins");
                self.metrics.streams_left.add(1);
                self.session.rename(stream);
            }
            Err(error) => {
                tracing::error!(
                    cause = chain(&error),
                    "cannot begin a new stream; trying again"
                );
            }
        }
        Lost::Stream
    }

    async fn trim(&self, flight: &mut Flight) {
        if flight.trimmed >= flight.through {
            return;
        }
        match self.buffer.release(flight.through).await {
            Ok(()) => flight.trimmed = flight.through,
            Err(error) => tracing::warn!(
                cause = chain(&error),
                "cannot release records that have a receipt; trying again"
            ),
        }
    }

    /// The next record of a lane, be it readable or not.
    async fn take(
        &mut self,
        client: &AsyncClient,
        flight: &mut Flight,
        which: Which,
        block: Result<Arc<Block>, ReadError>,
    ) -> Result<(), Lost> {
        let lane = flight.lane(which);
        let first = lane.follower.position().0;
        match block {
            Ok(block) => {
                let record = Record::decode(&block.body);
                let record = record.inspect_err(|error| {
                    tracing::error!(sequence = block.seq.0, %error, "a record of the buffer cannot be read; its readings are lost");
                });
                self.send(client, flight, which, block.seq.0, record.ok())
                    .await
            }
            Err(error) if lane.follower.skip(&error) => {
                for sequence in first..flight.lane(which).follower.position().0 {
                    self.send(client, flight, which, sequence, None).await?;
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a record, unless the gateway has it or the buffer gave it up meanwhile. A damaged one (`None`) goes as a gap
    /// under its number: the receipt would end before it for ever.
    async fn send(
        &mut self,
        client: &AsyncClient,
        flight: &mut Flight,
        which: Which,
        sequence: u64,
        record: Option<Record>,
    ) -> Result<(), Lost> {
        let lane = flight.lane(which);
        let is_historical = which == Which::Back || lane.is_again(sequence);
        lane.sent = sequence;
        if flight.known.contains(sequence) || sequence < self.buffer.first() {
            return Ok(());
        }
        let now = Timestamp::now();
        let record = record.unwrap_or_else(|| {
            self.metrics.records_damaged.add(1);
            let (device, at) = (self.session.first_device(), flight.lane(which).at);
            self.buffer
                .damaged_record(sequence, &Otherwise { device, at })
        });
        flight.lane(which).at = record.at;
        let described = |device: &DeviceId, point: &PointName| self.buffer.described(device, point);
        let messages = self
            .session
            .data(now, sequence, &record, is_historical, described);
        let probe = (sequence, self.buffer.time.passed());
        for message in messages {
            publish(client, message).await?;
        }
        flight.probe.get_or_insert(probe);
        if which == Which::Live {
            flight.live.sends(sequence);
        } else {
            flight.pace.spend(record.readings.len(), Instant::now());
        }
        self.fence.sent(sequence);
        self.metrics.records_sent.add(1);
        if is_historical {
            self.metrics.records_resent.add(1);
        }
        self.learn(flight);
        Ok(())
    }

    async fn farewell(
        &mut self,
        client: &AsyncClient,
        flight: &mut Flight,
        link: &mut watch::Receiver<Link>,
    ) -> Result<(), Lost> {
        while flight.live.sent < self.buffer.head() && self.may_send(&flight.live) {
            let block = flight.live.follower.next().await;
            self.take(client, flight, Which::Live, block).await?;
        }
        let receipts = async {
            while flight.back.is_waiting() || flight.live.is_waiting() {
                link.changed().await.map_err(|_| Lost::Closed)?;
                let seen = link.borrow_and_update().clone();
                self.listen(client, flight, seen).await?;
            }
            Ok::<(), Lost>(())
        };
        if let Ok(heard) = timeout(LAST_RECEIPTS, receipts).await {
            heard?;
        }
        self.trim(flight).await;
        publish(client, self.session.death(Timestamp::now())).await?;
        client.disconnect().await?;
        Ok(())
    }
}

async fn publish(client: &AsyncClient, message: Outgoing) -> Result<(), ClientError> {
    client
        .publish(message.topic, QoS::AtMostOnce, false, message.payload)
        .await
}

/// Doubles up to a cap; half of it is left to chance, so that a hundred agents do not come back at once.
fn back_off(failures: u32, random: u32) -> Duration {
    let full = BACK_OFF
        .0
        .saturating_mul(1 << failures.min(10))
        .min(BACK_OFF.1);
    full / 2 + (full / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    // Without randomness there is no jitter, which harms nothing.
    let _ = SystemRandom::new().fill(&mut bytes);
    u32::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_back_off_grows_to_its_cap_and_is_never_zero() {
        assert_eq!(back_off(0, 0), Duration::from_millis(250));
        assert_eq!(back_off(0, u32::MAX), Duration::from_millis(500));
        assert_eq!(back_off(3, u32::MAX), Duration::from_secs(4));
        assert_eq!(back_off(u32::MAX, u32::MAX), Duration::from_secs(30));
    }
}
