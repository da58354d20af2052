//! What the target says about its objects at this moment.

use super::Player;
use crate::expect::{Failure, Judge, status};
use crate::scenario::At;
use crate::scenario::expect::StatusExpect;
use crate::world::WorldError;

impl Player<'_> {
    /// Reads and judges each object that is named.
    pub(super) async fn statuses(&self, path: &str, all: &[At<StatusExpect>]) -> Result<Vec<Failure>, WorldError> {
        let mut judge = Judge::new(&self.world.vars, format!("{path}.status"));
        for (index, expect) in all.iter().enumerate() {
            let (reading, generation) = self.world.status(&expect.value).await?;
            judge.below(&format!("[{index}]"), |judge| status::judge(judge, expect, &reading, generation));
        }
        Ok(judge.failures)
    }
}
