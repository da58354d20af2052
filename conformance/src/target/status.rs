//! How the status of an object is read: from a page of JSON, or from a command such as `kubectl get … -o json`.
//! Owns the way to it; what it means is `expect::status`'s.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::command::{Places, command, values};
use super::{Instance, Launch, LaunchError, Target};
use crate::client;

/// Where status is: exactly one of the keys.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusSource {
    /// A path at the target's admin address: JSON of one object or of a list of them.
    #[serde(default)]
    pub http: Option<String>,
    /// Program and arguments that print one object as JSON; `${object.kind}`, `${object.group}`, `${object.namespace}`
    /// and `${object.name}` say which.
    #[serde(default)]
    pub command: Vec<String>,
}

/// Which object is asked for.
#[derive(Debug, Clone, Copy)]
pub struct ObjectName<'n> {
    /// Its kind.
    pub kind: &'n str,
    /// Its API group.
    pub group: &'n str,
    /// Its namespace.
    pub namespace: &'n str,
    /// Its name.
    pub name: &'n str,
}

impl ObjectName<'_> {
    fn is(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        // Objects of the whole cluster have no namespace.
        let namespace = metadata["namespace"].as_str().is_none_or(|namespace| namespace == self.namespace);
        object["kind"] == self.kind && metadata["name"] == self.name && namespace
    }
}

/// The longest wait for a command.
const LIMIT: Duration = Duration::from_secs(5);

/// One object as the target shows it, or why it does not.
pub async fn read(
    target: &Target,
    launch: &Launch,
    instance: &Instance,
    object: ObjectName<'_>,
    origin: Instant,
) -> Result<Result<Value, String>, LaunchError> {
    let Some(source) = &target.file.status else { return Ok(Err("the target file does not say how".to_owned())) };
    let text = match &source.value.http {
        Some(path) => page(instance, path, origin).await,
        None => printed(&source.value.command, target, launch, instance, object).await?,
    };
    Ok(text.and_then(|text| {
        let document: Value = serde_json::from_slice(&text)
            .map_err(|error| format!("what it says about its objects is not JSON: {error}"))?;
        find(document, object).ok_or_else(|| "it says nothing about this object".to_owned())
    }))
}

fn find(document: Value, object: ObjectName<'_>) -> Option<Value> {
    match document {
        Value::Object(mut list) if list.get("items").is_some_and(Value::is_array) => {
            let Some(Value::Array(items)) = list.remove("items") else { return None };
            items.into_iter().find(|item| object.is(item))
        }
        one => Some(one).filter(|one| object.is(one)),
    }
}

async fn page(instance: &Instance, path: &str, origin: Instant) -> Result<Vec<u8>, String> {
    let address = instance.admin.ok_or_else(|| "nobody says where its admin address is".to_owned())?;
    let answer = client::get(address, path, origin).await;
    match answer.status() {
        Some(200) => Ok(answer.body),
        Some(other) => Err(format!("GET {path} at its admin address: status {other}")),
        None => Err(format!("GET {path} at its admin address: no answer")),
    }
}

async fn printed(
    words: &[String],
    target: &Target,
    launch: &Launch,
    instance: &Instance,
    object: ObjectName<'_>,
) -> Result<Result<Vec<u8>, String>, LaunchError> {
    let (metrics, ready, admin) = (instance.metrics, instance.ready, instance.admin);
    let mut vars = values(target, launch, &Places { listeners: instance.listeners.clone(), metrics, ready, admin });
    vars.set("object.kind", object.kind);
    vars.set("object.group", object.group);
    vars.set("object.namespace", object.namespace);
    vars.set("object.name", object.name);
    let failed = |source| LaunchError::Spawn { command: words.join(" "), source };
    let child = command(words, &vars).stdin(Stdio::null()).spawn().map_err(failed)?;
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let ended = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let Output { status, stdout, stderr } =
        ended.map_err(|_| LaunchError::Endless(words.join(" ")))?.map_err(failed)?;
    if status.success() {
        return Ok(Ok(stdout));
    }
    Ok(Err(format!("`{}` ended with {status}: {}", words.join(" "), String::from_utf8_lossy(&stderr).trim_end())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_found_alone_or_in_a_list_by_kind_namespace_and_name() {
        let object = |namespace: &str, name: &str| json!({"kind": "HTTPRoute", "metadata": {"namespace": namespace, "name": name}});
        let wanted = ObjectName { kind: "HTTPRoute", group: "", namespace: "a", name: "r" };
        let list = json!({"kind": "List", "items": [object("b", "r"), object("a", "s"), object("a", "r")]});
        assert_eq!(find(list, wanted), Some(object("a", "r")));
        assert_eq!(find(object("a", "r"), wanted), Some(object("a", "r")));
        assert_eq!(find(object("b", "r"), wanted), None);
        let class = json!({"kind": "GatewayClass", "metadata": {"name": "r"}});
        assert_eq!(find(class.clone(), ObjectName { kind: "GatewayClass", ..wanted }), Some(class));
    }
}
