//! What a one-time code still allows, who has tried too often, and whether two boxes share one identity. No I/O.

use contract::{AgentId, SiteId, Timestamp, enrol::Secret};
use std::{collections::HashMap, net::IpAddr};

/// Wrong codes from one address within [`TRIES_MS`] before it has to wait.
const TRIES_MAX: u32 = 10;
const TRIES_MS: i64 = 60_000;
/// Addresses that are remembered; beyond that nobody new may be wrong.
const ADDRESSES_MAX: usize = 1_000;
/// So many take-overs within this time are not a lost link but a second box.
const TAKEOVERS: usize = 3;
const TAKEOVERS_MS: i64 = 600_000;

/// A one-time code, as it is kept.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Names it.
    pub id: String,
    /// Whom it enrols.
    pub agent: AgentId,
    /// Where.
    pub site: SiteId,
    /// What seals are made with.
    pub secret: Secret,
    /// Who made it.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
    /// Until when it may be used.
    pub valid_to: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
    /// SHA-256 of the public key that was enrolled with it.
    pub public_key: Option<String>,
    /// How often somebody named it without being able to seal with it.
    pub wrong: u32,
}

/// Where a code stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CodeState {
    /// It waits for its agent.
    Pending,
    /// It was used.
    Used,
    /// Nobody used it in time.
    Expired,
}

impl Pending {
    /// Where it stands.
    pub fn state(&self, now: Timestamp) -> CodeState {
        match self.used_at {
            Some(_) => CodeState::Used,
            None if now > self.valid_to => CodeState::Expired,
            None => CodeState::Pending,
        }
    }

    /// True if the answer to this key was given and may be given again: it may have been lost on its way.
    pub fn is_repeat(&self, public_key: &str, now: Timestamp) -> bool {
        now <= self.valid_to && self.public_key.as_deref() == Some(public_key)
    }
}

/// Wrong codes, by address.
#[derive(Debug, Default)]
pub struct Tries(HashMap<IpAddr, (u32, Timestamp)>);

impl Tries {
    /// Whether this address may try.
    pub fn may(&mut self, from: IpAddr, now: Timestamp) -> bool {
        self.0
            .retain(|_, (_, first)| (0..TRIES_MS).contains(&now.since(*first)));
        match self.0.get(&from) {
            Some((wrong, _)) => *wrong < TRIES_MAX,
            None => self.0.len() < ADDRESSES_MAX,
        }
    }

    /// It was wrong.
    pub fn wrong(&mut self, from: IpAddr, now: Timestamp) {
        self.0.entry(from).or_insert((0, now)).0 += 1;
    }
}

/// What was noticed of one agent since the start.
#[derive(Debug, Clone, Default)]
pub struct Noticed {
    /// When one connection took over from another; the last few.
    recent: Vec<Timestamp>,
    /// How often.
    pub takeovers: u64,
    /// The peers of the last one: the later connection, the earlier.
    pub peers: Option<(String, String)>,
    /// How often a certificate of it was not let in.
    pub refused: u64,
    /// When last, from where, why.
    pub refusal: Option<(Timestamp, String, crate::broker::Refusal)>,
}

impl Noticed {
    /// Adds a take-over. True if that makes it a dispute between two boxes.
    pub fn took_over(&mut self, peer: String, from: String, now: Timestamp) -> bool {
        let was = self.is_contested(now);
        self.takeovers += 1;
        self.peers = Some((peer, from));
        if self.recent.len() == TAKEOVERS {
            self.recent.remove(0);
        }
        self.recent.push(now);
        !was && self.is_contested(now)
    }

    /// When the last take-over was.
    pub fn last_takeover(&self) -> Option<Timestamp> {
        self.recent.last().copied()
    }

    /// True if two boxes seem to use this identity. A link that was lost half-open gives one take-over, not three.
    pub fn is_contested(&self, now: Timestamp) -> bool {
        let within = |at: &&Timestamp| now.since(**at) <= TAKEOVERS_MS;
        self.recent.iter().filter(within).count() == TAKEOVERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_code_waits_is_used_once_and_runs_out_and_only_its_own_key_may_ask_again() {
        let mut code = Pending {
            id: String::new(),
            agent: AgentId::new("a").unwrap(),
            site: SiteId::new("s").unwrap(),
            secret: Secret::from_bytes([0; 32]),
            made_by: "command".into(),
            made_at: at(0),
            valid_to: at(900),
            used_at: None,
            public_key: None,
            wrong: 0,
        };
        assert_eq!(code.state(at(900)), CodeState::Pending);
        assert_eq!(code.state(at(901)), CodeState::Expired);
        assert!(!code.is_repeat("k", at(900)));
        code.used_at = Some(at(500));
        code.public_key = Some("k".into());
        assert_eq!(code.state(at(901)), CodeState::Used);
        assert!(code.is_repeat("k", at(900)));
        assert!(!code.is_repeat("other", at(900)) && !code.is_repeat("k", at(901)));
    }

    #[test]
    fn ten_wrong_codes_make_an_address_wait_a_minute_and_no_other() {
        let mut tries = Tries::default();
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        for _ in 0..TRIES_MAX {
            assert!(tries.may(address(1), at(0)));
            tries.wrong(address(1), at(0));
        }
        assert!(!tries.may(address(1), at(TRIES_MS - 1)));
        assert!(tries.may(address(2), at(TRIES_MS - 1)));
        assert!(tries.may(address(1), at(TRIES_MS)));
        for n in 0..ADDRESSES_MAX as u32 {
            tries.wrong(address(n), at(TRIES_MS));
        }
        assert!(
            !tries.may(address(1 << 20), at(TRIES_MS)),
            "it grows without end"
        );
    }

    #[test]
    fn one_takeover_is_a_lost_link_and_three_in_ten_minutes_are_two_boxes() {
        let mut noticed = Noticed::default();
        let mut take = |ms| noticed.took_over("b".into(), "a".into(), at(ms));
        assert!(!take(0) && !take(60_000));
        assert!(!take(700_000), "the first was more than ten minutes ago");
        assert!(!take(1_200_000));
        assert!(take(1_250_000), "three within ten minutes are not said");
        assert!(!take(1_260_000), "it is said again and again");
        assert!(noticed.is_contested(at(1_300_000)) && !noticed.is_contested(at(9_000_000)));
        assert_eq!(noticed.takeovers, 6);
    }
}
