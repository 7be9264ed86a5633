//! Finds fields in JSON text in one pass, without building a value and without allocating.
//!
//! Records come from strangers: the pass is a loop over tokens with a bounded stack of its own, so that
//! no nesting, however deep, ends the process. Text after the last wanted field is not looked at.

use crate::field_path::FieldPath;

/// Deepest nesting that is followed.
const MAX_DEPTH: u32 = 128;

/// Why text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {at}")]
pub struct JsonError {
    /// What is wrong.
    pub problem: &'static str,
    /// Where, counted from 0.
    pub at: usize,
}

/// The fields to look for, as a tree of names.
#[derive(Debug)]
pub struct FieldSet {
    nodes: Vec<FieldNode>,
    fields: usize,
}

#[derive(Debug, Default)]
struct FieldNode {
    children: Vec<Child>,
    slot: Option<usize>,
}

#[derive(Debug)]
struct Child {
    name: Box<[u8]>,
    index: Option<usize>,
    node: usize,
}

impl Default for FieldSet {
    fn default() -> Self {
        Self { nodes: vec![FieldNode::default()], fields: 0 }
    }
}

/// Where the fields of one value are. Kept from value to value for its memory.
#[derive(Debug, Default)]
pub struct Extraction {
    spans: Vec<Option<(usize, usize)>>,
}

impl Extraction {
    /// The text of field `slot` within `json`, the text that it was extracted from.
    #[inline]
    pub fn get<'a>(&self, json: &'a [u8], slot: usize) -> Option<&'a [u8]> {
        let (start, end) = (*self.spans.get(slot)?)?;
        json.get(start..end)
    }

    /// Forgets all fields, as of a value that has none.
    pub fn clear(&mut self) {
        self.spans.clear();
    }
}

impl FieldSet {
    /// Adds a path and tells its slot; a path that is there already has the slot that it has.
    pub fn add(&mut self, path: &FieldPath) -> usize {
        let mut at = 0;
        for segment in path.segments() {
            let next = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { break };
            match node.children.iter().find(|child| *child.name == *segment.name.as_bytes()) {
                Some(child) => at = child.node,
                None => {
                    node.children.push(Child {
                        name: segment.name.as_bytes().into(),
                        index: segment.index,
                        node: next,
                    });
                    self.nodes.push(FieldNode::default());
                    at = next;
                }
            }
        }
        let fields = &mut self.fields;
        let slot = self.nodes.get_mut(at).map(|node| {
            *node.slot.get_or_insert_with(|| {
                *fields += 1;
                *fields - 1
            })
        });
        slot.unwrap_or_default()
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.fields == 0
    }

    /// Finds the fields in `json`. Of fields with the same name the first counts.
    ///
    /// # Errors
    /// When `json` is not JSON, as far as it was read.
    #[inline]
    pub fn extract(&self, json: &[u8], found: &mut Extraction) -> Result<(), JsonError> {
        found.spans.clear();
        found.spans.resize(self.fields, None);
        let mut scan = Scan { json, at: 0, missing: self.fields };
        if scan.visit(self, 0, &mut found.spans)? == Progress::Going {
            scan.skip_space();
            if scan.at < json.len() {
                return Err(scan.error("text after the value"));
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// There are fields still to be found.
    Going,
    /// Everything was found.
    Done,
}

struct Scan<'a> {
    json: &'a [u8],
    at: usize,
    missing: usize,
}

impl Scan<'_> {
    #[cold]
    fn error(&self, problem: &'static str) -> JsonError {
        let problem = if self.at >= self.json.len() { "unexpected end" } else { problem };
        JsonError { problem, at: self.at }
    }

    #[inline]
    fn peek(&self) -> u8 {
        // 0 is no token of JSON, so that the end of the text is an error wherever a token is expected.
        self.json.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn skip_space(&mut self) -> u8 {
        loop {
            match self.peek() {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                other => return other,
            }
        }
    }

    /// Goes through the value here, which is where `node` of the tree points to. Its depth of recursion is
    /// that of the tree, at most [`crate::field_path::MAX_SEGMENTS`].
    fn visit(
        &mut self,
        set: &FieldSet,
        node: usize,
        spans: &mut [Option<(usize, usize)>],
    ) -> Result<Progress, JsonError> {
        let Some(node) = set.nodes.get(node) else { return Ok(Progress::Going) };
        let first = self.skip_space();
        let start = self.at;
        let progress = match first {
            b'{' if !node.children.is_empty() => self.visit_object(set, node, spans)?,
            b'[' if node.children.iter().any(|child| child.index.is_some()) => self.visit_array(set, node, spans)?,
            _ => {
                self.skip_value()?;
                Progress::Going
            }
        };
        if progress == Progress::Going
            && let Some(slot) = node.slot
            && let Some(span @ None) = spans.get_mut(slot)
        {
            *span = Some((start, self.at));
            self.missing -= 1;
        }
        // While a field around others is missing, nobody below it says that all were found.
        Ok(if self.missing == 0 { Progress::Done } else { Progress::Going })
    }

    fn visit_object(
        &mut self,
        set: &FieldSet,
        node: &FieldNode,
        spans: &mut [Option<(usize, usize)>],
    ) -> Result<Progress, JsonError> {
        self.at += 1;
        if self.skip_space() == b'}' {
            self.at += 1;
            return Ok(Progress::Going);
        }
        loop {
            let (name, is_escaped) = self.name()?;
            match node.children.iter().find(|child| name_is(name, is_escaped, &child.name)) {
                Some(child) => {
                    if self.visit(set, child.node, spans)? == Progress::Done {
                        return Ok(Progress::Done);
                    }
                }
                None => self.skip_value()?,
            }
            match self.skip_space() {
                b',' => {
                    self.at += 1;
                    self.skip_space();
                }
                b'}' => {
                    self.at += 1;
                    return Ok(Progress::Going);
                }
                _ => return Err(self.error("expected `,` or `}`")),
            }
        }
    }

    fn visit_array(
        &mut self,
        set: &FieldSet,
        node: &FieldNode,
        spans: &mut [Option<(usize, usize)>],
    ) -> Result<Progress, JsonError> {
        self.at += 1;
        if self.skip_space() == b']' {
            self.at += 1;
            return Ok(Progress::Going);
        }
        for index in 0.. {
            match node.children.iter().find(|child| child.index == Some(index)) {
                Some(child) => {
                    if self.visit(set, child.node, spans)? == Progress::Done {
                        return Ok(Progress::Done);
                    }
                }
                None => self.skip_value()?,
            }
            match self.skip_space() {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    break;
                }
                _ => return Err(self.error("expected `,` or `]`")),
            }
        }
        Ok(Progress::Going)
    }

    /// Reads `"name" :` and returns the name between its quotes, still escaped, and whether it has escapes.
    #[inline]
    fn name(&mut self) -> Result<(&[u8], bool), JsonError> {
        if self.peek() != b'"' {
            return Err(self.error("expected a name in double quotes"));
        }
        let start = self.at + 1;
        let is_escaped = self.skip_string()?;
        let end = self.at - 1;
        if self.skip_space() != b':' {
            return Err(self.error("expected `:`"));
        }
        self.at += 1;
        Ok((self.json.get(start..end).unwrap_or_default(), is_escaped))
    }

    /// Goes past a string and tells whether there was an escape in it.
    #[inline]
    fn skip_string(&mut self) -> Result<bool, JsonError> {
        self.at += 1;
        let mut is_escaped = false;
        loop {
            match self.skip_to_quote_or_backslash() {
                b'"' => {
                    self.at += 1;
                    return Ok(is_escaped);
                }
                b'\\' => {
                    is_escaped = true;
                    self.at += 2;
                }
                _ => return Err(self.error("unexpected end")),
            }
        }
    }

    /// Most strings in records are short: eight bytes at a time, inlined, beats a call that sets up vectors.
    #[inline]
    fn skip_to_quote_or_backslash(&mut self) -> u8 {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGHS: u64 = 0x8080_8080_8080_8080;
        // The lowest high bit that is set belongs to the first byte that is zero.
        let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        while let Some(chunk) = self.json.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_le_bytes(*chunk);
            let found = zeros(word ^ (ONES * b'"' as u64)) | zeros(word ^ (ONES * b'\\' as u64));
            if found != 0 {
                self.at += found.trailing_zeros() as usize / 8;
                return self.peek();
            }
            self.at += 8;
        }
        loop {
            match self.peek() {
                byte @ (b'"' | b'\\') => return byte,
                _ if self.at >= self.json.len() => return 0,
                _ => self.at += 1,
            }
        }
    }

    #[inline]
    fn skip_scalar(&mut self, first: u8) -> Result<(), JsonError> {
        match first {
            b'"' => self.skip_string().map(drop),
            b'-' | b'0'..=b'9' => {
                self.at += 1;
                while matches!(self.peek(), b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') {
                    self.at += 1;
                }
                Ok(())
            }
            b't' => self.skip_word(b"true"),
            b'f' => self.skip_word(b"false"),
            b'n' => self.skip_word(b"null"),
            _ => Err(self.error("expected a value")),
        }
    }

    fn skip_word(&mut self, word: &'static [u8]) -> Result<(), JsonError> {
        if self.json.get(self.at..self.at + word.len()) != Some(word) {
            return Err(self.error("expected a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Goes past one value of any kind.
    #[inline]
    fn skip_value(&mut self) -> Result<(), JsonError> {
        match self.skip_space() {
            b'{' | b'[' => self.skip_container(),
            first => self.skip_scalar(first),
        }
    }

    fn skip_container(&mut self) -> Result<(), JsonError> {
        // One bit a level: 1 for an object, 0 for an array.
        let mut kinds: u128 = 0;
        let mut depth = 0;
        loop {
            // A value begins here.
            match self.skip_space() {
                open @ (b'{' | b'[') => {
                    if depth == MAX_DEPTH {
                        return Err(self.error("nested deeper than 128 levels"));
                    }
                    let is_object = open == b'{';
                    kinds = kinds << 1 | u128::from(is_object);
                    depth += 1;
                    self.at += 1;
                    let close = if is_object { b'}' } else { b']' };
                    if self.skip_space() != close {
                        if is_object {
                            self.name()?;
                        }
                        continue;
                    }
                }
                first => self.skip_scalar(first)?,
            }
            // A value has ended, or an empty container is about to.
            loop {
                let is_object = kinds & 1 == 1;
                match self.skip_space() {
                    b',' => {
                        self.at += 1;
                        if is_object {
                            self.skip_space();
                            self.name()?;
                        }
                        break;
                    }
                    b'}' if is_object => {}
                    b']' if !is_object => {}
                    _ => return Err(self.error("expected `,` or the end of an object or array")),
                }
                self.at += 1;
                depth -= 1;
                kinds >>= 1;
                if depth == 0 {
                    return Ok(());
                }
            }
        }
    }
}

#[inline]
fn name_is(found: &[u8], is_escaped: bool, name: &[u8]) -> bool {
    if is_escaped { unescaped_is(found, name) } else { found == name }
}

#[cold]
fn unescaped_is(escaped: &[u8], name: &[u8]) -> bool {
    let quoted = [b"\"", escaped, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).is_ok_and(|unescaped| unescaped.as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn find(paths: &[&str], json: &str) -> Result<Vec<Option<String>>, JsonError> {
        let mut set = FieldSet::default();
        let slots: Vec<_> = paths.iter().map(|path| set.add(&path.parse().expect("a path"))).collect();
        let mut found = Extraction::default();
        set.extract(json.as_bytes(), &mut found)?;
        let text = |slot| found.get(json.as_bytes(), slot).map(|raw| String::from_utf8_lossy(raw).into_owned());
        Ok(slots.into_iter().map(text).collect())
    }

    #[test]
    fn many_fields_are_found_in_one_pass() {
        let json = r#" { "a" : [1, {"b":"x,}"}] , "c":{"d":-1.5e3,"e":[]}, "a": 2 , "q\u0075ote": true } "#;
        let found = find(&["/c/d", "/a/1/b", "/a", "/c", "/nope", "/a/5", "/quote"], json).expect("JSON");
        let found: Vec<_> = found.iter().map(Option::as_deref).collect();
        let c = r#"{"d":-1.5e3,"e":[]}"#;
        assert_eq!(
            found,
            [Some("-1.5e3"), Some("\"x,}\""), Some(r#"[1, {"b":"x,}"}]"#), Some(c), None, None, Some("true")]
        );
        assert_eq!(
            find(&["/a/b", "/a"], r#"{"a":{"b":1,"c":2}}"#).expect("JSON")[1].as_deref(),
            Some(r#"{"b":1,"c":2}"#)
        );
    }

    #[test]
    fn broken_text_says_where_it_breaks() {
        for (json, message) in [
            ("", "unexpected end at byte 0"),
            ("{\"a\"", "unexpected end at byte 4"),
            ("{\"a\":1,}", "expected a name in double quotes at byte 7"),
            ("{\"a\" 1}", "expected `:` at byte 5"),
            ("{\"a\":[1 2]}", "expected `,` or the end of an object or array at byte 8"),
            ("{\"a\":[1}}", "expected `,` or the end of an object or array at byte 7"),
            ("{\"a\":nul}", "expected a value at byte 5"),
            ("{\"a\":1} x", "text after the value at byte 8"),
            ("{\"a\":\"x", "unexpected end at byte 7"),
            ("hello", "expected a value at byte 0"),
        ] {
            let error = find(&["/z"], json).expect_err(json);
            assert_eq!(error.to_string(), message, "{json}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_the_end_of_the_process() {
        for open in ["[", "{\"a\":"] {
            let error = find(&["/z/0"], &open.repeat(1_000_000)).expect_err("too deep");
            assert_eq!(error.problem, "nested deeper than 128 levels");
        }
        let allowed = format!("{}{}", "[".repeat(128), "]".repeat(128));
        assert_eq!(find(&["/z"], &allowed), Ok(vec![None]));
    }

    fn value() -> impl Strategy<Value = Value> {
        let name = "[ab\"\\\\\u{e9}/0]{0,2}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            // Decimals that are exact: serde_json reads others by a bit beside.
            any::<i32>().prop_map(|number| json!(f64::from(number) / 8.0)),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(name, inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_same_fields_are_found_as_in_the_parsed_value(value in value(), pretty in any::<bool>(), path in "(/[ab0-1é]{1,2}){1,3}") {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let text = text.expect("JSON");
            let mut set = FieldSet::default();
            set.add(&path.parse().expect("a path"));
            let mut found = Extraction::default();
            prop_assert_eq!(set.extract(text.as_bytes(), &mut found), Ok(()));
            let raw = found.get(text.as_bytes(), 0).map(|raw| serde_json::from_slice::<Value>(raw).expect("JSON"));
            prop_assert_eq!(raw.as_ref(), value.pointer(&path));
        }

        #[test]
        fn any_bytes_are_taken_without_a_panic(bytes in prop::collection::vec(prop::sample::select(b"{}[]\",:\\ atrue0-1n".to_vec()), 0..40)) {
            let mut set = FieldSet::default();
            set.add(&"/a/0".parse().expect("a path"));
            set.add(&"/a".parse().expect("a path"));
            let _ = set.extract(&bytes, &mut Extraction::default());
        }
    }
}
