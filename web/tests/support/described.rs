//! Whether an answer is one that the description (docs/openapi.json) says can come. Every answer to a test is looked at.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

use super::Answer;

static DESCRIBED: LazyLock<Value> = LazyLock::new(|| {
    let copy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    serde_json::from_slice(&std::fs::read(copy).unwrap_or_default()).unwrap_or_default()
});

/// Panics if this is no answer to such a request that is described.
#[track_caller]
pub fn check(method: &str, path: &str, answer: &Answer) {
    let Some(operation) = operation(method, path) else { return };
    let (status, asked) = (answer.status.as_str(), format!("{method} {path}"));
    let described = followed(&operation["responses"][status]);
    assert!(described.is_object(), "{status} to {asked} is not described");
    for (name, header) in described["headers"].as_object().into_iter().flatten() {
        let value = answer.header(name);
        let is_it = followed(&header["schema"])["const"].as_str().is_none_or(|it| value.is_empty() || it == value);
        assert!(is_it, "{name}: {value} with {status} to {asked} is not described");
        let always = ["X-Request-Id", "Location", "Retry-After", "WWW-Authenticate", "ETag", "X-Accel-Buffering"];
        // An estimate is no task, and is nowhere.
        let is_nowhere = name == "Location" && answer.body.starts_with(b"{\"total\":");
        let is_needed = always.contains(&name.as_str()) && !is_nowhere;
        assert!(!value.is_empty() || !is_needed, "{name} lacks with {status} to {asked}");
    }
    if method == "HEAD" {
        return;
    }
    let media_type = answer.header("content-type").split(';').next().unwrap_or_default();
    let Some(content) = described["content"].as_object() else {
        return assert!(answer.body.is_empty(), "{status} to {asked} has a body, which is not described");
    };
    let content = content.get(media_type);
    let content = content.unwrap_or_else(|| panic!("{media_type} with {status} to {asked} is not described"));
    if media_type.ends_with("json") && media_type != "application/x-ndjson" {
        let body = serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{status} to {asked}: {error}"));
        let faults = faults(&content["schema"], &body, "");
        assert!(faults.is_empty(), "{status} to {asked} is not as it is described: {faults:?}: {body}");
    }
}

/// That which is asked for, if any; `HEAD` is answered as `GET` is.
fn operation<'a>(method: &str, path: &str) -> Option<&'a Value> {
    let parts = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let asked = parts(path);
    let is_it = |template: &str| {
        let template = parts(template);
        let is_part = |(part, asked): (&String, &String)| part == asked || part.starts_with('{') && !asked.is_empty();
        template.len() == asked.len() && template.iter().zip(&asked).all(is_part)
    };
    let method = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
    let (_, item) = DESCRIBED["paths"].as_object()?.iter().find(|(template, _)| is_it(template))?;
    item.get(method)
}

/// What a reference leads to.
fn followed(value: &Value) -> &Value {
    match value["$ref"].as_str() {
        Some(reference) => DESCRIBED.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null),
        None => value,
    }
}

/// Where a value is not as its schema says, as far as the schemas of answers go; members that none of them has are a
/// fault, too.
fn faults(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let schema = followed(schema);
    if let Some(ways) = schema["oneOf"].as_array() {
        let is_right = ways.iter().any(|way| faults(way, value, at).is_empty());
        return if is_right { Vec::new() } else { vec![format!("{at} is none of several")] };
    }
    let (mut found, parts) = (Vec::new(), parts(schema));
    for part in &parts {
        let types: BTreeSet<&str> = match &part["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        if !types.is_empty() && !types.iter().any(|name| is_a(name, value)) {
            found.push(format!("{at} is no {types:?}"));
        }
        if part["enum"].as_array().is_some_and(|all| !all.contains(value))
            || part.get("const").is_some_and(|it| it != value)
        {
            found.push(format!("{at} has a value that is not described"));
        }
        for name in part["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.get(name).is_none() {
                found.push(format!("{at}/{name} lacks"));
            }
        }
    }
    if let Some(items) = value.as_array() {
        let item = schema.get("items").unwrap_or(&Value::Null);
        found.extend(items.iter().enumerate().flat_map(|(index, one)| faults(item, one, &format!("{at}/{index}"))));
    }
    let is_open = parts.iter().any(|part| part["additionalProperties"] == true);
    for (name, member) in value.as_object().into_iter().flatten().filter(|_| !is_open) {
        match parts.iter().find_map(|part| part["properties"].get(name)) {
            Some(schema) => found.extend(faults(schema, member, &format!("{at}/{name}"))),
            None => found.push(format!("{at}/{name} is not described")),
        }
    }
    found
}

/// A schema, or what it is made of.
fn parts(schema: &Value) -> Vec<&Value> {
    match schema["allOf"].as_array() {
        Some(all) => all.iter().map(followed).collect(),
        None => vec![schema],
    }
}

fn is_a(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}
