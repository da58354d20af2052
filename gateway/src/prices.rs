//! Keeps the prices up to date: the file of `--model-catalog`, which is followed, below the catalogs of the Gateways.
//! A file that cannot be read leaves the prices that were there.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::config::Files;
use crate::cost::{Catalog, Catalogs};
use crate::reload::Follower;
use crate::telemetry::Exposition;
use crate::yaml::Problem;

/// Where prices come from, and where they go.
pub(crate) struct Prices {
    follower: Option<Follower>,
    common: Option<Catalog>,
    own: HashMap<Arc<str>, Catalog>,
    exposition: Exposition,
}

impl Prices {
    /// Reads the file, if there is one.
    pub(crate) fn new(
        file: Option<&Path>,
        own: HashMap<Arc<str>, Catalog>,
        exposition: Exposition,
    ) -> Result<Self, Vec<Problem>> {
        let (follower, files) = file.map(Follower::new).unzip();
        let common = files.map(|files| read(&files)).transpose()?;
        let prices = Self { follower, common, own, exposition };
        prices.hand_over();
        Ok(prices)
    }

    /// Returns the file when its contents have changed.
    pub(crate) async fn changed(&mut self) -> Files {
        match &mut self.follower {
            Some(follower) => follower.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Takes the file over.
    ///
    /// # Errors
    /// When it cannot be read; nothing changes then.
    pub(crate) fn take_file(&mut self, files: &Files) -> Result<(), Vec<Problem>> {
        self.common = Some(read(files)?);
        self.hand_over();
        Ok(())
    }

    /// Takes over what the Gateways have of their own.
    pub(crate) fn take_own(&mut self, own: HashMap<Arc<str>, Catalog>) {
        self.own = own;
        self.hand_over();
    }

    fn hand_over(&self) {
        self.exposition.price_by(Catalogs::new(self.common.clone(), &self.own));
    }
}

/// Several files of a folder are read by name; later ones override earlier ones.
fn read(files: &Files) -> Result<Catalog, Vec<Problem>> {
    let mut problems = files.problems().to_vec();
    let mut sum = Catalog::default();
    for source in files.sources() {
        match Catalog::read(source) {
            Ok(catalog) => sum = sum.overlaid(&catalog),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(sum) } else { Err(problems) }
}
