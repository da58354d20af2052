//! Random providers: what a mock is scripted to say, and what of it can be foretold.

use serde_json::{Map, Value, json};

use super::draw::Draw;

/// What a provider says once.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    /// `respond` of the script.
    pub(super) respond: Map<String, Value>,
    /// `fault` of the script.
    pub(super) fault: Map<String, Value>,
    /// What comes of it.
    pub(super) fate: Fate,
    /// The status that it says.
    pub(super) status: u16,
    /// Whether it reports usage.
    pub(super) usage: bool,
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It comes whole.
    Whole,
    /// Nothing comes.
    Nothing,
    /// Nothing ever comes, and the connection stays.
    Silence,
    /// Of a stream the terminator is missing; another answer comes whole.
    NoTerminator,
    /// It may break off, at the place given or by its end.
    Broken,
    /// It may break off anywhere: whether a JSON text reported its usage before is a matter of taste.
    Torn,
    /// It may break off by a reset: what was written before may be lost.
    Reset,
}

/// Texts that are awkward to cut.
const TEXTS: &[&str] = &[
    "ok",
    "one two three",
    "",
    "zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich",
    "你好，世界",
    "👩‍👩‍👧‍👦 family",
    "a\r\n\r\nb\n\ndata: [DONE]\n\n",
    "\"quoted\" \\ and \u{2028} separators",
    "{\"usage\":{\"prompt_tokens\":999}}",
    "é",
];

/// Events of a stream in the spellings that the standard allows.
const EVENTS: &[&str] = &[
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one \"}}]}\n\n",
    ": ping\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"zwölf 👩‍👩‍👧\"}}]}\r\n\r\n",
    "event: chunk\nid: 7\ndata: {\"choices\":[]}\n\n",
    "data:{\"choices\":[{\"index\":0,\ndata:\"delta\":{\"content\":\"two lines\"}}]}\n\n",
    "retry: 100\r\rdata: {\"choices\":[],\"more\":1}\r\r",
    "data: no JSON\n\n",
    "\n\n",
];

const FINISH: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

fn event(raw: &str) -> Value {
    json!({ "raw": raw })
}

/// One turn.
pub(super) fn turn(draw: &mut Draw) -> Turn {
    let mut respond = Map::new();
    let status = if draw.chance(20) { draw.pick(&[503, 429, 500, 400, 404]) } else { 200 };
    let usage = if status == 200 { answer(draw, &mut respond) } else { error(draw, status, &mut respond) };
    let (fault, fate) = if status == 200 { fault(draw) } else { (Map::new(), Fate::Whole) };
    if fault.contains_key("split") || fault.contains_key("dribble") {
        // Many bytes a few at a time take longer than a client waits.
        respond.remove("size");
    }
    Turn { respond, fault, fate, status, usage }
}

fn answer(draw: &mut Draw, respond: &mut Map<String, Value>) -> bool {
    let text = |draw: &mut Draw| draw.pick(TEXTS);
    match draw.below(5) {
        0 => respond.insert("text".to_owned(), text(draw).into()),
        1 => respond.insert("chunks".to_owned(), draw.list(5, 60, text).into()),
        2 => respond.insert("tokens".to_owned(), draw.pick(&[1, 5, 40]).into()),
        3 => {
            let arguments = json!({"city": text(draw)});
            let call = json!({"tool_call": {"name": "look_up", "arguments": arguments}});
            respond.insert("blocks".to_owned(), json!([{"text": "Let me look. "}, call]))
        }
        _ => {
            let mut events: Vec<Value> = draw.list(5, 60, |draw| draw.pick(EVENTS)).into_iter().map(event).collect();
            events.extend([event(FINISH), json!("done")]);
            respond.insert("sse".to_owned(), events.into());
            return false;
        }
    };
    let usage = draw.optional(60, |draw| match draw.chance(60) {
        false => json!("none"),
        true => {
            let (prompt, completion) = (draw.below(5000), draw.below(900));
            let (cached, reasoning) = (draw.below(prompt + 1), draw.below(completion + 1));
            json!({
                "prompt_tokens": prompt, "completion_tokens": completion,
                "cached_tokens": cached, "reasoning_tokens": reasoning,
            })
        }
    });
    let reported = usage.as_ref() != Some(&json!("none"));
    respond.extend(usage.map(|usage| ("usage".to_owned(), usage)));
    let framing = draw.optional(30, |draw| draw.pick(&["chunked", "content_length", "close"]));
    respond.extend(framing.map(|framing| ("framing".to_owned(), framing.into())));
    let size = draw.optional(10, |draw| draw.pick(&["3KiB", "20KiB", "70KiB"]));
    respond.extend(size.map(|size| ("size".to_owned(), size.into())));
    if draw.chance(15) {
        respond.insert("encoding".to_owned(), draw.pick(&["gzip", "deflate"]).into());
        respond.insert("if_accepted".to_owned(), true.into());
    }
    let latency = draw.optional(20, |draw| json!({"ttft": "15ms", "itl": draw.pick(&["0ms", "2ms"])}));
    respond.extend(latency.map(|latency| ("latency".to_owned(), latency)));
    reported
}

fn error(draw: &mut Draw, status: u16, respond: &mut Map<String, Value>) -> bool {
    respond.insert("status".to_owned(), status.into());
    if draw.chance(25) {
        respond.insert("body".to_owned(), draw.pick(&["", "sorry", "<html>Bad Gateway</html>"]).into());
        respond.insert("content_type".to_owned(), "text/plain".into());
    }
    false
}

fn fault(draw: &mut Draw) -> (Map<String, Value>, Fate) {
    let (name, value, fate) = match draw.below(22) {
        0..8 => return (Map::new(), Fate::Whole),
        8 => ("split", json!({"every": draw.pick(&[64, 7, 3])}), Fate::Whole),
        9 => ("split", json!({"inside_utf8": true, "gap": "0ms"}), Fate::Whole),
        10 => ("dribble", json!({"bytes": draw.pick(&[100, 33]), "gap": "1ms"}), Fate::Whole),
        11 => ("stall", placed(draw, json!({"for": "120ms"})), Fate::Whole),
        12 => ("missing_done", json!(true), Fate::NoTerminator),
        13..15 => ("truncate", placed(draw, json!({})), Fate::Torn),
        15..18 => ("disconnect", placed(draw, json!({})), Fate::Torn),
        18 => ("disconnect", placed(draw, json!({"how": "rst"})), Fate::Reset),
        19 => ("error_event", placed(draw, json!({})), Fate::Broken),
        20 => (draw.pick(&["empty_response", "rst_before_head"]), json!(true), Fate::Nothing),
        _ => ("hang_before_head", json!(true), Fate::Silence),
    };
    (Map::from_iter([(name.to_owned(), value)]), fate)
}

/// A place in the answer where something happens.
fn placed(draw: &mut Draw, mut fault: Value) -> Value {
    match draw.below(3) {
        0 => fault["after_chunks"] = draw.below(5).into(),
        1 => fault["after_events"] = draw.below(9).into(),
        _ => fault["after_bytes"] = draw.below(1500).into(),
    }
    fault
}
