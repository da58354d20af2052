//! What a path asks for, as metrics name it: a handful of names, so that callers cannot make up series.

/// An operation of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Chat,
    Completions,
    Responses,
    Embeddings,
    Moderations,
    Models,
    Messages,
    Other,
}

impl Operation {
    /// In the order of their values.
    pub(crate) const ALL: [Self; 8] = [
        Self::Chat,
        Self::Completions,
        Self::Responses,
        Self::Embeddings,
        Self::Moderations,
        Self::Models,
        Self::Messages,
        Self::Other,
    ];

    pub(crate) fn of(path: &str) -> Self {
        let (rest, last) = path.rsplit_once('/').unwrap_or(("", path));
        match last {
            "completions" if rest.ends_with("/chat") => Self::Chat,
            "completions" => Self::Completions,
            "responses" => Self::Responses,
            "embeddings" => Self::Embeddings,
            "moderations" => Self::Moderations,
            "models" => Self::Models,
            "messages" => Self::Messages,
            _ if rest.ends_with("/models") => Self::Models,
            _ if rest.ends_with("/responses") => Self::Responses,
            _ => Self::Other,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
            Self::Moderations => "moderations",
            Self::Models => "models",
            Self::Messages => "messages",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_path_says_what_it_asks_for() {
        let names = |path| Operation::of(path).name();
        assert_eq!(names("/v1/chat/completions"), "chat");
        assert_eq!(names("/openai/deployments/d/chat/completions"), "chat");
        assert_eq!(names("/v1/completions"), "completions");
        assert_eq!(names("/v1/models/gpt-4o"), "models");
        assert_eq!(names("/anything"), "other");
        assert!(Operation::ALL.iter().enumerate().all(|(index, operation)| *operation as usize == index));
    }
}
