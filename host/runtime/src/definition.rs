//! What the state of a built-in step was made by, and whether it still is.
//!
//! A definition is JSON ([`millstream_operator::OperatorFactory::definition`]): the length of windows, the functions
//! of an aggregation. State that another definition made would be read wrongly, so that it is never taken over.

use serde_json::Value;

/// Where two definitions differ, in words; nothing where they are the same.
pub(crate) fn changes(stored: Option<&str>, declared: Option<&str>) -> Vec<String> {
    let (stored, declared) = match (stored, declared) {
        (None, None) => return Vec::new(),
        // State of an operator stays beside that of windows, but its timers would fire for them.
        (None, Some(_)) => return vec!["it was an operator".into()],
        (Some(_), None) => return vec!["it had windows or rolling features".into()],
        (Some(stored), Some(declared)) if stored == declared => return Vec::new(),
        (Some(stored), Some(declared)) => (stored, declared),
    };
    match (serde_json::from_str(stored), serde_json::from_str(declared)) {
        (Ok(stored), Ok(declared)) => {
            let mut found = Vec::new();
            compare("", Some(&stored), Some(&declared), &mut found);
            found
        }
        _ => vec![format!("it was {stored} and is {declared}")],
    }
}

fn compare(path: &str, stored: Option<&Value>, declared: Option<&Value>, found: &mut Vec<String>) {
    match (stored, declared) {
        (Some(stored), Some(declared)) if stored == declared => {}
        (Some(Value::Object(stored)), Some(Value::Object(declared))) => {
            let added = declared.keys().filter(|name| !stored.contains_key(*name));
            for name in stored.keys().chain(added) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare(&path, stored.get(name), declared.get(name), found);
            }
        }
        (stored, declared) => {
            let text = |value: Option<&Value>| value.map_or_else(|| "nothing".into(), Value::to_string);
            let what = if path.is_empty() { "it" } else { path };
            found.push(format!("{what} was {} and is {}", text(stored), text(declared)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::changes;

    #[test]
    fn what_differs_is_told_with_its_path() {
        let stored = r#"{"window":{"kind":"tumbling","size_ms":3600000},"contents":{"cells":["sum(/a)"]}}"#;
        let declared =
            r#"{"window":{"kind":"hopping","size_ms":3600000,"every_ms":5},"contents":{"cells":["sum(/a)"]}}"#;
        assert!(changes(Some(stored), Some(stored)).is_empty());
        assert_eq!(
            changes(Some(stored), Some(declared)),
            [r#"window.kind was "tumbling" and is "hopping""#, "window.every_ms was nothing and is 5"]
        );
        assert_eq!(changes(None, Some(declared)).len(), 1);
        assert_eq!(changes(Some(stored), None).len(), 1);
        assert!(changes(None, None).is_empty());
    }

    #[test]
    fn the_order_of_members_does_not_matter() {
        assert!(changes(Some(r#"{"a":1,"b":2}"#), Some(r#"{"b":2,"a":1}"#)).is_empty());
    }
}
