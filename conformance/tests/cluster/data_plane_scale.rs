//! How long a change takes from kubectl to the next request, with 1,000 routes. Printed, and held against the promise
//! where the binary is optimised.

use std::time::{Duration, Instant};

use crate::plane::{Plane, apply_all, own_server, provider, route, until};
use crate::support::{Failure, Test, World};

pub(crate) const TESTS: &[Test] =
    &[("data_plane_scale::an_update_among_1000_routes_is_served_soon", among_1000_routes)];

const ROUTES: usize = 1000;
const UPDATES: usize = 100;
/// What is promised at 99 of 100; a binary that is not optimised has longer.
const SOON: Duration = Duration::from_millis(if cfg!(debug_assertions) { 2000 } else { 200 });

fn among_1000_routes(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let (server, objects) = own_server().await?;
        let mock = provider("{respond: {text: ok}}").await?;
        apply_all(&objects, "default", mock.addr()).await?;
        let applied: Vec<_> = (0..4)
            .map(|part| {
                let objects = objects.clone();
                tokio::spawn(async move {
                    for number in (part..ROUTES).step_by(4) {
                        let route = route("default", &format!("route-{number}"), &format!("/r/{number}"));
                        objects.apply(&route).await.map_err(|error| error.to_string())?;
                    }
                    Ok::<_, String>(())
                })
            })
            .collect();
        for part in applied {
            part.await??;
        }
        let plane = Plane::start(&server.kubeconfig()?, "default/gateway").await?;
        let address = plane.address()?;
        objects.delete("agentgateway.dev/v1alpha1", "AIRoute", "default", "route").await?;
        until(address, "/v1/chat/completions", 404).await?;
        let mut times = Vec::new();
        for update in 0..UPDATES {
            let path = format!("/update/{update}");
            let sent = Instant::now();
            objects.apply(&route("default", "route-500", &path)).await?;
            until(address, &format!("{path}/v1/chat/completions"), 200).await?;
            times.push(sent.elapsed());
        }
        times.sort();
        let (half, most) = (times[UPDATES / 2], times[UPDATES * 99 / 100]);
        eprintln!("{ROUTES} routes: an update is served after {half:?} (p50), {most:?} (p99)");
        assert!(most < SOON, "p99 is {most:?}");
        Ok(())
    })
}
