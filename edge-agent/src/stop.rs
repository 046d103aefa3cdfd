//! The stop token that a task is given.

use tokio::sync::watch;

/// Tells a task when to stop.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// A token of this sender.
    pub fn of(sender: &watch::Sender<bool>) -> Stop {
        Stop(sender.subscribe())
    }

    /// Returns when the task is to stop (or when nobody is left to ask it). Cancel-safe.
    pub async fn asked(&mut self) {
        // An error means that the sender has gone, which asks the same.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}
