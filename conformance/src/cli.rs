//! The command line of `windtunnel`: flags and their meaning, nothing else. One file per command does the work.

pub mod bench;
pub mod command;
mod examples;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::scenario::text::Span;

/// A conformance and simulation harness for LLM gateways, around a reference gateway.
#[derive(Debug, Parser)]
#[command(name = "windtunnel", version, propagate_version = true, max_term_width = 120)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios against a gateway (exit code 0 ok, 1 the gateway failed, 2 bad input or our error, 3 nothing ran)
    Run(RunArgs),
    /// Try each scenario with the saboteurs that it names (exit code 0 all turn red, 1 not, 3 nothing ran)
    Trust(TrustArgs),
    /// Try random scripts and requests against a gateway (exit code 0 all invariants held, 1 not, 3 nothing ran)
    Fuzz(FuzzArgs),
    /// List scenarios, or saboteurs, capabilities, profiles
    List(ListArgs),
    /// Say what a scenario demands, and why
    Explain(ExplainArgs),
    /// Write a new scenario that runs as it is
    New(NewArgs),
    /// Print the JSON Schema of a kind of file, for editors, or the CRDs, for kubectl
    Schema {
        /// The kind of file
        #[arg(value_enum, default_value_t = crate::schema::Kind::Scenario)]
        kind: crate::schema::Kind,
    },
    /// Compare reports that `run --report json=FILE` wrote
    Report(ReportArgs),
    /// Find traps in agentgateway and Gateway API manifests (exit code 0 none, 1 found, 2 bad input)
    Lint(LintArgs),
    /// Say whether a backend is compatible with OpenAI's API (exit code 0 it is, 1 it is not, 2 bad input, 3 not all that counts could be asked)
    Validate(Box<ValidateArgs>),
    /// Run the reference gateway
    Gateway(Box<GatewayArgs>),
    /// Deploy the Gateways of a Kubernetes cluster, and write the status of its objects
    Controller(ControllerArgs),
    /// Say whether a gateway, or what has such a path, is ready (exit code 0 it is, 1 not): the image's health check
    Ready(ReadyArgs),
    /// Run mock providers
    Mock(MockArgs),
    /// Measure what gateways cost beside a floor (exit code 0 ok, 1 a target failed, 2 bad input, 3 nothing measured)
    ///
    /// Requests are sent at times that are fixed beforehand, and latency counts from then (open loop). Windows of all
    /// targets take turns, so that what is told is the difference of neighbours, with its confidence interval. A window
    /// with a failed request is void. Without --target it measures the reference gateway: it starts a mock provider, the
    /// floor (a bare hyper proxy) and the gateway with all its telemetry, as processes of this program on free ports.
    Bench(Box<bench::BenchArgs>),
    /// Run a decoy: something that is no gateway, to try the suite on
    Decoy(DecoyArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Flags of `run`.
#[derive(Debug, Args)]
#[command(after_help = examples::RUN_EXAMPLES)]
pub struct RunArgs {
    /// Ids, globs such as 'FO-*', files or folders; default is the whole suite
    pub names: Vec<String>,
    /// The value of a scenario's variable, instead of the one in its file (may be given several times)
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub variables: Vec<String>,
    /// The gateway under test: `reference`, `docker`, `kubernetes`, or a target file
    #[arg(
        long,
        value_name = "reference|docker|kubernetes|FILE",
        env = "WINDTUNNEL_TARGET",
        default_value = "reference"
    )]
    pub target: String,
    /// Also scenarios that take long
    #[arg(long, env = "WINDTUNNEL_LONG", value_parser = clap::builder::BoolishValueParser::new())]
    pub long: bool,
    /// Only scenarios of this profile (may be given several times)
    #[arg(long = "profile", value_name = "PROFILE", env = "WINDTUNNEL_PROFILE", value_delimiter = ',')]
    pub profiles: Vec<String>,
    /// Put this defect around the gateway; see `list --saboteurs`
    #[arg(long, value_name = "NAME", env = "WINDTUNNEL_SABOTAGE")]
    pub sabotage: Option<String>,
    /// Write reports: html=FILE, junit=FILE, json=FILE, yaml=FILE, tap=FILE, badge=FILE.svg
    #[arg(long, value_name = "KIND=FILE", env = "WINDTUNNEL_REPORT", value_delimiter = ',')]
    pub report: Vec<crate::report::Sink>,
    /// Run each scenario so many times
    #[arg(long, value_name = "N", env = "WINDTUNNEL_REPEAT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
    /// Run in an order drawn from this seed
    #[arg(long, value_name = "SEED", env = "WINDTUNNEL_SHUFFLE")]
    pub shuffle: Option<u64>,
    /// Scenarios at once; default is four for each core
    #[arg(long, value_name = "N", env = "WINDTUNNEL_JOBS", value_parser = clap::value_parser!(u32).range(1..))]
    pub jobs: Option<u32>,
    /// Stop at the first scenario that does not pass
    #[arg(long, env = "WINDTUNNEL_FAIL_FAST", value_parser = clap::builder::BoolishValueParser::new())]
    pub fail_fast: bool,
    /// The scenario folder; default is the nearest `scenarios` from here upward, else the suite in this program
    #[arg(long, value_name = "DIR", env = "WINDTUNNEL_SCENARIOS")]
    pub scenarios: Option<PathBuf>,
}

/// Flags of `trust`.
#[derive(Debug, Args)]
#[command(after_help = examples::TRUST_EXAMPLES)]
pub struct TrustArgs {
    /// Ids, globs such as 'FO-*', or files; default is the whole suite
    pub names: Vec<String>,
    /// Only this saboteur; may be given again
    #[arg(long, value_name = "NAME")]
    pub saboteur: Vec<String>,
    /// Try every scenario with every saboteur
    #[arg(long)]
    pub full: bool,
    /// Also scenarios that take long
    #[arg(long)]
    pub long: bool,
    /// Runs at once; default is four for each core
    #[arg(long, value_name = "N", env = "WINDTUNNEL_JOBS", value_parser = clap::value_parser!(u32).range(1..))]
    pub jobs: Option<u32>,
    /// Write a report: json=FILE
    #[arg(long, value_name = "KIND=FILE", value_delimiter = ',')]
    pub report: Vec<crate::report::Sink>,
    /// So many pairs of a hundred must turn red
    #[arg(long, value_name = "PERCENT", default_value_t = 100.0)]
    pub min_score: f64,
    /// The scenario folder; default is the nearest `scenarios` from here upward
    #[arg(long, value_name = "DIR", env = "WINDTUNNEL_SCENARIOS")]
    pub scenarios: Option<PathBuf>,
}

/// Flags of `fuzz`.
#[derive(Debug, Args)]
#[command(after_help = examples::FUZZ_EXAMPLES)]
pub struct FuzzArgs {
    /// The gateway under test: `reference`, `docker`, `kubernetes`, or a target file
    #[arg(
        long,
        value_name = "reference|docker|kubernetes|FILE",
        env = "WINDTUNNEL_TARGET",
        default_value = "reference"
    )]
    pub target: String,
    /// So many random cases
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub cases: u32,
    /// Where the cases begin; default is drawn and printed
    #[arg(long, value_name = "SEED")]
    pub seed: Option<u64>,
    /// Put this defect around the gateway; see `list --saboteurs`
    #[arg(long, value_name = "NAME", env = "WINDTUNNEL_SABOTAGE")]
    pub sabotage: Option<String>,
    /// Cases at once; default is four for each core
    #[arg(long, value_name = "N", env = "WINDTUNNEL_JOBS", value_parser = clap::value_parser!(u32).range(1..))]
    pub jobs: Option<u32>,
    /// Go on until so many different faults are found
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub faults: u32,
    /// How long a fault is made smaller
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub shrink: Duration,
    /// Where scenarios of faults are written
    #[arg(long, value_name = "DIR", default_value = "faults")]
    pub out: PathBuf,
}

/// Flags of `list`.
#[derive(Debug, Args)]
#[command(after_help = examples::LIST_EXAMPLES)]
pub struct ListArgs {
    /// List the saboteurs
    #[arg(long, group = "what")]
    pub saboteurs: bool,
    /// List the capabilities
    #[arg(long, group = "what")]
    pub capabilities: bool,
    /// List the profiles
    #[arg(long, group = "what")]
    pub profiles: bool,
    /// List the options that a target may declare
    #[arg(long, group = "what")]
    pub options: bool,
    /// As JSON, for machines
    #[arg(long)]
    pub json: bool,
    /// The scenario folder; default is the nearest `scenarios` from here upward, else the suite in this program
    #[arg(long, value_name = "DIR", env = "WINDTUNNEL_SCENARIOS")]
    pub scenarios: Option<PathBuf>,
}

/// Flags of `explain`.
#[derive(Debug, Args)]
#[command(after_help = examples::EXPLAIN_EXAMPLES)]
pub struct ExplainArgs {
    /// Ids, globs or files
    #[arg(required = true)]
    pub names: Vec<String>,
    /// The file itself
    #[arg(long)]
    pub yaml: bool,
    /// The scenario folder; default is the nearest `scenarios` from here upward, else the suite in this program
    #[arg(long, value_name = "DIR", env = "WINDTUNNEL_SCENARIOS")]
    pub scenarios: Option<PathBuf>,
}

/// Flags of `new`.
#[derive(Debug, Args)]
#[command(after_help = examples::NEW_EXAMPLES)]
pub struct NewArgs {
    /// The id: a group in capital letters and a number, such as FO-31 or MY-01
    pub id: String,
    /// The requirement in one sentence
    #[arg(long)]
    pub title: Option<String>,
    /// The profile; default is that of the id's group
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// Where the file goes; default is the group's folder in the nearest `scenarios` from here upward, else here
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Flags of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: ReportCommand,
}

/// What can be done with reports.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Say what changed (exit code 0 nothing got worse, 1 something did, 2 a file is no report)
    #[command(after_help = examples::DIFF_EXAMPLES)]
    Diff {
        /// The older report
        #[arg(value_name = "OLD.json")]
        old: PathBuf,
        /// The newer report
        #[arg(value_name = "NEW.json")]
        new: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print one HTML page with the targets side by side
    #[command(after_help = examples::MATRIX_EXAMPLES)]
    Matrix {
        /// One report for each target
        #[arg(required = true, value_name = "REPORT.json")]
        reports: Vec<PathBuf>,
    },
}

/// Flags of `lint`.
#[derive(Debug, Args)]
#[command(after_help = examples::LINT_EXAMPLES)]
pub struct LintArgs {
    /// Files, folders, or `-` for standard input; linted together, as they would be applied
    #[arg(required_unless_present_any = ["explain", "list"])]
    pub manifests: Vec<PathBuf>,
    /// How findings are shown
    #[arg(long, value_enum, env = "WINDTUNNEL_LINT_FORMAT", default_value = "text")]
    pub format: crate::lint::show::Format,
    /// Exit with 1 for findings of this severity and worse
    #[arg(long, value_enum, value_name = "SEVERITY", env = "WINDTUNNEL_LINT_DENY", default_value = "error")]
    pub deny: crate::lint::Severity,
    /// Leave out findings that are less bad
    #[arg(long, value_enum, value_name = "SEVERITY", env = "WINDTUNNEL_LINT_LEVEL", default_value = "info")]
    pub level: crate::lint::Severity,
    /// Leave out these rules everywhere
    #[arg(long, value_name = "IDS", env = "WINDTUNNEL_LINT_ALLOW", value_delimiter = ',', value_parser = rule)]
    pub allow: Vec<&'static crate::lint::Rule>,
    /// Say what a rule is about, with manifests that trip it and that do not
    #[arg(long, value_name = "ID", value_parser = rule, conflicts_with_all = ["manifests", "list"])]
    pub explain: Option<&'static crate::lint::Rule>,
    /// List the rules
    #[arg(long, conflicts_with = "manifests")]
    pub list: bool,
}

/// Flags of `validate`.
#[derive(Debug, Args)]
#[command(after_help = examples::VALIDATE_EXAMPLES)]
pub struct ValidateArgs {
    /// Where the backend's API begins, as a client's `base_url`; without a path it is `/v1`
    #[arg(long, value_name = "URL", env = "WINDTUNNEL_BASE_URL", required_unless_present_any = ["list", "explain"])]
    pub base_url: Option<String>,
    /// The chat model; default is the first in /models that looks like one
    #[arg(long, value_name = "MODEL", env = "WINDTUNNEL_MODEL", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub model: Option<String>,
    /// The embeddings model; default is the first in /models that looks like one
    #[arg(long, value_name = "MODEL", env = "WINDTUNNEL_EMBEDDINGS_MODEL", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub embeddings_model: Option<String>,
    /// The model's context window in tokens; default is what the backend tells of it
    #[arg(long, value_name = "TOKENS", env = "WINDTUNNEL_CONTEXT_WINDOW", value_parser = clap::value_parser!(u64).range(1..))]
    pub context_window: Option<u64>,
    /// The environment variable that holds the key; without it no key is sent
    #[arg(long, value_name = "VAR", env = "WINDTUNNEL_API_KEY_ENV")]
    pub api_key_env: Option<String>,
    /// One more header for each request (may be given several times)
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// PEM roots trusted beside the public ones
    #[arg(long, value_name = "FILE", env = "WINDTUNNEL_CA")]
    pub ca: Option<PathBuf>,
    /// Deviations that are known: profiles such as vllm, or quirks such as index_missing; others count
    #[arg(long, value_name = "NAMES", env = "WINDTUNNEL_QUIRKS", value_delimiter = ',')]
    pub quirks: Vec<String>,
    /// Only checks of these ids, globs or areas: STR-03, 'TOL-*', streaming
    #[arg(long, value_name = "NAMES", env = "WINDTUNNEL_ONLY", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Down to which level a check that does not pass counts; all are run and told
    #[arg(long, value_enum, env = "WINDTUNNEL_LEVEL", default_value = "required")]
    pub level: crate::validate::check::Level,
    /// Also through this gateway; only what it changes is told, and counts when it is for the worse, twice
    #[arg(long, value_name = "URL", env = "WINDTUNNEL_THROUGH")]
    pub through: Option<String>,
    /// Write reports: json=FILE, junit=FILE, html=FILE, md=FILE
    #[arg(long, value_name = "KIND=FILE", env = "WINDTUNNEL_REPORT", value_delimiter = ',')]
    pub report: Vec<crate::report::Sink<crate::validate::report::Kind>>,
    /// Requests at once, at most 256; the load checks send 16
    #[arg(long, value_name = "N", env = "WINDTUNNEL_CONCURRENCY", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub concurrency: u32,
    /// Requests at most, with --through half of them each way; checks that would need more are skipped
    #[arg(long, value_name = "N", env = "WINDTUNNEL_MAX_REQUESTS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_requests: u32,
    /// Also ask until the backend says 429, with so many requests at most
    #[arg(long, value_name = "N", env = "WINDTUNNEL_BURST", value_parser = clap::value_parser!(u32).range(1..))]
    pub burst: Option<u32>,
    /// How long one request may take; a run takes at most 20 times as long (with --through there are two, and two more of
    /// what is worse)
    #[arg(long, value_name = "TIME", env = "WINDTUNNEL_TIMEOUT", default_value = "60s", value_parser = patience)]
    pub timeout: Duration,
    /// List the checks
    #[arg(long, conflicts_with = "explain")]
    pub list: bool,
    /// Say what a check is about, and which deviations it tells
    #[arg(long, value_name = "ID")]
    pub explain: Option<String>,
}

/// Flags of `gateway`.
#[derive(Debug, Args)]
#[command(after_help = examples::GATEWAY_EXAMPLES)]
pub struct GatewayArgs {
    /// A manifest file, or a folder of them, watched for changes; or `kubernetes`: the objects of a cluster
    #[arg(long, value_name = "FILE|DIR|kubernetes", env = "WINDTUNNEL_CONFIG")]
    pub config: PathBuf,
    /// Serve only this Gateway of the cluster; default is all of our class
    #[arg(long, value_name = "NS/NAME", env = "WINDTUNNEL_GATEWAY", value_parser = object_id)]
    pub gateway: Option<String>,
    /// Only say whether the manifests are right (exit code 0) or not (1)
    #[arg(long)]
    pub check: bool,
    /// Address of listeners that --listen does not name
    #[arg(long, value_name = "ADDR", env = "WINDTUNNEL_BIND", default_value = "127.0.0.1")]
    pub bind: IpAddr,
    /// Where the Gateway's listener port really listens; port 0 lets the system choose
    #[arg(long, value_name = "PORT=ADDR:PORT", env = "WINDTUNNEL_LISTEN", value_delimiter = ',', value_parser = gateway::options::parse_listen)]
    pub listen: Vec<(u16, SocketAddr)>,
    /// Connect to another address than the upstream's; names and TLS stay
    #[arg(long, value_name = "HOST:PORT=ADDR:PORT", env = "WINDTUNNEL_CONNECT_TO", value_delimiter = ',')]
    pub connect_to: Vec<gateway::options::ConnectTo>,
    /// PEM roots trusted for upstreams beside the public ones
    #[arg(long, value_name = "FILE", env = "WINDTUNNEL_UPSTREAM_CA")]
    pub upstream_ca: Option<PathBuf>,
    /// Address of /metrics
    #[arg(long, value_name = "ADDR:PORT", env = "WINDTUNNEL_METRICS", default_value = "127.0.0.1:15020")]
    pub metrics: SocketAddr,
    /// Address of /healthz/ready
    #[arg(long, value_name = "ADDR:PORT", env = "WINDTUNNEL_READY", default_value = "127.0.0.1:15021")]
    pub ready: SocketAddr,
    /// Address of the admin page, and of /status: every object's conditions as JSON
    #[arg(long, value_name = "ADDR:PORT", env = "WINDTUNNEL_ADMIN", default_value = "127.0.0.1:15000")]
    pub admin: SocketAddr,
    /// No admin page, and nothing kept for it
    #[arg(long, env = "WINDTUNNEL_NO_ADMIN", value_parser = clap::builder::BoolishValueParser::new())]
    pub no_admin: bool,
    /// How long new requests are still accepted after SIGTERM
    #[arg(long, value_name = "TIME", env = "WINDTUNNEL_GRACE", default_value = "5s", value_parser = duration)]
    pub grace: Duration,
    /// How long requests in flight may take to end after that
    #[arg(long, value_name = "TIME", env = "WINDTUNNEL_DRAIN", default_value = "60s", value_parser = duration)]
    pub drain: Duration,
    /// How long a client may take to send a request's head, also after the answer before
    #[arg(long, value_name = "TIME", env = "WINDTUNNEL_HEADER_TIMEOUT", default_value = "60s", value_parser = duration)]
    pub header_timeout: Duration,
    /// How long a client may take to send a body; one that comes at 8 KiB a second has longer
    #[arg(long, value_name = "TIME", env = "WINDTUNNEL_BODY_TIMEOUT", default_value = "60s", value_parser = duration)]
    pub body_timeout: Duration,
    /// How long a client may take nothing of its answer
    #[arg(long, value_name = "TIME", env = "WINDTUNNEL_READER_TIMEOUT", default_value = "60s", value_parser = duration)]
    pub reader_timeout: Duration,
    /// Most client connections of a listener port; more wait to be accepted
    #[arg(long, value_name = "N", env = "WINDTUNNEL_CONNECTIONS", default_value_t = 16384, value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,
    /// Write prompts and answers into the access log
    #[arg(long, env = "WINDTUNNEL_LOG_BODIES", value_parser = clap::builder::BoolishValueParser::new())]
    pub log_bodies: bool,
    /// Prices of models (USD per million tokens), for cost in log and metrics; a file of your own, watched
    #[arg(long, value_name = "FILE", env = "WINDTUNNEL_MODEL_CATALOG")]
    pub model_catalog: Option<PathBuf>,
    /// Lines of the access log: `json`, `text`, or `auto` for text on a terminal and JSON elsewhere
    #[arg(long, value_name = "FORM", env = "LOG_FORMAT", value_enum, default_value = "auto")]
    pub log_format: LogForm,
    /// End at once when standard input ends: for a run that may be killed itself
    #[arg(long, hide = true)]
    pub until_stdin_ends: bool,
    /// Cores to use; default is all
    #[arg(long, value_name = "N", env = "WINDTUNNEL_WORKERS", value_parser = clap::value_parser!(u32).range(1..))]
    pub workers: Option<u32>,
}

/// Flags of `controller`.
#[derive(Debug, Args)]
#[command(after_help = examples::CONTROLLER_EXAMPLES)]
pub struct ControllerArgs {
    /// Who it is among the controllers of the cluster; default is the host's name and the process id
    #[arg(long, value_name = "NAME", env = "WINDTUNNEL_IDENTITY", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub identity: Option<String>,
    /// Where its Lease is; default is the namespace of the Pod or kubeconfig
    #[arg(long, value_name = "NAMESPACE", env = "WINDTUNNEL_NAMESPACE")]
    pub namespace: Option<String>,
    /// How long another controller waits for a leader that has fallen silent; a second at least
    #[arg(long, value_name = "TIME", env = "WINDTUNNEL_LEASE", default_value = "15s", value_parser = term)]
    pub lease: Duration,
    /// The data plane's image where AgentgatewayParameters name no other
    #[arg(long, value_name = "IMAGE", env = "WINDTUNNEL_IMAGE", default_value = concat!("windtunnel:", env!("CARGO_PKG_VERSION")))]
    pub image: String,
    /// Address of /healthz/ready, /healthz/live and /metrics; default is none
    #[arg(long, value_name = "ADDR:PORT", env = "WINDTUNNEL_CONTROLLER_READY")]
    pub ready: Option<SocketAddr>,
    /// Print what lets it work, and its data planes read: a service account, roles and a binding
    #[arg(long)]
    pub rbac: bool,
    /// End at once when standard input ends: for a run that may be killed itself
    #[arg(long, hide = true)]
    pub until_stdin_ends: bool,
}

/// Flags of `ready`.
#[derive(Debug, Args)]
#[command(after_help = examples::READY_EXAMPLES)]
pub struct ReadyArgs {
    /// Where it is asked; 0.0.0.0 stands for this machine
    #[arg(value_name = "ADDR:PORT", env = "WINDTUNNEL_READY", default_value = "127.0.0.1:15021")]
    pub address: SocketAddr,
    /// What is asked for
    #[arg(long, value_name = "PATH", default_value = "/healthz/ready")]
    pub path: String,
}

/// How lines of the access log are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogForm {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object.
    Json,
    /// `key=value`.
    Text,
}

impl LogForm {
    /// The form for this output.
    #[must_use]
    pub fn of(self, output: &impl std::io::IsTerminal) -> gateway::telemetry::Form {
        match self {
            Self::Json => gateway::telemetry::Form::Json,
            Self::Auto if !output.is_terminal() => gateway::telemetry::Form::Json,
            Self::Auto | Self::Text => gateway::telemetry::Form::Text,
        }
    }
}

/// Flags of `mock`.
#[derive(Debug, Args)]
#[command(after_help = examples::MOCK_EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct MockArgs {
    /// Something else than mock providers.
    #[command(subcommand)]
    pub command: Option<MockCommand>,
    /// Providers and their scripts, followed for changes; default is an OpenAI-compatible provider on 127.0.0.1:8090
    #[arg(long, value_name = "FILE", env = "WINDTUNNEL_MOCK_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where the provider listens when there is no configuration
    #[arg(long, value_name = "ADDR:PORT", env = "WINDTUNNEL_MOCK_LISTEN", conflicts_with = "config")]
    pub listen: Option<SocketAddr>,
    /// Where the admin API listens; wins over the configuration's `admin`
    #[arg(long, value_name = "ADDR:PORT", env = "WINDTUNNEL_MOCK_ADMIN")]
    pub admin: Option<SocketAddr>,
    /// Only say what is wrong with the configuration (exit code 1 when there are errors, 0 for warnings and none)
    #[arg(long, conflicts_with = "watch")]
    pub lint: bool,
    /// Show providers and exchanges live on the terminal, until Ctrl-C
    #[arg(long, env = "WINDTUNNEL_MOCK_WATCH", value_parser = clap::builder::BoolishValueParser::new())]
    pub watch: bool,
    /// Threads that carry connections; default is half of the cores
    #[arg(long, value_name = "N", env = "WINDTUNNEL_MOCK_THREADS", value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<u32>,
    /// Seeds everything that is made up; wins over the configuration's `seed`
    #[arg(long, value_name = "N", env = "WINDTUNNEL_MOCK_SEED")]
    pub seed: Option<u64>,
    /// Write the certificate of the CA that signs for `tls: true` providers to this file
    #[arg(long, value_name = "FILE", env = "WINDTUNNEL_MOCK_CA")]
    pub write_ca: Option<PathBuf>,
    /// End at once when standard input ends: for a run that may be killed itself
    #[arg(long, hide = true)]
    pub until_stdin_ends: bool,
}

/// What `mock` can do besides.
#[derive(Debug, Subcommand)]
pub enum MockCommand {
    /// Relay requests to a real provider, and write a configuration that answers them again
    Record(RecordArgs),
}

/// Flags of `mock record`.
#[derive(Debug, Args)]
#[command(after_help = examples::RECORD_EXAMPLES)]
pub struct RecordArgs {
    /// The provider; a path in it stands before the path of each request
    #[arg(long, value_name = "URL", env = "WINDTUNNEL_RECORD_UPSTREAM")]
    pub upstream: String,
    /// Where clients connect, and where the recording listens later
    #[arg(long, value_name = "ADDR:PORT", env = "WINDTUNNEL_RECORD_LISTEN", default_value = "127.0.0.1:8092")]
    pub listen: SocketAddr,
    /// The file that is written, anew after each exchange
    #[arg(long, value_name = "FILE", env = "WINDTUNNEL_RECORD_OUT", default_value = "recording.yaml")]
    pub out: PathBuf,
    /// PEM roots trusted for the provider instead of the public ones
    #[arg(long, value_name = "FILE", env = "WINDTUNNEL_UPSTREAM_CA")]
    pub upstream_ca: Option<PathBuf>,
    /// Whether the recording has the provider's times
    #[arg(long, value_enum, default_value = "exact", env = "WINDTUNNEL_RECORD_TIMING")]
    pub timing: RecordTiming,
    /// Go on with a recording that is there
    #[arg(long, conflicts_with = "force")]
    pub append: bool,
    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
}

/// Which times a recording has.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum RecordTiming {
    /// The provider's, to a millisecond
    Exact,
    /// Everything is answered at once
    None,
}

/// Flags of `decoy`.
#[derive(Debug, Args)]
#[command(after_help = examples::DECOY_EXAMPLES)]
pub struct DecoyArgs {
    /// What it does
    #[arg(value_enum)]
    pub kind: crate::decoy::Decoy,
    /// Where it listens; a port before `=` is passed over, so that a target file's ${listeners} can be given
    #[arg(long, value_name = "[PORT=]ADDR:PORT", required = true, value_delimiter = ',', value_parser = place)]
    pub listen: Vec<Place>,
    /// Where tcp and floor pass on to
    #[arg(long, value_name = "ADDR:PORT")]
    pub to: Option<SocketAddr>,
    /// End at once when standard input ends: for a run that may be killed itself
    #[arg(long, hide = true)]
    pub until_stdin_ends: bool,
}

/// An address to listen on.
#[derive(Debug, Clone, Copy)]
pub struct Place(pub SocketAddr);

fn place(text: &str) -> Result<Place, String> {
    let address = text.rsplit('=').next().unwrap_or(text);
    address.parse().map(Place).map_err(|_| format!("`{address}` is not ADDR:PORT"))
}

fn rule(text: &str) -> Result<&'static crate::lint::Rule, String> {
    crate::lint::Rule::named(text).ok_or_else(|| format!("no rule is called `{text}`; see `windtunnel lint --list`"))
}

fn object_id(text: &str) -> Result<String, String> {
    let named = |(namespace, name): (&str, &str)| !namespace.is_empty() && !name.is_empty() && !name.contains('/');
    let good = text.split_once('/').is_some_and(named);
    if good {
        Ok(text.to_owned())
    } else {
        Err("a Gateway is NAMESPACE/NAME, as in default/agentgateway-proxy".to_owned())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    Span::parse(text).map(|span| span.0).ok_or_else(|| "a duration has a unit: 250ms, 1.5s, 2m".to_owned())
}

/// What one request may take: some time, and not for ever.
fn patience(text: &str) -> Result<Duration, String> {
    const MOST: Duration = Duration::from_secs(24 * 60 * 60);
    let time = duration(text)?;
    let some = time >= Duration::from_millis(1) && time <= MOST;
    some.then_some(time).ok_or_else(|| "a request takes from 1ms to 24h".to_owned())
}

/// A Lease counts in whole seconds.
fn term(text: &str) -> Result<Duration, String> {
    let term = duration(text)?;
    let whole = term.subsec_nanos() == 0 && term.as_secs() > 0;
    whole.then_some(term).ok_or_else(|| "a Lease counts in whole seconds: 1s, 15s".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
