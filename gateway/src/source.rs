//! Where the configuration comes from: files, or a cluster. Both end in one compilation; who serves it, others say.

use std::path::Path;

use crate::config::{self, Compiled, Files};
use crate::kubernetes::cluster::Cluster;
use crate::reload::Follower;
use crate::yaml::Problem;

/// A source that is followed.
pub(crate) enum Source {
    /// A file or a folder.
    Files(Follower),
    /// An API server.
    Cluster(Box<Cluster>),
}

/// Something to compile.
pub(crate) enum Change {
    /// Files with new contents.
    Files(Files),
    /// Objects that the cluster itself holds.
    Objects,
}

impl Source {
    /// Reads files, and follows them from now on.
    ///
    /// # Errors
    /// When they are wrong; all problems at once.
    pub(crate) fn files(path: &Path) -> Result<(Self, Compiled), Vec<Problem>> {
        let (follower, files) = Follower::new(path);
        let manifests = files.load()?;
        Ok((Self::Files(follower), config::compile(&manifests, None)))
    }

    /// Returns when there is something to compile.
    pub(crate) async fn changed(&mut self) -> Change {
        match self {
            Self::Files(follower) => Change::Files(follower.changed().await),
            Self::Cluster(cluster) => {
                cluster.changed().await;
                Change::Objects
            }
        }
    }

    /// Has the same told again after a while.
    pub(crate) fn forget(&mut self) {
        match self {
            Self::Files(follower) => follower.forget(),
            Self::Cluster(cluster) => cluster.forget(),
        }
    }
}
