//! The dialect of Azure OpenAI: OpenAI's answers behind deployments and versions.
//!
//! Owns its paths, its headers and its own errors. Refuses to answer by itself: what a model says, OpenAI's dialect says.

mod filter;

use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Duration;

use memchr::memmem::Finder;
use serde_json::Value;

use crate::answer::Context;
use crate::digest::{HEX, Random};
use crate::openai::{self, ApiError, Operation, decoded};
use crate::plan::{Answer, Header};
use crate::request::{Head, Request};

pub(crate) use filter::innererror;

const REGION: &str = "Mock Central";
/// How a 401 is told, whatever was wrong with the key.
pub(crate) const DENIED: &str =
    "Access denied: the api-key header or bearer token is missing, or not valid for this resource.";

/// Answers as Azure would.
pub(crate) fn answer(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    let head = request.head;
    let Some((_, surface)) = head.path().split_once("/openai/") else { return Err(unknown()) };
    if !surface.starts_with("v1/") {
        check_version(head.query())?;
    }
    if let Some(deployment) = request.deployment().filter(|deployment| context.provider.lacks(deployment)) {
        let message =
            format!("The deployment '{deployment}' does not exist. If it is new, wait a moment and try again.");
        return Err(ApiError::bare(404, "DeploymentNotFound", message));
    }
    let operation = Operation::of(head.path()).ok_or_else(unknown)?;
    let mut answer = openai::answer(request, context)?;
    if answer.status == 200 && matches!(operation, Operation::Chat | Operation::Completions) {
        filter::annotate(&mut answer);
    }
    Ok(answer)
}

fn unknown() -> ApiError {
    ApiError::bare(404, "404", "Resource not found")
}

/// The version of the API must be given, as a date that may be a preview's.
fn check_version(query: Option<&str>) -> Result<(), ApiError> {
    let mut pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let (_, version) = pairs.find(|(name, _)| *name == "api-version").ok_or_else(unknown)?;
    let date = version.strip_suffix("-preview").unwrap_or(version).as_bytes();
    let is_date = date.len() == 10
        && date
            .iter()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() });
    if is_date { Ok(()) } else { Err(ApiError::bare(400, "BadRequest", "API version not supported")) }
}

/// The deployment that a path names.
pub(crate) fn deployment(path: &str) -> Option<Cow<'_, str>> {
    static BEFORE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("/openai/deployments/"));
    let at = BEFORE.find(path.as_bytes())? + BEFORE.needle().len();
    Some(decoded(path[at..].split_once('/')?.0))
}

/// The request, asking for the deployment of its path whatever model its body names.
pub(crate) fn deployed<'r>(request: &Request<'r>, deployment: &str) -> Request<'r> {
    let mut json = request.json.clone();
    if let Some(Value::Object(body)) = &mut json {
        body.insert("model".to_owned(), deployment.into());
    }
    Request::of(request.head, json)
}

/// What every answer has, errors included.
pub(crate) fn headers(random: &Random, head: &Head) -> [Header; 5] {
    let id = uuid(&mut random.branch("apim-request-id"));
    let client = head.header("x-ms-client-request-id").unwrap_or(&id).to_owned();
    let session = random.branch("azureml-model-session").word(12, HEX);
    [
        ("x-request-id".into(), uuid(&mut random.branch("x-request-id")).into()),
        ("apim-request-id".into(), id.into()),
        ("x-ms-client-request-id".into(), client.into()),
        ("x-ms-region".into(), REGION.into()),
        ("azureml-model-session".into(), format!("d{session}").into()),
    ]
}

/// How long to wait, to the millisecond; beside `retry-after`.
pub(crate) fn retry_after_ms(wait: Duration) -> Header {
    ("retry-after-ms".into(), wait.as_millis().to_string().into())
}

fn uuid(random: &mut Random) -> String {
    [8, 4, 4, 4, 12].map(|length| random.word(length, HEX)).join("-")
}
