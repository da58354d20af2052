//! What AgentgatewayParameters make of a Gateway's deployment: those of the class, then the Gateway's own, each field
//! of the later one winning. Overlays are laid over finished objects as `kubectl patch` would do it.

use serde_json::{Map, Value, json};

use crate::config::resources::parameters::{ImageSpec, ParametersSpec};

/// How long requests are still taken after SIGTERM, in seconds.
const GRACE: u32 = 5;
/// How long requests in flight may take after that, in seconds.
const DRAIN: u32 = 60;

/// What the data plane of a Gateway is deployed with.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The image with registry and tag.
    pub(super) image: Image,
    /// As the container has it; `None` leaves it to the cluster.
    pub(super) pull_policy: Option<String>,
    /// `None` leaves the number to whoever scales the Deployment.
    pub(super) replicas: Option<u32>,
    /// As the container has it.
    pub(super) resources: Option<Value>,
    /// As the container has it.
    pub(super) env: Vec<Value>,
    /// `json` or `text`.
    pub(super) log_format: Option<String>,
    /// What `RUST_LOG` is set to.
    pub(super) log_level: Option<String>,
    /// Seconds in which new requests are still taken after SIGTERM.
    pub(super) grace: u32,
    /// Seconds that requests in flight have after that.
    pub(super) drain: u32,
    /// What is laid over objects, by kind, in their order.
    pub(super) overlays: Vec<(&'static str, Value)>,
}

/// The parts of an image's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    registry: Option<String>,
    repository: String,
    /// With its `:`, or a digest with its `@`.
    version: String,
}

impl Plan {
    /// What is deployed where nobody says anything.
    pub(super) fn new(image: &str) -> Self {
        Self {
            image: Image::read(image),
            pull_policy: None,
            replicas: None,
            resources: None,
            env: Vec::new(),
            log_format: None,
            log_level: None,
            grace: GRACE,
            drain: DRAIN,
            overlays: Vec::new(),
        }
    }

    /// Takes parameters over what is there.
    pub(super) fn take(&mut self, parameters: &ParametersSpec) {
        if let Some(image) = &parameters.image {
            self.image.take(image);
            replace(&mut self.pull_policy, image.pull_policy.as_ref());
        }
        replace(&mut self.replicas, parameters.replicas.as_ref());
        replace(&mut self.resources, parameters.resources.as_ref());
        for variable in &parameters.env {
            put_named(&mut self.env, variable.clone());
        }
        if let Some(logging) = &parameters.logging {
            replace(&mut self.log_format, logging.format.as_ref());
            replace(&mut self.log_level, logging.level.as_ref());
        }
        if let Some(shutdown) = &parameters.shutdown {
            self.grace = shutdown.min.unwrap_or(self.grace);
            self.drain = shutdown.max.map_or(self.drain, |max| max.saturating_sub(self.grace));
        }
        let overlays = [
            ("Deployment", &parameters.deployment),
            ("Service", &parameters.service),
            ("ServiceAccount", &parameters.service_account),
        ];
        self.overlays.extend(overlays.into_iter().filter_map(|(kind, over)| Some((kind, over.clone()?))));
    }

    /// Lays over an object what was said about its kind.
    pub(super) fn overlay(&self, object: &mut Value) {
        for (kind, over) in &self.overlays {
            if object["kind"] == *kind {
                lay_over(object, over);
            }
        }
    }
}

fn replace<T: Clone>(field: &mut Option<T>, new: Option<&T>) {
    if let Some(new) = new {
        *field = Some(new.clone());
    }
}

impl Image {
    fn read(text: &str) -> Self {
        let (name, version) = match text.split_once('@') {
            Some((name, digest)) => (name, format!("@{digest}")),
            None => match text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
                Some((name, tag)) => (name, format!(":{tag}")),
                None => (text, String::new()),
            },
        };
        // the first part is a host when it can be no folder
        let registry = name.split_once('/').filter(|(first, _)| first.contains(['.', ':']) || *first == "localhost");
        let (registry, repository) = registry.map_or((None, name), |(first, rest)| (Some(first.to_owned()), rest));
        Self { registry, repository: repository.to_owned(), version }
    }

    fn take(&mut self, image: &ImageSpec) {
        replace(&mut self.registry, image.registry.as_ref());
        self.repository = image.repository.clone().unwrap_or_else(|| self.repository.clone());
        let tag = image.tag.as_ref().map(|tag| format!(":{tag}"));
        let version = image.digest.as_ref().map(|digest| format!("@{digest}")).or(tag);
        self.version = version.unwrap_or_else(|| self.version.clone());
    }
}

impl std::fmt::Display for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let slash = self.registry.as_ref().map(|registry| format!("{registry}/")).unwrap_or_default();
        write!(f, "{slash}{}{}", self.repository, self.version)
    }
}

/// Puts an object into a list, in the place of the one of its name.
pub(super) fn put_named(list: &mut Vec<Value>, object: Value) {
    match list.iter_mut().find(|other| other["name"] == object["name"]) {
        Some(other) => *other = object,
        None => list.push(object),
    }
}

/// Objects are merged key by key, lists of named objects name by name; all else is replaced, and null removes.
fn lay_over(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => lay_keys_over(base, over),
        (Value::Array(base), Value::Array(over)) if named(base) && named(over) => {
            for object in over {
                match base.iter_mut().find(|other| other["name"] == object["name"]) {
                    Some(other) => lay_over(other, object),
                    None => base.push(object.clone()),
                }
            }
        }
        (base, over) => *base = over.clone(),
    }
}

fn lay_keys_over(base: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        if value.is_null() {
            base.shift_remove(key);
        } else {
            lay_over(base.entry(key.clone()).or_insert_with(|| json!({})), value);
        }
    }
}

fn named(list: &[Value]) -> bool {
    list.iter().all(|object| object["name"].is_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_taken_apart_and_put_together() {
        for text in
            ["windtunnel:1", "registry.example:5000/team/windtunnel:1", "a.b/windtunnel@sha256:00", "team/tunnel"]
        {
            assert_eq!(Image::read(text).to_string(), text);
        }
        let mut image = Image::read("registry.example/windtunnel:1");
        image.take(&ImageSpec { repository: Some("own".into()), tag: Some("2".into()), ..ImageSpec::default() });
        assert_eq!(image.to_string(), "registry.example/own:2");
        image.take(&ImageSpec { registry: Some("localhost:5000".into()), ..ImageSpec::default() });
        assert_eq!(image.to_string(), "localhost:5000/own:2");
    }

    #[test]
    fn the_later_parameters_win_field_by_field() {
        let read = |value: Value| serde_json::from_value::<ParametersSpec>(value).unwrap();
        let mut plan = Plan::new("windtunnel:1");
        let env = json!([{"name": "A", "value": "class"}, {"name": "B", "value": "class"}]);
        plan.take(&read(json!({"replicas": 2, "logging": {"level": "debug", "format": "text"}, "env": env})));
        plan.take(&read(json!({"replicas": 3, "logging": {"format": "json"}, "env": [{"name": "A", "value": "own"}]})));
        plan.take(&read(json!({"shutdown": {"min": 10, "max": 40}})));
        assert_eq!(
            (plan.replicas, plan.log_level.as_deref(), plan.log_format.as_deref()),
            (Some(3), Some("debug"), Some("json"))
        );
        assert_eq!(plan.env, [json!({"name": "A", "value": "own"}), json!({"name": "B", "value": "class"})]);
        assert_eq!((plan.grace, plan.drain), (10, 30));
    }

    #[test]
    fn an_overlay_merges_by_key_and_by_name_and_removes_with_null() {
        let mut base = json!({"a": {"keep": 1, "go": 2}, "list": [{"name": "x", "v": 1}], "plain": [1]});
        lay_over(
            &mut base,
            &json!({"a": {"go": null, "new": {"deep": 1}}, "list": [{"name": "x", "w": 2}, {"name": "y"}], "plain": [2]}),
        );
        let expected = json!({"a": {"keep": 1, "new": {"deep": 1}}, "list": [{"name": "x", "v": 1, "w": 2}, {"name": "y"}], "plain": [2]});
        assert_eq!(base, expected);
    }
}
