//! Adding members to the text of a JSON object without reading it.

/// The text of a JSON object up to its last brace, and whether members are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened<'a> {
    /// What stands before the brace, white space at its end left out.
    pub text: &'a [u8],
    /// There are members, so that a comma comes before the next one.
    pub has_members: bool,
}

/// Opens the text of an object. Only its first and its last byte are looked at, and what is before the last one.
///
/// # Errors
/// Says what it is instead.
pub(super) fn open_object(value: Option<&[u8]>) -> Result<Opened<'_>, String> {
    let Some(value) = value else {
        return Err("there is no value to add features to: the record is a tombstone".into());
    };
    let text = value.trim_ascii();
    match (text.first(), text.strip_suffix(b"}")) {
        (Some(b'{'), Some(opened)) if !opened.is_empty() => {
            let opened = opened.trim_ascii_end();
            Ok(Opened { text: opened, has_members: opened.len() > 1 })
        }
        (None, _) => Err("the value is empty, and features are added to a JSON object".into()),
        (Some(b'{'), _) => Err("the value is not a whole JSON object: it has no `}` at its end".into()),
        _ => Err("the value is not a JSON object, and features are added to one".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_opened_and_nothing_else() {
        let opened = |value: &'static str| open_object(Some(value.as_bytes())).map(|o| (o.text, o.has_members));
        assert_eq!(opened("{}"), Ok((&b"{"[..], false)));
        assert_eq!(opened(" { \n} \n"), Ok((&b"{"[..], false)));
        assert_eq!(opened("{\"a\":{} }"), Ok((&b"{\"a\":{}"[..], true)));
        for value in ["", "  ", "[]", "1", "null", "{", "}", "{\"a\":1", "[{}", "\"{}"] {
            assert!(opened(value).is_err(), "{value}");
        }
        assert!(open_object(None).is_err());
    }
}
