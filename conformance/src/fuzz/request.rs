//! Random requests: bodies whose bytes are awkward to keep, credentials at unusual places, clients that leave.

use serde_json::{Value, json};

use super::draw::Draw;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Chat,
    Completions,
    Responses,
    Embeddings,
}

impl Operation {
    /// Its path.
    pub(super) fn path(self) -> &'static str {
        match self {
            Operation::Chat => "/v1/chat/completions",
            Operation::Completions => "/v1/completions",
            Operation::Responses => "/v1/responses",
            Operation::Embeddings => "/v1/embeddings",
        }
    }

    /// Whether its streams tell usage only when asked, and end with `[DONE]`.
    pub(super) fn has_stream_options(self) -> bool {
        matches!(self, Operation::Chat | Operation::Completions)
    }

    /// The member that carries the prompt.
    fn prompt(self, draw: &mut Draw) -> String {
        let prompt = draw.pick(PROMPTS);
        match self {
            Operation::Chat => format!(r#""messages":[{{"role":"user","content":{prompt}}}]"#),
            Operation::Completions => format!(r#""prompt":{prompt}"#),
            Operation::Responses | Operation::Embeddings => format!(r#""input":{prompt}"#),
        }
    }
}

/// One request of the client.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// What is asked for.
    pub(super) operation: Operation,
    /// Its body.
    pub(super) body: Body,
    /// So many of it at once.
    pub(super) times: usize,
    /// Whether it asks for a stream.
    pub(super) stream: bool,
    /// Whether it asks for the usage of the stream.
    pub(super) asks_usage: bool,
    /// Send the body in chunks of so many bytes.
    pub(super) chunked: Option<usize>,
    /// Headers that carry the client's credential, or say what encodings it accepts.
    pub(super) headers: Vec<(&'static str, String)>,
    /// The query as it is sent, and what of it the provider may see.
    pub(super) query: Option<(String, Option<String>)>,
    /// When the client leaves.
    pub(super) leaves: Option<Value>,
}

/// A request body as text.
#[derive(Debug, Clone)]
pub(super) struct Body {
    /// All of it.
    pub(super) text: String,
    /// The stretches that must reach the provider byte for byte, in this order, if anything in it is edited.
    pub(super) kept: Vec<String>,
    /// Whether the client names a model.
    pub(super) has_model: bool,
    /// Whether a gateway must refuse it.
    pub(super) refused: bool,
}

/// Members that a gateway has no business with.
const MEMBERS: &[&str] = &[
    r#""temperature":0.70"#,
    r#""zeta":1,"alpha":2"#,
    r#""seed":9007199254740993"#,
    r#""big":123456789012345678901234567890"#,
    r#""x":-0.0,"y":1E+2,"z":1.50e-7"#,
    r#""unknown":{"model":"keep","b":[1.0,{"a":null}],"a":"\/"}"#,
    r#""us\u0065r":"J\u00fcrgen \ud83d\ude00""#,
    r#""metadata" : { "b" : "2" , "a" : "1" }"#,
    r#""note":"模型 \"model\":\"no\" \\ \u0000 end""#,
    r#""":[],"logit_bias":{"50256":-100}"#,
    "\"spaced\"\t:\n [ 1 ,  2 ]",
    r#""x_deep":[[[[[[[[[["stream_options"]]]]]]]]]]"#,
];

/// What the user says, as JSON text.
const PROMPTS: &[&str] = &[
    r#""hi""#,
    r#""sag etwas Schönes über Käse""#,
    r#""\ud83d\udc4b \u4f60\u597d\n\ttab""#,
    r#""stream\":true,\"model\":\"x""#,
];

const ASKS: &[(&str, bool)] = &[
    (r#""stream_options":{"include_usage":true}"#, true),
    (r#""stream_options":{"include_usage":false}"#, false),
    (r#""stream_options":null"#, false),
    (r#""stream_options":{}"#, false),
    (r#""stream_options" : { "other":1.0 , "include_usage" : true }"#, true),
    (r#""stream_options":{"other":1.0}"#, false),
];

/// One request.
pub(super) fn request(draw: &mut Draw) -> Asked {
    use Operation::{Chat, Completions, Embeddings, Responses};
    let operation = draw.pick(&[Chat, Chat, Chat, Chat, Chat, Chat, Completions, Responses, Embeddings]);
    let stream = operation != Embeddings && draw.chance(55);
    // Providers refuse them without a stream.
    let asks = draw.optional(if stream && operation.has_stream_options() { 60 } else { 0 }, |draw| draw.pick(ASKS));
    let body = body(draw, operation, stream, asks.map(|(text, _)| text));
    let chunked = draw.optional(20, |draw| draw.pick(&[1000, 17, 1]));
    let mut headers = credentials(draw);
    headers.extend(draw.optional(15, |_| ("accept-encoding", "gzip, deflate".to_owned())));
    let query = draw.optional(15, |draw| {
        let (sent, seen) = draw.pick(&[
            ("api-version=1&x=a%20b", Some("api-version=1&x=a%20b")),
            ("key=${secrets.caller}", None),
            ("a=1&api_key=${secrets.caller}&b=2", Some("a=1&b=2")),
        ]);
        (sent.to_owned(), seen.map(str::to_owned))
    });
    let leaves = if body.refused { None } else { draw.optional(10, |draw| leaving(draw, stream)) };
    let times = draw.optional(12, |draw| draw.size(4) + 2).unwrap_or(1);
    Asked {
        operation,
        body,
        times,
        stream,
        asks_usage: asks.is_some_and(|(_, asks)| asks),
        chunked,
        headers,
        query,
        leaves,
    }
}

fn leaving(draw: &mut Draw, stream: bool) -> Value {
    match draw.below(3) {
        0 => json!({"before_head": true}),
        1 if stream => json!({"events": draw.below(6) + 1}),
        _ => json!({"bytes": draw.below(600) + 1}),
    }
}

fn credentials(draw: &mut Draw) -> Vec<(&'static str, String)> {
    let kinds: &[(&'static str, &str)] = &[
        ("authorization", "Bearer ${secrets.caller}"),
        ("x-api-key", "${secrets.caller}"),
        ("api-key", "${secrets.caller}"),
        ("cookie", "theme=dark; session=${secrets.caller}"),
        ("x-goog-api-key", "${secrets.caller}"),
        ("proxy-authorization", "Basic ${secrets.caller}"),
    ];
    let Some(picked) = draw.optional(60, |draw| draw.list(2, 30, |draw| draw.pick(kinds))) else { return Vec::new() };
    let mut headers: Vec<(&str, String)> = Vec::new();
    for (name, value) in picked {
        if headers.iter().all(|(known, _)| *known != name) {
            headers.push((name, value.to_owned()));
        }
    }
    headers
}

/// The members in some order, each as its exact text; those that a gateway edits are not kept.
fn body(draw: &mut Draw, operation: Operation, stream: bool, options: Option<&str>) -> Body {
    let model = if draw.chance(90) { Some(draw.pick(&[r#""model":"#, r#""mod\u0065l" : "#])) } else { None };
    let model = model.map(|key| (key, draw.pick(&[r#""any""#, r#""gpt-4o-mini""#, r#""名前/\"x\"""#])));
    let mut members: Vec<Member> = vec![Member::kept(operation.prompt(draw))];
    members.extend(stream.then(|| Member::kept(r#""stream":true"#.to_owned())));
    let odd = draw.optional(70, |draw| draw.list(4, 50, |draw| draw.pick(MEMBERS)));
    let mut odd = odd.unwrap_or_default();
    odd.sort_unstable();
    odd.dedup();
    members.extend(odd.into_iter().map(|text| Member::kept(text.to_owned())));
    members.extend(options.map(|text| Member { before: String::new(), edited: text.to_owned() }));
    members.extend(model.map(|(key, value)| Member { before: key.to_owned(), edited: value.to_owned() }));
    for last in (1..members.len()).rev() {
        // 0 changes nothing: the member stays where it is.
        let other = last - draw.size(u32::try_from(last).unwrap_or(0));
        members.swap(last, other);
    }
    let gap = draw.pick(&["", " ", "\n  "]);
    let refused = draw.optional(4, |draw| draw.below(4));
    assembled(&members, gap, model.is_some(), refused)
}

/// One member, or several, of the body.
struct Member {
    /// Stays as it is.
    before: String,
    /// May be edited.
    edited: String,
}

impl Member {
    fn kept(before: String) -> Member {
        Member { before, edited: String::new() }
    }
}

fn assembled(members: &[Member], gap: &str, has_model: bool, refused: Option<u32>) -> Body {
    let (mut kept, mut text, mut stretch) = (Vec::new(), String::from("{"), String::new());
    for (index, member) in members.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        stretch.push_str(&format!("{comma}{gap}{}", member.before));
        if !member.edited.is_empty() {
            text.push_str(&stretch);
            kept.push(std::mem::take(&mut stretch));
            text.push_str(&member.edited);
        }
    }
    text.push_str(&stretch);
    kept.push(stretch);
    kept.retain(|stretch| !stretch.trim().is_empty());
    text.push_str(&format!("{gap}}}"));
    match refused {
        Some(0) => text.pop().map(drop).unwrap_or_default(),
        Some(1) => text.insert(0, '\u{feff}'),
        Some(2) => text.insert_str(1, r#""model":"a","model":"b","#),
        Some(_) => text.push_str("{}"),
        None => {}
    }
    Body { text, kept, has_model, refused: refused.is_some() }
}
