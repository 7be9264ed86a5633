//! YAML and JSON text to a tree of values that know where they stand.
//!
//! The tree is built from the parser's events by a loop with a stack of its own, and what it may grow to is
//! bounded, so that neither deep nesting nor aliases of aliases can harm the process.

use std::{borrow::Cow, collections::HashMap};

use serde::de::IgnoredAny;
use serde_json::Value;
use yaml_rust2::{
    parser::{Event, Parser, Tag},
    scanner::{Marker, TScalarStyle},
};

use crate::position::Position;

/// Largest file, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting.
const MAX_DEPTH: usize = 64;
/// Most values, those that aliases repeat included.
const MAX_NODES: usize = 100_000;
/// Stands for a name that is none.
const NO_NAME: &str = "\0";

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub position: Position,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Text and whether it stands without quotes, so that it may be a number, a boolean or null.
    Scalar {
        text: String,
        style: Style,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
    /// `|` or `>`: the text begins on another line.
    Block,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub name: String,
    /// Where the name stands.
    pub position: Position,
    pub value: Node,
}

/// Something wrong with the text as such.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub position: Position,
    pub path: String,
    pub message: String,
}

impl Node {
    fn empty(position: Position) -> Self {
        Self { position, kind: Kind::Scalar { text: String::new(), style: Style::Plain } }
    }

    /// Whether nothing was written, or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, style: Style::Plain } if is_null(text))
    }

    /// The value as JSON.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Scalar { text, style: Style::Plain } => resolve(text),
            Kind::Scalar { text, .. } => Value::String(text.clone()),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(entries) => entries.iter().map(|entry| (entry.name.clone(), entry.value.to_json())).collect(),
        }
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// What text without quotes stands for, by YAML's core schema.
fn resolve(text: &str) -> Value {
    match text {
        _ if is_null(text) => Value::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        _ => number(text).map_or_else(|| text.into(), Value::Number),
    }
}

fn number(text: &str) -> Option<serde_json::Number> {
    let radix = |digits: &str, radix| u64::from_str_radix(digits, radix).ok().map(Into::into);
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !unsigned.contains(|c: char| c.is_ascii_digit())
        || !unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'))
    {
        return None;
    }
    if unsigned.chars().all(|c| c.is_ascii_digit()) {
        let positive = text.strip_prefix('+').unwrap_or(text);
        if let Ok(number) = positive.parse::<u64>() {
            return Some(number.into());
        }
        if let Ok(number) = positive.parse::<i64>() {
            return Some(number.into());
        }
    }
    text.parse::<f64>().ok().and_then(serde_json::Number::from_f64)
}

/// Reads YAML or JSON. The faults next to a tree are of the kind that leaves something to go on with.
///
/// # Errors
/// The fault that ends it all.
pub(crate) fn read(text: &str) -> Result<(Node, Vec<Fault>), Fault> {
    let start = Position { line: 1, column: 1 };
    let fault = |message: String| Fault { position: start, path: String::new(), message };
    if text.len() > MAX_BYTES {
        return Err(fault(format!("the file has {} bytes where {MAX_BYTES} are allowed", text.len())));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = plain_yaml(text);
    let end = end_of(&text);
    let mut parser = Parser::new_from_str(&text);
    let mut builder = Builder::default();
    let mut documents = 0;
    loop {
        let (event, marker) = parser.next_token().map_err(|error| Fault {
            position: place(error.marker(), end),
            path: String::new(),
            message: format!("this is not YAML: {}", error.info()),
        })?;
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart if documents == 1 => {
                return Err(Fault {
                    message: "a second document begins here".into(),
                    ..builder.fault(place(&marker, end))
                });
            }
            Event::DocumentStart => documents += 1,
            event => builder.event(event, place(&marker, end))?,
        }
    }
    Ok((builder.root.unwrap_or_else(|| Node::empty(start)), builder.faults))
}

/// JSON is YAML but for two corners: tabs between values, and escapes in surrogate pairs.
fn plain_yaml(text: &str) -> Cow<'_, str> {
    let may_differ = text.contains('\t') || text.contains("\\u");
    if !may_differ || !text.trim_start().starts_with('{') || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Cow::Borrowed(text);
    }
    let mut yaml = String::with_capacity(text.len());
    let mut in_string = false;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let mut taken = character.len_utf8();
        match character {
            '"' => in_string = !in_string,
            '\\' => {
                taken = 2;
                if let Some(unescaped) = surrogate_pair(rest) {
                    yaml.push(unescaped);
                    rest = rest.get(12..).unwrap_or_default();
                    continue;
                }
            }
            _ => {}
        }
        let (piece, after) = rest.split_at_checked(taken).unwrap_or((rest, ""));
        yaml.push_str(if piece == "\t" && !in_string { " " } else { piece });
        rest = after;
    }
    Cow::Owned(yaml)
}

/// The character of an escape such as `\ud83d\ude00` at the beginning of `text`.
fn surrogate_pair(text: &str) -> Option<char> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let high = unit(0).filter(|high| (0xd800..0xdc00).contains(high))?;
    char::decode_utf16([high, unit(6)?]).next()?.ok()
}

/// Where the text ends, white space at its end apart.
fn end_of(text: &str) -> Position {
    let text = text.trim_end();
    let breaks = text.replace("\r\n", "\n");
    let line = breaks.matches(['\r', '\n']).count() + 1;
    let last = breaks.rsplit(['\r', '\n']).next().unwrap_or_default();
    Position { line, column: last.chars().count() + 1 }
}

/// The parser puts what is missing at the end behind it; nobody finds that in an editor.
fn place(marker: &Marker, end: Position) -> Position {
    Position { line: marker.line().max(1), column: marker.col() + 1 }.min(end)
}

#[derive(Default)]
struct Builder {
    root: Option<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    faults: Vec<Fault>,
}

/// A list or map whose end has not come yet.
struct Open {
    node: Node,
    anchor: usize,
    /// Within a map: the name whose value comes next.
    name: Option<(String, Position)>,
    /// Within a map: the names so far and their lines.
    seen: HashMap<String, usize>,
    /// Within a map: the name was there before, so that its value is left out.
    is_repeated: bool,
    /// Values counted when it began.
    nodes_before: usize,
}

impl Builder {
    fn fault(&self, position: Position) -> Fault {
        Fault { position, path: self.path(), message: String::new() }
    }

    /// The path of the value that comes next.
    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            match (&open.node.kind, &open.name) {
                (Kind::List(items), _) => path.push_str(&format!("[{}]", items.len())),
                (_, Some((name, _))) if name == NO_NAME => {}
                (_, Some((name, _))) if path.is_empty() => path.push_str(name),
                (_, Some((name, _))) => path.push_str(&format!(".{name}")),
                _ => {}
            }
        }
        path
    }

    fn event(&mut self, event: Event, position: Position) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag, position);
                self.count(1, position)?;
                let style = match style {
                    TScalarStyle::Plain => Style::Plain,
                    TScalarStyle::SingleQuoted | TScalarStyle::DoubleQuoted => Style::Quoted,
                    TScalarStyle::Literal | TScalarStyle::Folded => Style::Block,
                };
                self.value(Node { position, kind: Kind::Scalar { text, style } }, anchor, 1)
            }
            Event::SequenceStart(anchor, tag) => self.begin(Kind::List(Vec::new()), anchor, tag, position),
            Event::MappingStart(anchor, tag) => self.begin(Kind::Map(Vec::new()), anchor, tag, position),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.value(open.node, open.anchor, self.nodes - open.nodes_before),
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some((node, size)) => {
                    let (mut node, size) = (node.clone(), *size);
                    node.position = position;
                    self.count(size, position)?;
                    self.value(node, 0, size)
                }
                None => {
                    Err(Fault { message: "this alias stands within what it repeats".into(), ..self.fault(position) })
                }
            },
            _ => Ok(()),
        }
    }

    fn refuse_tag(&mut self, tag: Option<Tag>, position: Position) {
        if let Some(tag) = tag {
            let message = format!("tags such as `{}{}` mean nothing here", tag.handle, tag.suffix);
            self.faults.push(Fault { message, ..self.fault(position) });
        }
    }

    fn count(&mut self, nodes: usize, position: Position) -> Result<(), Fault> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            let message = format!("the file grows to more than {MAX_NODES} values");
            return Err(Fault { message, ..self.fault(position) });
        }
        Ok(())
    }

    fn begin(&mut self, kind: Kind, anchor: usize, tag: Option<Tag>, position: Position) -> Result<(), Fault> {
        self.refuse_tag(tag, position);
        if self.open.len() == MAX_DEPTH {
            let message = format!("values are nested deeper than {MAX_DEPTH} levels");
            return Err(Fault { position, path: String::new(), message });
        }
        let nodes_before = self.nodes;
        self.count(1, position)?;
        self.open.push(Open {
            node: Node { position, kind },
            anchor,
            name: None,
            seen: HashMap::new(),
            is_repeated: false,
            nodes_before,
        });
        Ok(())
    }

    /// Puts a finished value where it belongs.
    fn value(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Fault> {
        if anchor != 0 {
            self.count(size, node.position)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.node.kind, open.name.take()) {
            (Kind::List(items), _) => items.push(node),
            (Kind::Map(_), None) => {
                let position = node.position;
                let Kind::Scalar { text, .. } = node.kind else {
                    open.name = Some((NO_NAME.into(), position));
                    self.faults.push(Fault { message: "a name must be plain text".into(), ..self.fault(position) });
                    return Ok(());
                };
                let first = open.seen.insert(text.clone(), position.line);
                open.name = Some((text.clone(), position));
                if let Some(first) = first {
                    open.seen.insert(text.clone(), first);
                    open.is_repeated = true;
                    let message = format!("`{text}` stands here twice; first in line {first}");
                    self.faults.push(Fault { message, ..self.fault(position) });
                }
            }
            (Kind::Map(entries), Some((name, position))) => {
                if !std::mem::take(&mut open.is_repeated) && name != NO_NAME {
                    // Nothing stands nowhere, and a block begins somewhere below: the name is the place to look.
                    let is_elsewhere = matches!(node.kind, Kind::Scalar { style: Style::Block, .. }) || node.is_null();
                    let value = if is_elsewhere { Node { position, ..node } } else { node };
                    entries.push(Entry { name, position, value });
                }
            }
            (Kind::Scalar { .. }, _) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn fault(text: &str) -> String {
        let fault = match read(text) {
            Err(fault) => fault,
            Ok((_, faults)) => faults.into_iter().next().expect("a fault"),
        };
        format!("{}:{}: {}: {}", fault.position.line, fault.position.column, fault.path, fault.message)
    }

    #[test]
    fn yaml_becomes_json() {
        let text = "a: &x [1, -2.5, 0x10, '1', yes, true, ~]\nb: *x\nc:\n  d: |\n    text\n  e: {f: 1e3}\n";
        let (node, faults) = read(text).expect("YAML");
        assert!(faults.is_empty());
        let a = json!([1, -2.5, 16, "1", "yes", true, null]);
        assert_eq!(node.to_json(), json!({"a": a, "b": a, "c": {"d": "text\n", "e": {"f": 1000.0}}}));
        let Kind::Map(entries) = &node.kind else { panic!("a map") };
        assert_eq!(entries[2].position, Position { line: 3, column: 1 });
        assert_eq!(entries[0].value.position, Position { line: 1, column: 7 });
    }

    #[test]
    fn faults_have_a_place() {
        assert_eq!(fault("a: 1\nb: {c: 2, c: 3}"), "2:11: b.c: `c` stands here twice; first in line 2");
        assert_eq!(fault("a: [!!str 1]"), "1:11: a[0]: tags such as `tag:yaml.org,2002:str` mean nothing here");
        assert_eq!(fault("a: 1\n---\nb: 2"), "2:1: : a second document begins here");
        assert_eq!(fault("a: &x [*x]"), "1:8: a[0]: this alias stands within what it repeats");
        assert_eq!(fault("{[1]: 2}"), "1:2: : a name must be plain text");
        assert!(fault("a: [1\nb: ]]").contains("this is not YAML"));
        assert!(fault("a: *nope").contains("this is not YAML"));
    }

    #[test]
    fn growth_is_bounded() {
        assert!(fault(&"[".repeat(100_000)).contains("deep") || fault(&"[".repeat(100_000)).contains("YAML"));
        assert!(fault(&"- ".repeat(100_000)).contains("nested deeper than 64 levels"));
        assert!(fault(&format!("a: {}1{}", "[".repeat(64), "]".repeat(64))).contains("nested deeper"));
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..20 {
            let alias = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", ")));
        }
        assert!(fault(&bomb).contains("grows to more than 100000 values"));
        assert!(fault(&" ".repeat(MAX_BYTES + 1)).contains("bytes where"));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            // Numbers whose decimals are exact: serde_json reads others by a bit beside.
            any::<i32>().prop_map(|number| json!(f64::from(number) / 8.0)),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..5).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_is_read_as_json(value in prop::collection::btree_map("[a-z]{1,3}", value(), 0..5), tabs in any::<bool>()) {
            let mut text = serde_json::to_string_pretty(&value).expect("JSON");
            if tabs {
                text = text.replace("\n  ", "\n\t");
            }
            let (node, faults) = read(&text).map_err(|fault| TestCaseError::fail(format!("{fault:?}")))?;
            prop_assert!(faults.is_empty());
            prop_assert_eq!(node.to_json(), serde_json::from_str::<Value>(&text).expect("JSON"));
        }

        #[test]
        fn any_text_is_taken_without_a_panic(text in any::<String>(), yaml in "[-a\n {}\\[\\]:?,#&*!|>'\"%@`~0\t]{0,60}") {
            let _ = read(&text);
            let _ = read(&yaml);
        }
    }
}
