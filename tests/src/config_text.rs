//! The configuration of the demo world, as the TOML text an administrator would write.

/// Site and agent of each simulated site.
pub const AGENTS: &[(&str, &str)] =
    &[("restaurant", "agent-restaurant"), ("boiler-plant", "agent-boiler"), ("workshop", "agent-workshop")];
