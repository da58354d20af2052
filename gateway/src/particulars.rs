//! What an answer says of itself that only spans tell: its id, why it ended, and tokens that nobody is billed apart for.
//! Read only of exchanges whose spans are exported: [`Scan`] reads a JSON answer in the chunks it comes in and keeps none,
//! and the events of a stream one by one. Which text means what is decided by where it stands; the rest is skipped.

/// Longest text or number that is kept, with its quotes.
const MAX_TOKEN: usize = 258;
/// Deepest member that is looked at: `response.usage.output_tokens_details.audio_tokens`.
const DEEPEST: usize = 4;
/// Most choices whose end is told.
const MAX_CHOICES: usize = 128;

/// What an answer said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Particulars {
    id: Option<Box<str>>,
    /// By the index of the choice.
    finished: Vec<(u64, Box<str>)>,
    /// Of a Responses answer, which has no choices.
    status: Option<Box<str>>,
    /// Heard, of `input_tokens`.
    pub audio_input: u64,
    /// Spoken, of `output_tokens`.
    pub audio_output: u64,
    /// Drawn, of `output_tokens`.
    pub image_output: u64,
}

impl Particulars {
    /// The answer's id.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Why each choice ended, in their order, in the provider's words; none while nothing has ended.
    #[must_use]
    pub fn finish_reasons(&self) -> Vec<&str> {
        let finished = self.finished.iter().map(|(_, why)| &**why);
        let over = |status: &&str| matches!(*status, "completed" | "incomplete" | "failed" | "cancelled");
        let status = self.status.as_deref().filter(|_| self.finished.is_empty());
        finished.chain(status.filter(over)).collect()
    }

    /// Reads one event of a stream.
    pub fn read(&mut self, event: &[u8]) {
        let mut scan = Scan { told: std::mem::take(self), ..Scan::default() };
        scan.push(event);
        *self = scan.finish();
    }

    fn finish(&mut self, choice: u64, why: Box<str>) {
        match self.finished.binary_search_by_key(&choice, |(index, _)| *index) {
            Ok(at) => self.finished[at].1 = why,
            Err(at) if self.finished.len() < MAX_CHOICES => self.finished.insert(at, (choice, why)),
            Err(_) => (),
        }
    }
}

/// The names that mean something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Name {
    #[default]
    Other,
    Id,
    /// Something that has the answer in it: `response` or `message`.
    Answer,
    Choices,
    Index,
    FinishReason,
    Delta,
    StopReason,
    Status,
    Incomplete,
    Reason,
    Usage,
    InputDetails,
    OutputDetails,
    Audio,
    Image,
}

impl Name {
    fn of(key: &[u8]) -> Self {
        match key {
            b"\"id\"" => Self::Id,
            b"\"response\"" | b"\"message\"" => Self::Answer,
            b"\"choices\"" => Self::Choices,
            b"\"index\"" => Self::Index,
            b"\"finish_reason\"" => Self::FinishReason,
            b"\"delta\"" => Self::Delta,
            b"\"stop_reason\"" => Self::StopReason,
            b"\"status\"" => Self::Status,
            b"\"incomplete_details\"" => Self::Incomplete,
            b"\"reason\"" => Self::Reason,
            b"\"usage\"" => Self::Usage,
            b"\"prompt_tokens_details\"" | b"\"input_tokens_details\"" => Self::InputDetails,
            b"\"completion_tokens_details\"" | b"\"output_tokens_details\"" => Self::OutputDetails,
            b"\"audio_tokens\"" => Self::Audio,
            b"\"image_tokens\"" => Self::Image,
            _ => Self::Other,
        }
    }
}

/// Reads one JSON text that arrives in chunks.
#[derive(Debug, Default)]
pub struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// What stands between two separators, as far as it fits.
    token: Vec<u8>,
    /// By depth, the member that is being read.
    path: [Name; DEEPEST],
    /// Choices that are over.
    choices: u64,
    /// Of the choice that is being read.
    index: Option<u64>,
    finish_reason: Option<Box<str>>,
    told: Particulars,
}

impl Scan {
    /// Reads the next chunk.
    pub fn push(&mut self, mut chunk: &[u8]) {
        while let Some(byte) = chunk.first() {
            if self.in_string && !self.escaped {
                let run = memchr::memchr2(b'"', b'\\', chunk).unwrap_or(chunk.len());
                let (text, rest) = chunk.split_at(run);
                self.keep(text);
                let Some(end) = rest.first() else { return };
                self.keep(&[*end]);
                (self.in_string, self.escaped) = (*end == b'\\', *end == b'\\');
                chunk = &rest[1..];
                continue;
            }
            self.step(*byte);
            chunk = &chunk[1..];
        }
    }

    /// What was told as far as it came.
    #[must_use]
    pub fn finish(self) -> Particulars {
        self.told
    }

    fn keep(&mut self, bytes: &[u8]) {
        if (1..=DEEPEST).contains(&self.depth) {
            let room = MAX_TOKEN.saturating_sub(self.token.len()).min(bytes.len());
            self.token.extend_from_slice(&bytes[..room]);
        }
    }

    fn step(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => {
                self.keep(&[byte]);
                self.escaped = false;
            }
            b'"' => {
                self.keep(&[byte]);
                self.in_string = true;
            }
            b'{' | b'[' => {
                self.depth += 1;
                self.token.clear();
                if let Some(name) = self.path.get_mut(self.depth - 1) {
                    *name = Name::Other;
                }
            }
            b':' => {
                if let Some(name) = self.path.get_mut(self.depth.wrapping_sub(1)) {
                    *name = Name::of(&self.token);
                }
                self.token.clear();
            }
            b',' => self.end_value(),
            b'}' | b']' => {
                self.end_value();
                self.end_choice();
                self.depth = self.depth.saturating_sub(1);
            }
            b' ' | b'\t' | b'\r' | b'\n' => (),
            other => self.keep(&[other]),
        }
    }

    /// The names above what is being read, below the answer itself.
    fn place(&self) -> &[Name] {
        let path = &self.path[..self.depth.min(DEEPEST)];
        path.strip_prefix(&[Name::Answer]).unwrap_or(path)
    }

    fn end_value(&mut self) {
        if self.depth > DEEPEST {
            self.token.clear();
        }
        if self.token.is_empty() {
            return;
        }
        let token = std::mem::take(&mut self.token);
        let text = || serde_json::from_slice::<Box<str>>(&token).ok();
        let count = || serde_json::from_slice::<u64>(&token).unwrap_or(0);
        match self.place() {
            [Name::Id] => self.told.id = self.told.id.take().or_else(text),
            [Name::Choices, _, Name::Index] => self.index = Some(count()),
            [Name::Choices, _, Name::FinishReason] => self.finish_reason = text(),
            [Name::Status] => self.told.status = text(),
            [Name::StopReason] | [Name::Delta, Name::StopReason] | [Name::Incomplete, Name::Reason] => {
                if let Some(why) = text() {
                    self.told.finish(0, why);
                }
            }
            [Name::Usage, Name::InputDetails, Name::Audio] => self.told.audio_input = count(),
            [Name::Usage, Name::OutputDetails, Name::Audio] => self.told.audio_output = count(),
            [Name::Usage, Name::OutputDetails, Name::Image] => self.told.image_output = count(),
            _ => (),
        }
        // its room serves the next one
        self.token = token;
        self.token.clear();
    }

    /// A choice may tell its index after why it ended.
    fn end_choice(&mut self) {
        if self.depth != 3 || self.path[0] != Name::Choices {
            return;
        }
        let index = self.index.take().unwrap_or(self.choices);
        self.choices += 1;
        if let Some(why) = self.finish_reason.take() {
            self.told.finish(index, why);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(events: &[&str]) -> Particulars {
        let mut told = Particulars::default();
        events.iter().for_each(|event| told.read(event.as_bytes()));
        told
    }

    #[test]
    fn a_stream_tells_its_id_first_and_the_end_of_each_choice_in_any_order() {
        let told = read(&[
            r#"{"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#,
            r#"{"id":"another","choices":[{"delta":{},"finish_reason":"length","index":1}]}"#,
            r#"{"id":"chatcmpl-1","choices":[{"index":0,"delta":{"tool_calls":[{"id":"call"}]},"finish_reason":"tool_calls"}]}"#,
            "[DONE]",
        ]);
        assert_eq!((told.id(), told.finish_reasons()), (Some("chatcmpl-1"), vec!["tool_calls", "length"]));
        assert_eq!(read(&[r#"{"choices":[{"finish_reason":null}]}"#]).finish_reasons(), [""; 0]);
    }

    #[test]
    fn messages_and_responses_are_read_where_they_tell_it() {
        let told = read(&[
            r#"{"type":"message_start","message":{"id":"msg_1","stop_reason":null}}"#,
            r#"{"type":"content_block_start","content_block":{"id":"toolu","stop_reason":"no"}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}"#,
        ]);
        assert_eq!((told.id(), told.finish_reasons()), (Some("msg_1"), vec!["end_turn"]));
        let begun = r#"{"type":"response.created","response":{"id":"resp_1","status":"in_progress"}}"#;
        let item = r#"{"type":"response.output_item.done","item":{"id":"msg","status":"completed"}}"#;
        assert_eq!(read(&[begun, item]).finish_reasons(), [""; 0], "it has not ended");
        let ended = r#"{"response":{"id":"resp_1","status":"completed","incomplete_details":null,"usage":{"output_tokens_details":{"audio_tokens":5,"image_tokens":6}}}}"#;
        let told = read(&[begun, item, ended]);
        assert_eq!((told.id(), told.finish_reasons()), (Some("resp_1"), vec!["completed"]));
        assert_eq!((told.audio_output, told.image_output), (5, 6));
        let cut = r#"{"id":"resp_2","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}"#;
        assert_eq!(read(&[cut]).finish_reasons(), ["max_output_tokens"]);
        assert_eq!(read(&[r#"{"status":"error"}"#]).finish_reasons(), [""; 0], "that is another status");
    }

    #[test]
    fn what_is_too_long_or_too_much_is_not_kept() {
        let (long, reason) = ("x".repeat(MAX_TOKEN), r#"{"finish_reason":"stop"}"#);
        let text = format!(r#"{{"id":"{long}","choices":[{}]}}"#, [reason; 200].join(","));
        let told = read(&[&text]);
        assert_eq!((told.id(), told.finish_reasons().len()), (None, MAX_CHOICES));
    }

    proptest! {
        #[test]
        fn an_answer_in_any_chunks_tells_the_same(cuts in prop::collection::vec(0usize..400, 0..8)) {
            let text = br#"{"id": "chat\u0063mpl-1", "object":"chat.completion","x":{"id":"no","choices":[[{"finish_reason":"no"}]]},
                "choices":[{"finish_reason":"st\"op","index":1,"message":{"content":"{\"id\":\"no\"}","id":"no"}},
                {"index":0,"message":{"finish_reason":"no"},"finish_reason":"length"}],
                "usage":{"prompt_tokens_details":{"audio_tokens":3},"completion_tokens_details":{"audio_tokens":4}}}"#;
            let mut ends: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            ends.push(text.len());
            ends.sort_unstable();
            let (mut scan, mut at) = (Scan::default(), 0);
            for end in ends {
                scan.push(&text[at..end]);
                at = end;
            }
            let told = scan.finish();
            prop_assert_eq!((told.id(), told.finish_reasons()), (Some("chatcmpl-1"), vec!["length", "st\"op"]));
            prop_assert_eq!((told.audio_input, told.audio_output, told.image_output), (3, 4, 0));
        }

        #[test]
        fn nothing_that_comes_is_too_odd(bytes in prop::collection::vec(prop::sample::select(b"{}[]\",:\\a1 ".to_vec()), 0..64)) {
            let mut told = Particulars::default();
            told.read(&bytes);
        }
    }
}
