//! Orders become requests on the connection of their station, and what comes of them is reported.

use super::{Connection, Host, WRITE};
use crate::source::hj212::{
    control::{Answered, Exchange, Step},
    verdict,
};
use contract::control::{Order, Outcome, Refusal};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, timeout},
};

impl Host {
    /// An order goes to the connection on which its station was heard last.
    pub(super) async fn pass_on(&self, order: Order) {
        let stations = self.door.stations.iter();
        let Some(index) = stations.into_iter().position(|s| s.device == order.device) else {
            let why = Refusal::NoSuchDevice;
            return self.end(&order, Outcome::Refused { why }).await;
        };
        let line = self.states[index].lock().await.line.clone();
        let unsent = match line {
            Some(line) => line
                .try_send((index, order))
                .err()
                .map(|e| e.into_inner().1),
            None => Some(order),
        };
        if let Some(order) = unsent {
            let why = Refusal::NotConnected;
            self.end(&order, Outcome::Refused { why }).await;
        }
    }

    /// A station of this connection is to be asked something.
    pub(super) async fn begin(&self, index: usize, order: Order, connection: &mut Connection) {
        let station = &self.door.stations[index];
        let manner = self.states[index].lock().await.manner.clone();
        let why = match (manner, self.sink.desk.gateway_now()) {
            (_, None) => Refusal::ClockUnknown,
            (_, Some(at)) if at > order.expires_at => Refusal::Expired,
            (None, _) => Refusal::NotConnected,
            (Some(manner), Some(at)) => {
                let (who, now) = ((index, station.mn.as_str()), Instant::now());
                let over_time = self.door.over_time;
                let exchange = Exchange::new(order, who, manner, over_time, (at, now));
                return connection.exchanges.push(exchange);
            }
        };
        self.end(&order, Outcome::Refused { why }).await;
    }

    /// Sends what is due and ends what is over. False if the connection is to end.
    pub(super) async fn go_on(&self, stream: &mut TcpStream, connection: &mut Connection) -> bool {
        let mut place = 0;
        while let Some(exchange) = connection.exchanges.get_mut(place) {
            let at = self.sink.desk.gateway_now();
            match exchange.step(at, Instant::now()) {
                Step::Wait(_) => place += 1,
                Step::Over(outcome) => {
                    let exchange = connection.exchanges.remove(place);
                    self.end(&exchange.order, outcome).await;
                }
                Step::Ask(frame) => {
                    self.counts().requests.add(1);
                    let written = timeout(WRITE, stream.write_all(frame.as_bytes())).await;
                    if !matches!(written, Ok(Ok(()))) {
                        return false;
                    }
                    place += 1;
                }
            }
        }
        true
    }

    /// A station answers a request. False if the connection is to end.
    pub(super) async fn answered(&self, answered: Answered, connection: &mut Connection) -> bool {
        let mut asked = connection.exchanges.iter_mut();
        let Some(place) = asked.position(|exchange| exchange.is_of(&answered)) else {
            let refusal = verdict::Refusal {
                station: Some(answered.station),
                code: "not_for_a_host",
                words: "it answers nothing that was asked".to_owned(),
                is_foreign: false,
            };
            return self.refuse(refusal, &answered.raw, connection);
        };
        connection.good = Instant::now();
        let outcome = connection.exchanges[place].answered(&answered, Instant::now());
        if let Some(outcome) = outcome {
            let exchange = connection.exchanges.remove(place);
            self.end(&exchange.order, outcome).await;
        }
        true
    }

    pub(super) async fn end(&self, order: &Order, outcome: Outcome) {
        self.sink.desk.report(&order.id, outcome).await;
    }
}
