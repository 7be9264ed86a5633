//! The JSON Schema of pipeline files.

use serde_json::Value;

use crate::spec::PipelineSpec;

/// The JSON Schema (draft 2020-12) of pipeline files, made from the types of [`crate::spec`].
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(PipelineSpec).to_value();
    refuse_null(&mut schema);
    schema
}

/// Fields in which `null` says something: without bound.
const NULLABLE: [&str; 2] = ["rate", "count"];

/// A field that is not given is left out of the file. `key:` with nothing behind it is more likely a mistake
/// than a wish, and the parser refuses it.
fn refuse_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    members.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(choices)) = members.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    members.remove("anyOf");
                    members.extend(only);
                }
            }
            for (name, member) in members.iter_mut() {
                if !NULLABLE.contains(&name.as_str()) {
                    refuse_null(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(refuse_null),
        _ => {}
    }
}
