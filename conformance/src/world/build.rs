//! Builds a world: secrets, mocks, seams, manifests, gateway, in the order in which they need each other.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use mock_providers::script::Certificate;
use mock_providers::tls::{RunCa, without_http2};
use mock_providers::{MockProvider, Options};
use serde_json::Value;

use super::placed::{Placed, Placing};
use super::{FILE, FOLDER, READY, SILENT, World, WorldError, provider, write};
use crate::collector::Collector;
use crate::load::{self, Loaded};
use crate::manifest::{self, Manifests};
use crate::mask::Secrets;
use crate::saboteur::{Saboteur, Seam as Side};
use crate::scenario::{At, Scenario};
use crate::seam::{self, Context, Hop, Seam};
use crate::target::{Cluster, Instance, Launch, LaunchError, Place, Started, Target};
use crate::telemetry::Metrics;
use crate::vars::Vars;

/// One certificate authority for all scenarios of this process.
static CA: LazyLock<Arc<RunCa>> = LazyLock::new(Arc::default);

/// How many bytes of each answer a mock keeps, for comparison with what came.
const KEPT: usize = 256 * 1024;

/// Mocks and the way to them.
#[derive(Default)]
struct Upstreams {
    mocks: BTreeMap<String, MockProvider>,
    seams: Vec<Seam>,
    addresses: BTreeMap<String, SocketAddr>,
}

pub(super) async fn world(
    loaded: &Loaded,
    target: &Arc<Target>,
    saboteur: Option<Saboteur>,
    hidden: &Secrets,
) -> Result<World, WorldError> {
    let mut ground = ground(loaded, target, saboteur, hidden).await?;
    let gateway = match Instance::start(target, &ground.launch, ground.origin).await {
        Ok(gateway) => gateway,
        Err(error) => {
            ground.remove().await;
            return Err(error.into());
        }
    };
    let client_seams = client_seams(&gateway, ground.context.as_ref()).await?;
    let mut vars = ground.vars;
    if let Some(address) = gateway.listeners.values().next() {
        vars.set("gateway.address", address.to_string());
    }
    let mut world = World {
        origin: ground.origin,
        vars,
        secrets: ground.secrets,
        keys: ground.manifests.secrets(),
        gateway,
        target: Arc::clone(target),
        before: Metrics::default(),
        saboteur,
        context: ground.context,
        mocks: ground.upstreams.mocks,
        traps: ground.traps,
        collectors: ground.collectors,
        manifests: ground.manifests,
        hidden: hidden.clone(),
        root: Arc::clone(&loaded.root),
        folder: ground.folder,
        launch: ground.launch,
        placed: ground.placed,
        past: Vec::new(),
        client_seams,
        _upstream_seams: ground.upstreams.seams,
    };
    world.before = world.metrics().await;
    Ok(world)
}

/// Starts the target and nothing else is done with it.
pub(super) async fn start_only(
    loaded: &Loaded,
    target: &Arc<Target>,
    within: Duration,
    hidden: &Secrets,
) -> Result<Started, WorldError> {
    let mut ground = match ground(loaded, target, None, hidden).await {
        // what the API server refuses is not served either
        Err(WorldError::Launch(LaunchError::Ended { output, .. })) => return Ok(Started::Ended(Some(1), output)),
        ground => ground?,
    };
    let started = Instance::try_start(target, &ground.launch, ground.origin, within).await;
    ground.remove().await;
    Ok(started?)
}

/// All that stands before the target is started.
struct Ground {
    origin: Instant,
    folder: tempfile::TempDir,
    vars: Vars,
    secrets: BTreeMap<String, String>,
    context: Option<Arc<Context>>,
    upstreams: Upstreams,
    traps: BTreeMap<String, MockProvider>,
    collectors: Vec<Collector>,
    manifests: Manifests,
    launch: Launch,
    placed: Option<Placed>,
}

impl Ground {
    /// Takes away what is on a cluster.
    async fn remove(&mut self) {
        if let Some(placed) = &mut self.placed {
            placed.remove().await;
        }
    }
}

async fn ground(
    loaded: &Loaded,
    target: &Target,
    saboteur: Option<Saboteur>,
    hidden: &Secrets,
) -> Result<Ground, WorldError> {
    let scenario = &loaded.scenario;
    let origin = Instant::now();
    let folder = tempfile::tempdir().map_err(WorldError::io("no temporary folder"))?;
    let (mut vars, secrets) = values(scenario, &target.options())?;
    secrets.iter().for_each(|(name, secret)| hidden.named(name, secret));
    // Addresses are not known yet, keys are.
    let keys = manifests(loaded, &vars, target)?.0.secrets();
    keys.iter().for_each(|key| hidden.key(key));
    let leak = keys.into_iter().chain(secrets.values().cloned()).next();
    let context = saboteur.map(|saboteur| Arc::new(Context::new(saboteur, leak.unwrap_or_default())));
    let traps = traps(scenario, origin).await?;
    traps.iter().for_each(|(name, trap)| set_address(&mut vars, name, trap.addr()));
    let mut collectors = Vec::new();
    for name in &scenario.collectors {
        let collector = Collector::start().await.map_err(WorldError::io("a collector cannot start"))?;
        set_address(&mut vars, &name.value, collector.address);
        collectors.push(collector);
    }
    let upstreams = upstreams(scenario, &vars, context.as_ref(), origin).await?;
    upstreams.addresses.iter().for_each(|(name, address)| set_address(&mut vars, name, *address));
    let (manifests, text) = manifests(loaded, &vars, target)?;
    let text = seam::configuration::at_start(saboteur, &manifests, text);
    std::fs::create_dir(folder.path().join(FOLDER)).map_err(WorldError::io("no folder for the manifests"))?;
    write(folder.path(), &text)?;
    if let Some(file) = target.file.attach.as_ref().and_then(|attach| attach.value.config.as_ref()) {
        std::fs::write(file, &text).map_err(WorldError::io("the manifests cannot be written"))?;
        tokio::time::sleep(target.file.reload.unwrap_or(SILENT)).await;
    }
    let mut launch = launch(scenario, folder.path(), &manifests, &upstreams)?;
    let mut placed = match &target.cluster {
        Some(_) if scenario.disturbs_cluster() => Some(Arc::new(Cluster::own(target).await?)),
        shared => shared.clone(),
    }
    .map(|cluster| Placed::new(&cluster, &scenario.id.value));
    if let Some(placed) = &mut placed {
        match place(placed, &text).await {
            Ok(place) => launch.place = place,
            Err(error) => {
                placed.remove().await;
                return Err(error);
            }
        }
    }
    Ok(Ground { origin, folder, vars, secrets, context, upstreams, traps, collectors, manifests, launch, placed })
}

/// Puts the first manifests on the cluster.
async fn place(placed: &mut Placed, text: &str) -> Result<Place, WorldError> {
    if let Placing::Refused(output) = placed.hold(text).await? {
        return Err(LaunchError::Ended { status: "its manifests were refused".to_owned(), output }.into());
    }
    let kubeconfig = placed.cluster().kubeconfig.clone();
    Ok(Place { gateway: placed.gateway()?, kubeconfig, prefix: placed.prefix().to_owned() })
}

/// Variables, options and random secrets.
pub(super) fn values(
    scenario: &Scenario,
    options: &BTreeMap<String, Value>,
) -> Result<(Vars, BTreeMap<String, String>), WorldError> {
    let mut vars = Vars::default();
    for (name, values) in options {
        vars.set(format!("options.{name}"), values.clone());
    }
    for (name, value) in std::env::vars_os() {
        vars.set(format!("env.{}", name.to_string_lossy()), value.to_string_lossy().into_owned());
    }
    let mut secrets = BTreeMap::new();
    for (name, secret) in &scenario.secrets {
        let prefix = secret.prefix.as_deref().unwrap_or("wt-");
        let value = match &secret.env {
            None => format!("{prefix}{:016x}{:016x}", random(), random()),
            Some(variable) => std::env::var(&variable.value).map_err(|_| {
                WorldError::Scenario(format!("secrets.{name} is ${}, which is not set", variable.value))
            })?,
        };
        vars.set(format!("secrets.{name}"), value.clone());
        secrets.insert(name.clone(), value);
    }
    let variables: Vec<_> = scenario.variables.iter().map(|(name, value)| (name.clone(), vars.value(value))).collect();
    for (name, value) in variables {
        vars.set(name, value);
    }
    Ok((vars, secrets))
}

/// Unpredictable enough for a secret that lives for one run.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

async fn upstreams(
    scenario: &Scenario,
    vars: &Vars,
    context: Option<&Arc<Context>>,
    origin: Instant,
) -> Result<Upstreams, WorldError> {
    let context = context.filter(|context| context.saboteur.seam() == Side::Upstream);
    let mut all = Upstreams::default();
    for (name, script) in &scenario.providers {
        let mut script = provider(name, &vars.value(&script.value))?;
        let names = tls_names(scenario, name, script.tls);
        let tls = (!names.is_empty()).then(|| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let any_will_do = context.is_some_and(|context| context.saboteur == Saboteur::TlsUnverified);
            CA.faulty_config(if any_will_do { Certificate::Valid } else { script.certificate }, &names)
        });
        // A seam ends TLS itself, so that it can read what it spoils.
        script.tls = tls.is_some() && context.is_none();
        let options = Options {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            origin,
            seed: 0,
            keep_sent: KEPT,
            tls: tls.clone().filter(|_| script.tls),
            ca: Some(CA.clone()),
            ..Options::default()
        };
        let mock = mock_providers::start(name, script, options).await;
        let mock = mock.map_err(|error| WorldError::Scenario(format!("provider {name} cannot start: {error}")))?;
        let mut address = mock.addr();
        if let Some(context) = context {
            let index = context.add_provider(address);
            // A seam reads HTTP/1.1.
            let tls = tls.as_deref().map(without_http2);
            let seam = seam::start(Arc::clone(context), Hop::Provider(index), tls).await;
            let seam = seam.map_err(WorldError::io("a seam cannot start"))?;
            address = seam.address;
            all.seams.push(seam);
        }
        all.addresses.insert(name.clone(), address);
        all.mocks.insert(name.clone(), mock);
    }
    let mut vars = vars.clone();
    all.addresses.iter().for_each(|(name, address)| set_address(&mut vars, name, *address));
    // A script may name any provider, whichever of them stands first.
    for (name, script) in &scenario.providers {
        let filled = vars.value(&script.value);
        if filled != script.value {
            all.mocks[name].set_script(provider(name, &filled)?);
        }
    }
    Ok(all)
}

/// Listeners that nobody must touch; provider scripts may name them.
async fn traps(scenario: &Scenario, origin: Instant) -> Result<BTreeMap<String, MockProvider>, WorldError> {
    let mut traps = BTreeMap::new();
    for name in scenario.traps.iter().map(|trap| &trap.value) {
        let options = Options { bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), origin, ..Options::default() };
        let mock = mock_providers::start(name, mock_providers::script::Provider::default(), options).await;
        let mock = mock.map_err(|error| WorldError::Scenario(format!("trap {name} cannot start: {error}")))?;
        traps.insert(name.clone(), mock);
    }
    Ok(traps)
}

/// The references that lead to a listener of ours.
fn set_address(vars: &mut Vars, name: &str, address: SocketAddr) {
    vars.set(format!("{name}.host"), address.ip().to_string());
    vars.set(format!("{name}.port"), address.port());
    vars.set(format!("{name}.address"), address.to_string());
}

/// The names a provider's certificate must carry; none means plain text.
fn tls_names(scenario: &Scenario, provider: &str, tls: bool) -> Vec<String> {
    let mapped = scenario.connect_to.iter().filter(|(_, to)| to.value == provider);
    let hosts = mapped.filter_map(|(from, _)| from.rsplit_once(':')).filter(|(_, port)| tls || *port == "443");
    let mut names: Vec<String> = hosts.map(|(host, _)| host.to_owned()).collect();
    if tls || !names.is_empty() {
        names.extend(["127.0.0.1".to_owned(), "localhost".to_owned()]);
    }
    names
}

/// The manifests and the text that stands for them.
/// What a target is given: without what is for a capability that it does not claim.
pub(super) fn manifests(loaded: &Loaded, vars: &Vars, target: &Target) -> Result<(Manifests, String), WorldError> {
    if let Some(problem) = load::unset(loaded).first() {
        return Err(WorldError::Scenario(problem.to_string()));
    }
    let mut documents: Vec<Value> = Vec::new();
    let given = |entry: &&At<Value>| manifest::need(&entry.value).is_none_or(|need| target.claims(need));
    for entry in loaded.scenario.gateway.iter().filter(given) {
        let more = manifest::documents(&entry.value, &loaded.root).map_err(WorldError::Scenario)?;
        documents.extend(more.iter().map(|document| vars.value(document)));
    }
    match &loaded.scenario.gateway_text {
        None => {
            let mut manifests = Manifests::new(documents);
            if loaded.scenario.statuses().next().is_some() {
                manifests.count_generations();
            }
            let text = manifests.print();
            Ok((manifests, text))
        }
        Some(text) => {
            let text = vars.text(text);
            let source = gateway::yaml::Source::new(FILE, text.clone());
            let read = |document| gateway::yaml::read::<Value>(&source, document).ok();
            let documents = gateway::yaml::documents(&source).iter().filter_map(read).collect();
            Ok((Manifests::new(documents), text))
        }
    }
}

fn launch(
    scenario: &Scenario,
    folder: &Path,
    manifests: &Manifests,
    upstreams: &Upstreams,
) -> Result<Launch, WorldError> {
    let mut connect_to = Vec::new();
    for (from, provider) in &scenario.connect_to {
        if let Some(address) = upstreams.addresses.get(&provider.value) {
            connect_to.push(format!("{from}={address}"));
        }
    }
    let upstream_ca = folder.join("upstream-ca.pem");
    std::fs::write(&upstream_ca, CA.ca_pem()).map_err(WorldError::io("the run's CA cannot be written"))?;
    Ok(Launch {
        folder: folder.to_owned(),
        config: folder.join(FOLDER),
        ports: manifests.ports(),
        connect_to,
        upstream_ca,
        providers: upstreams.addresses.clone(),
        place: Place::default(),
    })
}

pub(super) async fn client_seams(
    gateway: &Instance,
    context: Option<&Arc<Context>>,
) -> Result<BTreeMap<u16, Seam>, WorldError> {
    let mut seams = BTreeMap::new();
    let Some(context) = context.filter(|context| context.saboteur.seam() == Side::Client) else { return Ok(seams) };
    let listeners = gateway.listeners.iter().map(|(port, address)| (*port, *address));
    let ready = gateway.ready.map(|address| (READY, address));
    let places: Vec<(u16, SocketAddr)> = match context.saboteur {
        Saboteur::ReadyLeaksConfig => ready.into_iter().collect(),
        _ => listeners.collect(),
    };
    for (port, address) in places {
        let seam = seam::start(Arc::clone(context), Hop::Gateway(address), None).await;
        seams.insert(port, seam.map_err(WorldError::io("a seam cannot start"))?);
    }
    Ok(seams)
}
