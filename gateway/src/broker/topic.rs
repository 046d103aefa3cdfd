//! Topic names and filters. Pure.

/// True if a client may publish to this topic name: not empty, no wildcard, no NUL, at most 512 bytes.
pub fn is_name(topic: &str) -> bool {
    !topic.is_empty() && topic.len() <= 512 && !topic.contains(['+', '#', '\0'])
}

/// True if this is a filter as MQTT defines it, at most 512 bytes.
pub fn is_filter(filter: &str) -> bool {
    if filter.is_empty() || filter.len() > 512 || filter.contains('\0') {
        return false;
    }
    let count = filter.split('/').count();
    filter.split('/').enumerate().all(|(i, level)| match level {
        "#" => i + 1 == count,
        "+" => true,
        _ => !level.contains(['+', '#']),
    })
}

/// True if `topic` is matched by `filter`.
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && !filter.starts_with('$') {
        return false;
    }
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// True if everything `inner` matches is also matched by `outer`.
pub fn covers(outer: &str, inner: &str) -> bool {
    let (mut outer, mut inner) = (outer.split('/'), inner.split('/'));
    loop {
        match (outer.next(), inner.next()) {
            (Some("#"), _) => return true,
            (Some("+"), Some(level)) if level != "#" => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_standard_says() {
        for (filter, topic, expected) in [
            ("a/+/c", "a/b/c", true),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("#", "$SYS/x", false),
            ("+/b", "a/b/c", false),
            ("a/b", "a", false),
            ("+", "/a", false),
            ("/+", "/a", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
        assert!(is_filter("a/+/#") && !is_filter("a/#/b") && !is_filter("a+") && !is_filter(""));
    }

    #[test]
    fn a_filter_covers_only_what_it_matches_all_of() {
        for (outer, inner, expected) in [
            ("alarm/s/#", "alarm/s/+/x", true),
            ("alarm/s/#", "alarm/#", false),
            ("alarm/s/#", "alarm/s", true),
            ("a/+", "a/#", false),
            ("a/+", "a/b", true),
        ] {
            assert_eq!(covers(outer, inner), expected, "{outer} {inner}");
        }
    }
}
