//! What a client wants to hear.

use super::super::{packet, topic};
use super::{Connection, End};
use tokio::io::{AsyncRead, AsyncWrite};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    pub(super) async fn subscribe(&mut self, body: &[u8]) -> Result<(), End> {
        let (id, filters) = packet::filters(body, self.version, true)?;
        let (mut codes, mut granted) = (Vec::new(), Vec::new());
        for filter in filters {
            let refusal = if filter.starts_with("$share/") {
                Some((0x9e, "shared subscriptions are not supported"))
            } else if !topic::is_filter(&filter) {
                Some((0x8f, "it is not a topic filter"))
            } else if !self.identity.may_subscribe(&filter) {
                Some((0x87, "the client may not hear it"))
            } else if self.filters.len() + granted.len() >= self.shared.limits.subscriptions_max {
                Some((0x97, "the client has too many subscriptions"))
            } else {
                None
            };
            match refusal {
                Some((code, reason)) => {
                    tracing::info!(
                        name = self.identity.name,
                        filter,
                        reason,
                        "subscription refused"
                    );
                    codes.push(code);
                }
                None => {
                    codes.push(0);
                    granted.push(filter);
                }
            }
        }
        if granted.is_empty() {
            packet::put_suback(&mut self.out, self.version, id, &codes);
            return Ok(());
        }
        if self.link.is_none() {
            let (shared, to, number) = (
                self.shared.clone(),
                self.outgoing.0.clone(),
                self.place.number(),
            );
            let linked = tokio::task::spawn_blocking(move || shared.fanout.link(number, to)).await;
            match linked {
                Ok(Ok(link)) => self.link = Some(link),
                _ => return Err(End::Refused("the message router does not answer")),
            }
        }
        let link = self.link.as_mut().expect("it was just made");
        let fresh: Vec<String> = granted
            .iter()
            .filter(|f| !self.filters.contains(f))
            .cloned()
            .collect();
        if fresh.is_empty() {
            packet::put_suback(&mut self.out, self.version, id, &codes);
            self.put_retained(&granted);
            return Ok(());
        }
        if self.shared.fanout.subscribe(link, id, &fresh).await {
            self.filters.extend(fresh);
            self.subscribing.insert(id, (codes, granted));
        } else {
            for code in codes.iter_mut().filter(|code| **code == 0) {
                *code = 0x97;
            }
            packet::put_suback(&mut self.out, self.version, id, &codes);
        }
        Ok(())
    }

    pub(super) fn put_retained(&mut self, filters: &[String]) {
        for filter in filters {
            for kept in self.shared.fanout.retained(filter) {
                packet::put_publish(
                    &mut self.out,
                    self.version,
                    &kept.topic,
                    &kept.payload,
                    true,
                );
            }
        }
    }
}
