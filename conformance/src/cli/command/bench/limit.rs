//! How many connections a benchmark may have: as many files as the system allows, which is more than is usual at first.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Error;
use crate::bench::plan::{Paces, Plan};

/// Files that are open besides connections of lanes: those of the calibration, of processes and of reports.
const OTHERS: u64 = 128;

/// Raises what this process may open, and those it starts later, as far as it may be raised. None where nothing limits it.
pub(super) fn raised() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    // Where that is refused, what there was has to do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    getrlimit(Resource::Nofile).current
}

/// Leaves each lane of the plan so many connections that all of them can be kept.
pub(super) fn fit(plan: &mut Plan, files: Option<u64>) -> Result<(), Error> {
    let Some(files) = files else { return Ok(()) };
    let most = files.saturating_sub(OTHERS) / plan.lanes.len().max(1) as u64;
    let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
    match plan.paces {
        Paces::Callers(callers) if callers > most => Err(Error::Input(format!(
            "--connections {callers}: this process may have {files} files open, which is {most} connections for each of {} \
             lanes; lower it, or raise the limit with `ulimit -n`",
            plan.lanes.len()
        ))),
        _ => {
            plan.connections = plan.connections.min(most);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use benches::arrivals::Spacing;

    use super::*;
    use crate::bench::plan::LanePlan;
    use crate::bench::url::{Manner, Url};

    fn plan(paces: Paces) -> Plan {
        let url = Url::of(([127, 0, 0, 1], 1).into());
        let lane = |name: &str| LanePlan { name: name.to_owned(), floor: false, url: url.clone(), tree: None };
        let time = Duration::from_secs(1);
        Plan {
            lanes: ["mine", "theirs"].map(lane).to_vec(),
            provider: None,
            stream: false,
            prompts: vec![16],
            paces,
            spacing: Spacing::Uniform,
            seed: 1,
            rounds: 1,
            window: time,
            warmup: time,
            timeout: time,
            connections: 1024,
            gap: None,
            objective: time,
            varies: false,
            manner: Manner::default(),
        }
    }

    #[test]
    fn all_lanes_can_keep_their_connections_at_once() {
        for (files, each) in [(None, 1024), (Some(1024), 448), (Some(4096), 1024), (Some(10), 1)] {
            let mut plan = plan(Paces::Rates(vec![1.0]));
            fit(&mut plan, files).unwrap();
            assert_eq!(plan.connections, each, "{files:?}");
        }
        fit(&mut plan(Paces::Callers(448)), Some(1024)).unwrap();
        let refused = fit(&mut plan(Paces::Callers(449)), Some(1024)).unwrap_err().to_string();
        assert!(refused.contains("448 connections for each of 2 lanes"), "{refused}");
    }
}
