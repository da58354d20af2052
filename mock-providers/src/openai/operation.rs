//! Which path is which operation, and by which methods.
//!
//! Owns the paths, whatever base path stands before them. Refuses to know what the operations do.

use std::borrow::Cow;

use crate::script::ModelKind;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation<'p> {
    Chat,
    Completions,
    Responses,
    /// A stored response.
    Response(&'p str),
    /// What a stored response was asked with.
    InputItems(&'p str),
    /// The end of a response in the background.
    Cancel(&'p str),
    Embeddings,
    Moderations,
    Models,
    Model(&'p str),
}

impl<'p> Operation<'p> {
    /// The operation of a path, if it has one.
    pub(crate) fn of(path: &'p str) -> Option<Self> {
        let path = path.trim_end_matches('/');
        Some(match path.rsplit_once('/')?.1 {
            "completions" if path.ends_with("/chat/completions") => Self::Chat,
            "completions" => Self::Completions,
            "responses" => Self::Responses,
            "embeddings" => Self::Embeddings,
            "moderations" => Self::Moderations,
            "models" => Self::Models,
            _ => return Self::of_one(path),
        })
    }

    /// The operation on a single thing, whose name ends the path.
    fn of_one(path: &'p str) -> Option<Self> {
        if let Some((_, rest)) = path.rsplit_once("/responses/") {
            return match rest.split_once('/') {
                None => Some(Self::Response(rest)),
                Some((id, "input_items")) => Some(Self::InputItems(id)),
                Some((id, "cancel")) => Some(Self::Cancel(id)),
                Some(_) => None,
            };
        }
        path.split_once("/models/").map(|(_, id)| Self::Model(id))
    }

    /// The methods it takes.
    pub(crate) fn methods(self) -> &'static str {
        match self {
            Self::Response(_) | Self::Model(_) => "GET, DELETE",
            Self::InputItems(_) | Self::Models => "GET",
            _ => "POST",
        }
    }

    /// Whether it takes this method; HEAD is a GET without a body.
    pub(crate) fn takes(self, method: &str) -> bool {
        let method = if method == "HEAD" { "GET" } else { method };
        self.methods().split(", ").any(|known| known == method)
    }

    /// The kind of model that it asks, with a JSON body; the others have neither.
    pub(crate) fn kind(self) -> Option<ModelKind> {
        match self {
            Self::Chat | Self::Completions | Self::Responses => Some(ModelKind::Chat),
            Self::Embeddings => Some(ModelKind::Embedding),
            Self::Moderations => Some(ModelKind::Moderation),
            _ => None,
        }
    }
}

/// A segment of a path without its percent-encoding.
pub(crate) fn decoded(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return segment.into();
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(segment.len()), segment.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let pair = after.first_chunk::<2>().filter(|_| first == b'%');
        let byte = pair.and_then(|&[high, low]| Some(digit(high)? << 4 | digit(low)?));
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

fn digit(hex: u8) -> Option<u8> {
    char::from(hex).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_an_operation_under_any_base() {
        for (path, operation) in [
            ("/v1/chat/completions", Some(Operation::Chat)),
            ("/openai/v1/completions/", Some(Operation::Completions)),
            ("/responses", Some(Operation::Responses)),
            ("/v1/responses/resp_1", Some(Operation::Response("resp_1"))),
            ("/v1/responses/resp_1/input_items", Some(Operation::InputItems("resp_1"))),
            ("/v1/responses/resp_1/cancel", Some(Operation::Cancel("resp_1"))),
            ("/v1/responses/resp_1/other", None),
            ("/v1/models/org/m-2", Some(Operation::Model("org/m-2"))),
            ("/models/chat/completions", Some(Operation::Chat)),
            ("/v1/files", None),
            ("/", None),
        ] {
            assert_eq!(Operation::of(path), operation, "{path}");
        }
    }

    #[test]
    fn percent_encoding_is_undone_and_broken_encoding_stays() {
        assert_eq!(decoded("org%2Fm%202"), "org/m 2");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%+1%zz"), "%+1%zz");
    }
}
