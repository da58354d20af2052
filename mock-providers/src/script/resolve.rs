//! What a script still needs from files, and what only the whole of it can get wrong.
//!
//! Owns the walk over everything that may name a file. Refuses to know what is in the files: their readers do.

use std::path::{Path, PathBuf};

use super::{
    Block, Config, Distribution, Fault, Hang, Latency, MachineState, Prefill, Provider, Quantity, Respond, Rule,
    Sequence, Stall, Step,
};

/// Larger files are refused.
const MAX_FILE: u64 = 16 << 20;

/// Something that may name files.
trait Resolve {
    /// Reads the files; their paths are relative to the folder.
    fn resolve(&mut self, folder: &Path) -> Result<(), ScriptError>;
}

impl<T: Quantity> Resolve for Distribution<T> {
    fn resolve(&mut self, folder: &Path) -> Result<(), ScriptError> {
        self.read_file(folder)
    }
}

impl Resolve for Block {
    fn resolve(&mut self, folder: &Path) -> Result<(), ScriptError> {
        if let Block::TextFile(path) = self {
            *self = Block::Text(read(&folder.join(path))?);
        }
        Ok(())
    }
}

impl Resolve for Respond {
    fn resolve(&mut self, folder: &Path) -> Result<(), ScriptError> {
        if let Some(path) = self.text_file.take() {
            self.text = Some(read(&folder.join(path))?);
        }
        self.blocks.resolve(folder)?;
        self.latency.resolve(folder)?;
        self.tokens.resolve(folder)?;
        self.delay_head.resolve(folder)
    }
}

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, ScriptError> {
    let unreadable = |source| ScriptError::Read { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    // Others may have no end.
    if !metadata.is_file() {
        return Err(unreadable(std::io::Error::other("it is no regular file")));
    }
    if metadata.len() > MAX_FILE {
        return Err(ScriptError::TooLarge(path.to_owned()));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

impl<T: Resolve> Resolve for Option<T> {
    fn resolve(&mut self, folder: &Path) -> Result<(), ScriptError> {
        self.as_mut().map_or(Ok(()), |own| own.resolve(folder))
    }
}

impl<T: Resolve> Resolve for Vec<T> {
    fn resolve(&mut self, folder: &Path) -> Result<(), ScriptError> {
        self.iter_mut().try_for_each(|own| own.resolve(folder))
    }
}

impl Resolve for Hang {
    fn resolve(&mut self, folder: &Path) -> Result<(), ScriptError> {
        match self {
            Hang::Forever => Ok(()),
            Hang::For(time) => time.resolve(folder),
        }
    }
}

macro_rules! resolve {
    ($($type:ty { $($field:ident),* })*) => {$(
        impl Resolve for $type {
            fn resolve(&mut self, folder: &Path) -> Result<(), ScriptError> {
                $(self.$field.resolve(folder)?;)*
                Ok(())
            }
        }
    )*};
}

resolve! {
    Latency { connect, head, ttft, itl, prefill, total }
    Prefill { overhead, per_token }
    Stall { duration }
    Fault { stall, hang_before_head }
    Step { respond, fault }
    Rule { respond, fault, sequence }
    Sequence { steps }
    MachineState { faults }
    Provider { latency, respond, fault, sequence, rules, faults }
}

/// Why a script that reads well is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It is not to be had.
    #[error("the file {} cannot be read; its path is relative to the script's folder", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is too large.
    #[error("the file {} is larger than 16MiB", .0.display())]
    TooLarge(PathBuf),
    /// A line is no value.
    #[error("{}:{line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1 on.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// It has no values.
    #[error("the trace file {} has no values: write one on each line, such as {example}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// A value.
        example: &'static str,
    },
    /// There is no number of requests at which the factor is reached.
    #[error("`load_factor` needs `limits.concurrent`, the number of requests in flight at which the factor is reached")]
    LoadWithoutLimit,
}

impl Config {
    /// Reads the files that they name, from the folder of the script, and
    /// checks them.
    pub fn resolve(&mut self, folder: &Path) -> Result<(), ScriptError> {
        let mut states = self.states.values_mut().flat_map(|machine| machine.states.values_mut());
        states.try_for_each(|state| Resolve::resolve(state, folder))?;
        self.providers.values_mut().try_for_each(|provider| provider.resolve(folder))
    }
}

impl Fault {
    /// Reads the files that it names, from the folder of the script.
    pub(crate) fn resolve(&mut self, folder: &Path) -> Result<(), ScriptError> {
        Resolve::resolve(self, folder)
    }
}

impl Provider {
    /// Reads the files that it names, from the folder of the script, and checks what only the whole can get wrong.
    pub fn resolve(&mut self, folder: &Path) -> Result<(), ScriptError> {
        Resolve::resolve(self, folder)?;
        let concurrent = self.limits.as_ref().and_then(|limits| limits.concurrent);
        if concurrent.is_none() && self.latencies().any(|latency| latency.load_factor.is_some()) {
            return Err(ScriptError::LoadWithoutLimit);
        }
        Ok(())
    }

    fn latencies(&self) -> impl Iterator<Item = &Latency> {
        let steps = self.rules.iter().flat_map(|rule| &rule.sequence.steps).chain(&self.sequence.steps);
        let responds = steps.filter_map(|step| step.respond.as_ref());
        let responds = responds.chain(self.rules.iter().filter_map(|rule| rule.respond.as_ref())).chain(&self.respond);
        responds.map(|respond| &respond.latency).chain([&self.latency])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each place where a script may name a file, with one that does not exist.
    const PLACES: [&str; 12] = [
        "respond: {text_file: FILE}",
        "rules: [{respond: {blocks: [{text_file: FILE}]}}]",
        "latency: {connect: FILE}",
        "latency: {itl: FILE}",
        "latency: {prefill: {per_token: FILE}}",
        "respond: {delay_head: FILE}",
        "respond: {tokens: FILE}",
        "fault: {hang_before_head: FILE}",
        "rules: [{respond: {latency: {total: FILE}}}]",
        "rules: [{fault: {stall: {for: FILE}}}]",
        "faults: [{stall: {for: FILE}}]",
        "sequence: [{respond: {latency: {head: FILE}}}]",
    ];

    #[test]
    fn no_file_of_a_script_is_forgotten() {
        for place in PLACES {
            let file = if place.contains("text_file") { "gone" } else { "{trace: {file: gone}}" };
            let yaml = format!("{{providers: {{a: {{{}}}}}}}", place.replace("FILE", file));
            let mut config: Config = serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{place}: {error}"));
            let error = config.resolve(Path::new("beside")).expect_err(place).to_string();
            assert!(error.contains(&Path::new("beside").join("gone").display().to_string()), "{error}");
        }
    }
}
