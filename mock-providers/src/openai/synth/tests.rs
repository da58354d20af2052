//! Made-up values, judged by a validator that is not ours.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Several values for one schema, each valid.
fn assert_fits(schema: &Value) {
    let validator = jsonschema::options().should_validate_formats(true).build(schema).expect("a schema");
    for seed in 0..12 {
        let value = fitting(schema, &mut Random::new(&[seed]));
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{value} does not fit {schema}: {errors:?}");
    }
}

#[test]
fn a_made_up_value_has_the_members_of_its_schema() {
    let schema = json!({"type": "object", "properties": {
        "city": {"type": "string"}, "unit": {"enum": ["c"]}, "days": {"type": "integer", "minimum": 2, "maximum": 2}
    }});
    let value = fitting(&schema, &mut Random::new(&[1]));
    assert_eq!((&value["unit"], &value["days"], value["city"].is_string()), (&json!("c"), &json!(2), true));
}

#[test]
fn equal_draws_make_equal_values_and_others_others() {
    let schema = json!({"type": "array", "minItems": 4, "items": {"type": "string"}});
    let value = |seed| fitting(&schema, &mut Random::new(&[seed]));
    assert_eq!(value(1), value(1));
    assert_ne!(value(1), value(2));
}

#[test]
fn scalars_keep_within_their_bounds() {
    for schema in [
        json!({"type": "integer", "minimum": i64::MAX}),
        json!({"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6}),
        json!({"type": "integer", "minimum": 1, "exclusiveMinimum": 3, "maximum": 4}),
        json!({"type": "integer", "maximum": -5, "multipleOf": 7}),
        json!({"type": "integer", "minimum": 1.2, "multipleOf": 1.5}),
        json!({"type": "number", "minimum": 0.1, "maximum": 0.11}),
        json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001}),
        json!({"type": "number", "minimum": 3, "maximum": 3}),
        json!({"type": "number", "exclusiveMinimum": 1, "multipleOf": 0.1}),
        json!({"type": "number", "maximum": -1e12}),
        json!({"type": "string", "minLength": 40}),
        json!({"type": "string", "maxLength": 2}),
        json!({"type": "string", "minLength": 3, "maxLength": 3}),
        json!({"type": "string", "maxLength": 0}),
    ] {
        assert_fits(&schema);
    }
}

#[test]
fn texts_match_their_pattern_or_format() {
    for pattern in [
        "^[A-Z]{3}-\\d{4}$",
        "^(red|green|blue)$",
        "^\\+?[0-9]{7,15}$",
        "^[^@\\s]+@example\\.com$",
        "colou?r",
        "^\\w+(-\\w+)*$",
        "^$",
    ] {
        assert_fits(&json!({"type": "string", "pattern": pattern}));
    }
    assert_fits(&json!({"type": "string", "pattern": "^[a-z]+$", "minLength": 12, "maxLength": 14}));
    assert_fits(&json!({"type": "string", "pattern": "^(ab)*$", "minLength": 5, "maxLength": 6}));
    for format in [
        "date-time",
        "date",
        "time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "uri",
        "uri-reference",
        "uuid",
        "json-pointer",
        "regex",
        "made-up",
    ] {
        assert_fits(&json!({"type": "string", "format": format}));
    }
}

#[test]
fn arrays_have_as_many_items_as_they_must_and_no_two_alike() {
    for schema in [
        json!({"type": "array", "items": {"type": "boolean"}, "minItems": 5, "maxItems": 5}),
        json!({"type": "array", "maxItems": 0}),
        json!({"type": "array", "items": {"enum": [1, 2, 3, 4]}, "minItems": 4, "uniqueItems": true}),
        json!({"type": "array", "items": {"type": "boolean"}, "uniqueItems": true}),
        json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}], "items": false, "minItems": 2}),
        json!({"type": "array", "prefixItems": [{"const": 1}], "items": {"type": "string"}, "minItems": 3}),
        json!({"type": "array", "contains": {"const": "x"}, "minContains": 2}),
    ] {
        assert_fits(&schema);
    }
}

#[test]
fn objects_have_what_they_must_and_nothing_that_they_must_not() {
    for schema in [
        json!({"type": "object", "required": ["a"], "additionalProperties": {"type": "integer"}}),
        json!({"type": "object", "additionalProperties": {"type": "integer", "minimum": 7}, "minProperties": 3}),
        json!({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "required": ["c"], "maxProperties": 2}),
        json!({"type": "object", "patternProperties": {"^x-": {"type": "null"}}, "required": ["x-1"], "additionalProperties": false}),
        json!({"type": "object", "patternProperties": {"^x-[a-z]{3}$": {"type": "null"}}, "minProperties": 2, "additionalProperties": false}),
        json!({"type": "object", "propertyNames": {"pattern": "^[a-z]{4}$"}, "minProperties": 2}),
        json!({"type": "object", "properties": {"a": {}, "b": {}}, "dependentRequired": {"a": ["b"]}}),
        json!({"properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]}),
    ] {
        assert_fits(&schema);
    }
}

#[test]
fn combined_schemas_hold_at_once() {
    for schema in [
        json!({"allOf": [{"type": "integer", "minimum": 3}, {"type": "number", "maximum": 4}]}),
        json!({"allOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"minLength": 30}}, "required": ["a"]}], "type": "object"}),
        json!({"type": "object", "properties": {"kind": {"type": "string"}}, "required": ["kind"],
            "oneOf": [{"properties": {"kind": {"const": "a"}, "x": {"type": "integer"}}, "required": ["x"]}, {"properties": {"kind": {"const": "b"}}}]}),
        json!({"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 5}]}),
        json!({"anyOf": [{"type": "string", "maxLength": 1}, false]}),
        json!({"type": "integer", "minimum": 1, "maximum": 3, "not": {"enum": [1, 3]}}),
        json!({"enum": [1, "two", null, [3]], "type": ["string", "null"]}),
        json!({"const": {"deep": [1]}}),
        json!({"type": "object", "properties": {"a": {"enum": ["x", "y"]}, "b": {"type": "string"}}, "required": ["a"],
            "if": {"properties": {"a": {"const": "x"}}}, "then": {"properties": {"b": {"minLength": 20}}}, "else": {"properties": {"b": {"maxLength": 3}}}}),
        json!({"allOf": [{"anyOf": [{"type": "string"}, {"type": "null"}]}, {"anyOf": [{"type": "null"}, {"type": "integer"}]}]}),
        json!({}),
        json!(true),
    ] {
        assert_fits(&schema);
    }
}

#[test]
fn recursion_ends() {
    let tree = json!({"$defs": {"node": {"type": "object", "additionalProperties": false, "required": ["value", "left", "right"],
        "properties": {"value": {"type": "integer"},
            "left": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            "right": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}}, "$ref": "#/$defs/node"});
    let list = json!({"type": "object", "required": ["children"], "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}});
    let optional = json!({"type": "object", "properties": {"next": {"$ref": "#"}, "also": {"$ref": "#"}}});
    [tree, list, optional].iter().for_each(assert_fits);
    let text = fitting(
        &json!({"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}, "c": {"$ref": "#"}}}),
        &mut Random::new(&[1]),
    );
    assert!(text.to_string().len() < 1 << 20);
}

#[test]
fn what_nothing_fits_ends_as_well() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}),
        json!({"type": "object", "required": ["a"], "properties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}, {"$ref": "#"}]}}}),
        json!({"type": "integer", "minimum": 1e300, "maximum": 1e301, "multipleOf": 1e-300}),
        json!({"type": "string", "minLength": 1e15}),
        json!({"type": "string", "pattern": "((a{1000}){1000}){1000}"}),
        json!({"type": "string", "pattern": "(){4000000000}"}),
        json!({"type": "array", "minItems": 1e9}),
        json!({"type": "object", "minProperties": 1e9}),
        json!({"enum": []}),
        json!(false),
    ] {
        fitting(&schema, &mut Random::new(&[1]));
    }
}

fn schema() -> impl Strategy<Value = Value> {
    let number = |kind: &'static str| {
        (-50i64..50, 0i64..40, 1i64..6).prop_map(move |(low, span, step)| {
            json!({"type": kind, "minimum": low, "maximum": low + span.max(step), "multipleOf": step})
        })
    };
    let scalar = prop_oneof![
        Just(json!({"type": "null"})),
        Just(json!({"type": ["boolean", "null"]})),
        Just(json!({"type": "string", "format": "date-time"})),
        Just(json!({"enum": ["a", 1, null]})),
        Just(json!({"$ref": "#/$defs/leaf"})),
        number("integer"),
        number("number"),
        (0usize..30, 0usize..9)
            .prop_map(|(least, span)| json!({"type": "string", "minLength": least, "maxLength": least + span})),
        (1usize..9).prop_map(|count| json!({"type": "string", "pattern": format!("^[a-f]{{{count}}}[0-9]*$")})),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        let members = proptest::collection::btree_map("[a-d]", inner.clone(), 0..4);
        prop_oneof![
            (members, any::<bool>(), any::<bool>()).prop_map(|(members, closed, all)| {
                let required: Vec<&String> = members.keys().filter(|_| all).collect();
                json!({"type": "object", "properties": members, "required": required, "additionalProperties": !closed})
            }),
            (inner.clone(), 0usize..4, 0usize..3).prop_map(|(items, least, span)| {
                json!({"type": "array", "items": items, "minItems": least, "maxItems": least + span})
            }),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(|options| json!({"anyOf": options})),
            proptest::collection::vec(inner.clone(), 1..3)
                .prop_map(|items| json!({"type": "array", "prefixItems": items})),
            inner.prop_map(|inner| json!({"type": "object", "additionalProperties": inner})),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_fits_its_schema(schema in schema()) {
        assert_fits(&json!({"allOf": [schema], "$defs": {"leaf": {"type": "integer", "exclusiveMinimum": 9}}}));
    }
}
