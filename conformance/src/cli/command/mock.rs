//! `windtunnel mock`: mock providers until Ctrl-C or SIGTERM.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use gateway::yaml::{self, Problem, Source};
use mock_providers::script::{Certificate, Config, Provider};
use mock_providers::tls::RunCa;
use mock_providers::{MockProvider, Options};
use tokio::signal::unix::{SignalKind, signal};

use super::{Error, print};
use crate::cli::MockArgs;

/// Where the provider listens when there is no configuration.
const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8090);

pub(super) fn mock(args: &MockArgs) -> Result<ExitCode, Error> {
    let config = match &args.config {
        Some(path) => read(path)?,
        None => default_config(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Error::io("no runtime"))?.block_on(serve(config, args.write_ca.as_deref()))
}

fn default_config() -> Config {
    let provider = Provider { listen: Some(DEFAULT), ..Provider::default() };
    Config { providers: [("openai".to_owned(), provider)].into(), ..Config::default() }
}

fn read(path: &Path) -> Result<Config, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path.display().to_string()))?;
    let source = Source::new(path, text);
    match yaml::documents(&source).as_slice() {
        [one] => match yaml::read::<Config>(&source, one) {
            Ok(config) if config.providers.is_empty() => {
                let problem =
                    Problem::of_file(path, "there are no `providers`").with_hint("such as `providers: {a: {}}`");
                Err(Error::Input(problem.to_string()))
            }
            read => read.map_err(|problem| Error::Input(problem.to_string())),
        },
        _ => Err(Error::Input(format!("{}: a mock configuration is one document", path.display()))),
    }
}

async fn serve(config: Config, write_ca: Option<&Path>) -> Result<ExitCode, Error> {
    let ca = Arc::new(RunCa::new());
    if let Some(path) = write_ca {
        std::fs::write(path, ca.ca_pem()).map_err(Error::io(path.display().to_string()))?;
    }
    // Listening first: whoever reads the addresses may send a signal at once.
    let (mut term, mut int) = (
        signal(SignalKind::terminate()).map_err(Error::io("no signals"))?,
        signal(SignalKind::interrupt()).map_err(Error::io("no signals"))?,
    );
    let mut running: Vec<MockProvider> = Vec::new();
    for (name, provider) in config.providers {
        let tls = provider.tls;
        let options = Options {
            bind: provider.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            seed: config.seed.unwrap_or(0),
            tls: tls.then(|| match provider.certificate {
                Certificate::Valid => ca.server_config_for_any_name(),
                faulty => ca.faulty_config(faulty, &["localhost", "127.0.0.1"]),
            }),
            ca: Some(ca.clone()),
            journal: 1000,
            ..Options::default()
        };
        let mock = mock_providers::start(&name, provider, options).await;
        let mock = mock.map_err(|error| Error::Input(format!("provider {name} cannot start: {error}")))?;
        let scheme = if tls { "https" } else { "http" };
        print(&format!("listening provider={name} address={scheme}://{}\n", mock.addr()))?;
        running.push(mock);
    }
    tokio::select! { _ = term.recv() => {} _ = int.recv() => {} }
    Ok(ExitCode::SUCCESS)
}
