//! What the controller writes into `status`, in the shapes that the Gateway API gives them. Written by hand: the
//! gateway reads no status, so there is no type to take it from.

use serde_json::{Value, json};

/// Conditions of the object itself.
pub(super) fn conditions() -> Value {
    json!({
        "description": "What became of the object.",
        "type": "object",
        "properties": {"conditions": list_of_conditions()},
    })
}

/// Conditions for each parent that the object names.
pub(super) fn parents() -> Value {
    per("parents", "parentRef", "What each parent of the object made of it.")
}

/// Conditions for each Gateway that a policy acts on.
pub(super) fn ancestors() -> Value {
    per("ancestors", "ancestorRef", "What became of the policy at each object that it acts on.")
}

/// A status without content.
pub(super) fn nothing() -> Value {
    json!({"description": "Nothing is told of it here: the Gateways that use it tell.", "type": "object"})
}

fn per(list: &str, reference: &str, description: &str) -> Value {
    let text = |most: u32| json!({"type": "string", "maxLength": most});
    let one = json!({
        "type": "object",
        "required": [reference, "controllerName"],
        "properties": {
            reference: {
                "description": "Whom this is about, as the object names it.",
                "type": "object",
                "required": ["name"],
                "properties": {
                    "group": text(253),
                    "kind": text(63),
                    "namespace": text(63),
                    "name": text(253),
                    "sectionName": text(253),
                    "port": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535},
                },
            },
            "controllerName": {"description": "Who wrote this.", "type": "string", "maxLength": 253},
            "conditions": list_of_conditions(),
        },
    });
    json!({
        "description": description,
        "type": "object",
        "properties": {
            list: {"type": "array", "maxItems": 32, "x-kubernetes-list-type": "atomic", "items": one},
        },
    })
}

fn list_of_conditions() -> Value {
    json!({
        "type": "array",
        "maxItems": 8,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {"description": "What it is about, as `Accepted`.", "type": "string", "maxLength": 316},
                "status": {"description": "Whether it holds.", "type": "string", "enum": ["True", "False", "Unknown"]},
                "reason": {"description": "Why, in one word.", "type": "string", "minLength": 1, "maxLength": 1024},
                "message": {"description": "Why, for people.", "type": "string", "maxLength": 32768},
                "lastTransitionTime": {
                    "description": "Since when it is so.",
                    "type": "string",
                    "format": "date-time",
                },
                "observedGeneration": {
                    "description": "The `metadata.generation` that this was found for.",
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                },
            },
        },
    })
}
