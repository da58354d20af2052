//! Builds a world: secrets, mocks, seams, manifests, gateway, in the order in which they need each other.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use mock_providers::tls::RunCa;
use mock_providers::{MockProvider, Options};
use serde_json::Value;

use super::{FILE, FOLDER, World, WorldError, get, provider, write};
use crate::load::Loaded;
use crate::manifest::{self, Manifests};
use crate::saboteur::{Saboteur, Seam as Side};
use crate::scenario::Scenario;
use crate::seam::{self, Context, Hop, Seam};
use crate::target::{Gateway, Launch};
use crate::telemetry::Metrics;
use crate::vars::Vars;

/// One certificate authority for all scenarios of this process.
static CA: LazyLock<RunCa> = LazyLock::new(RunCa::new);

/// Mocks and the way to them.
#[derive(Default)]
struct Upstreams {
    mocks: BTreeMap<String, MockProvider>,
    seams: Vec<Seam>,
    addresses: BTreeMap<String, SocketAddr>,
}

pub(super) async fn world(loaded: &Loaded, exe: &Path, saboteur: Option<Saboteur>) -> Result<World, WorldError> {
    let scenario = &loaded.scenario;
    let origin = Instant::now();
    let folder = tempfile::tempdir().map_err(WorldError::io("no temporary folder"))?;
    let (mut vars, secrets) = values(scenario);
    // Addresses are not known yet, keys are.
    let leak = manifests(loaded, &vars)?.0.secrets().into_iter().chain(secrets.values().cloned()).next();
    let context = saboteur.map(|saboteur| Arc::new(Context::new(saboteur, leak.unwrap_or_default())));
    let upstreams = upstreams(scenario, &vars, context.as_ref(), origin).await?;
    for (name, address) in &upstreams.addresses {
        vars.set(format!("{name}.host"), address.ip().to_string());
        vars.set(format!("{name}.port"), address.port());
        vars.set(format!("{name}.address"), address.to_string());
    }
    let (manifests, text) = manifests(loaded, &vars)?;
    std::fs::create_dir(folder.path().join(FOLDER)).map_err(WorldError::io("no folder for the manifests"))?;
    write(folder.path(), &text)?;
    let launch = launch(scenario, exe, folder.path(), &manifests, &upstreams)?;
    let gateway = Gateway::start(&launch, origin).await?;
    let client_seams = client_seams(&gateway, context.as_ref()).await?;
    if let Some(address) = gateway.listeners.values().next() {
        vars.set("gateway.address", address.to_string());
    }
    let answer = get(gateway.metrics, "/metrics", origin).await;
    let before = Metrics::parse(&String::from_utf8_lossy(&answer.body)).spoilt(saboteur);
    Ok(World {
        origin,
        vars,
        secrets,
        keys: manifests.secrets(),
        gateway,
        before,
        saboteur,
        context,
        mocks: upstreams.mocks,
        manifests,
        root: Arc::clone(&loaded.root),
        folder,
        client_seams,
        _upstream_seams: upstreams.seams,
    })
}

/// Variables and random secrets.
pub(super) fn values(scenario: &Scenario) -> (Vars, BTreeMap<String, String>) {
    let mut vars = Vars::default();
    for (name, value) in &scenario.variables {
        vars.set(name.clone(), value.clone());
    }
    let mut secrets = BTreeMap::new();
    for (name, secret) in &scenario.secrets {
        let prefix = secret.prefix.as_deref().unwrap_or("wt-");
        let value = format!("{prefix}{:016x}{:016x}", random(), random());
        vars.set(format!("secrets.{name}"), value.clone());
        secrets.insert(name.clone(), value);
    }
    (vars, secrets)
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
        let tls = (!names.is_empty()).then(|| CA.server_config(&names.iter().map(String::as_str).collect::<Vec<_>>()));
        // A seam ends TLS itself, so that it can read what it spoils.
        script.tls = tls.is_some() && context.is_none();
        let options = Options {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            origin,
            seed: 0,
            tls: tls.clone().filter(|_| script.tls),
            ..Options::default()
        };
        let mock = mock_providers::start(name, script, options).await;
        let mock = mock.map_err(|error| WorldError::Scenario(format!("provider {name} cannot start: {error}")))?;
        let mut address = mock.addr();
        if let Some(context) = context {
            let index = context.add_provider(address);
            let seam = seam::start(Arc::clone(context), Hop::Provider(index), tls).await;
            let seam = seam.map_err(WorldError::io("a seam cannot start"))?;
            address = seam.address;
            all.seams.push(seam);
        }
        all.addresses.insert(name.clone(), address);
        all.mocks.insert(name.clone(), mock);
    }
    Ok(all)
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
pub(super) fn manifests(loaded: &Loaded, vars: &Vars) -> Result<(Manifests, String), WorldError> {
    let mut documents: Vec<Value> = Vec::new();
    for entry in &loaded.scenario.gateway {
        let more = manifest::documents(&entry.value, &loaded.root).map_err(WorldError::Scenario)?;
        documents.extend(more.iter().map(|document| vars.value(document)));
    }
    match &loaded.scenario.gateway_text {
        None => {
            let manifests = Manifests::new(documents);
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
    exe: &Path,
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
    let ca = folder.join("upstream-ca.pem");
    std::fs::write(&ca, CA.ca_pem()).map_err(WorldError::io("the run's CA cannot be written"))?;
    Ok(Launch {
        exe: exe.to_owned(),
        config: folder.join(FOLDER),
        ports: manifests.ports(),
        connect_to,
        upstream_ca: Some(ca),
    })
}

async fn client_seams(gateway: &Gateway, context: Option<&Arc<Context>>) -> Result<BTreeMap<u16, Seam>, WorldError> {
    let mut seams = BTreeMap::new();
    let Some(context) = context.filter(|context| context.saboteur.seam() == Side::Client) else { return Ok(seams) };
    for (port, address) in &gateway.listeners {
        let seam = seam::start(Arc::clone(context), Hop::Gateway(*address), None).await;
        seams.insert(*port, seam.map_err(WorldError::io("a seam cannot start"))?);
    }
    Ok(seams)
}
