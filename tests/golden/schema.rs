//! The published schema of plans says what plans look like.

use std::path::Path;

use serde_json::Value;

use crate::{features, project, updates};

/// Whether `value` is as `schema` says, for the words of JSON Schema that the published one uses; an error names the
/// place and what is wrong there.
fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let fields = schema.as_object().ok_or_else(|| format!("{at}: the schema is no object"))?;
    for (word, wanted) in fields {
        let held = match word.as_str() {
            "$ref" => {
                let place = wanted.as_str().unwrap().trim_start_matches('#');
                return check(root, root.pointer(place).ok_or(format!("no {place}"))?, value, at);
            }
            "$schema" | "$defs" | "title" | "description" => true,
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "type" => match wanted.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_u64(),
                other => return Err(format!("{at}: the test knows no type {other}")),
            },
            "required" => wanted.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, wanted, item, &format!("{at}[{index}]"))?;
                }
                true
            }
            "properties" => {
                for (key, schema) in wanted.as_object().unwrap() {
                    if let Some(field) = value.get(key) {
                        check(root, schema, field, &format!("{at}.{key}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object().unwrap();
                value.as_object().unwrap().keys().all(|key| known.contains_key(key))
            }
            other => return Err(format!("{at}: the test knows no {other}")),
        };
        if !held {
            return Err(format!("{at}: {value} is not {word} {wanted}"));
        }
    }
    Ok(())
}

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plan.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_plan_is_as_the_published_schema_says() {
    let schema = schema();
    let first = features().into_iter().filter_map(|dir| project::plan(&dir, None, &project::server(&dir), None).plan);
    let later = updates::cases().into_iter().filter_map(|case| updates::Update::read(&case).plan);
    let mut seen = 0;
    for plan in first.chain(later) {
        let value = dokku_compose::ui::plan::to_json(&plan);
        check(&schema, &schema, &value, "plan").unwrap_or_else(|error| panic!("{error}"));
        seen += value["operations"].as_array().unwrap().len();
    }
    assert!(seen > 300, "{seen} operations");
}

#[test]
fn a_plan_that_is_not_as_it_says_is_found() {
    let schema = schema();
    let dir = features().remove(0);
    let plan = project::plan(&dir, None, &project::server(&dir), None).plan.unwrap();
    let good = dokku_compose::ui::plan::to_json(&plan);
    let wrong: [fn(&mut Value); 5] = [
        |plan| plan["version"] = 2.into(),
        |plan| drop(plan.as_object_mut().unwrap().remove("rows")),
        |plan| plan["more"] = 1.into(),
        |plan| plan["operations"][0]["class"] = "huge".into(),
        |plan| plan["operations"][0]["needs"] = "1".into(),
    ];
    for spoil in wrong {
        let mut bad = good.clone();
        spoil(&mut bad);
        assert!(check(&schema, &schema, &bad, "plan").is_err(), "{bad}");
    }
}
