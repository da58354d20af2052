//! What the target says about one object, and which generation of it that should be about.

use super::{World, WorldError};
use crate::expect::status::Reading;
use crate::manifest;
use crate::scenario::expect::StatusExpect;
use crate::seam;
use crate::target::{ObjectName, read_status};

impl World {
    /// An object as the target shows it, as the saboteur would show it, and its present generation where that is known.
    pub async fn status(&self, wanted: &StatusExpect) -> Result<(Reading, Option<i64>), WorldError> {
        let kind = wanted.kind.value.as_str();
        let group =
            manifest::api_version(kind).and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
        let object = ObjectName { kind, group, namespace: wanted.namespace(), name: &wanted.name };
        let mut reading = match &self.placed {
            Some(placed) => placed.read(object).await?,
            None => read_status(&self.target, &self.launch, &self.gateway, object, self.origin).await?,
        };
        let page = self.target.file.status.as_ref().is_some_and(|source| source.value.http.is_some());
        // An API server counts generations itself; a target that reads files is not asked for what it was given.
        let generation = match &reading {
            Ok(shown) if !page => shown["metadata"]["generation"].as_i64(),
            _ => self.manifests.generation(kind, wanted.namespace(), &wanted.name),
        };
        if let (Ok(shown), Some(context)) = (&mut reading, &self.context) {
            seam::status::spoil(context, shown);
        }
        Ok((reading, generation))
    }
}
