//! Any text as a device profile, a registry and a pack of rules: read or refused in words, never a panic; a refusal
//! names the file.
use contract::problems::Problems;
use edge_agent::profile;
use gateway::{detect::rule, registry::Registry};

/// See above.
pub fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let mut problems = Problems::new();
    let profile = profile::read("profile.toml", text, &mut problems);
    if problems.is_empty() {
        assert!(!profile.points.is_empty());
    }
    Registry::parse("registry.toml", text, &mut problems);
    let mut rules = Vec::new();
    rule::parse("rules.toml", text, &mut rules, &mut problems);
    for problem in problems.iter() {
        assert!(!problem.place.is_empty() && !problem.what.is_empty() && !problem.fix.is_empty());
    }
}
