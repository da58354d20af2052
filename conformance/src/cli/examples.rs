//! What `--help` shows at its end: commands that can be typed as they are.

pub(super) const RUN_EXAMPLES: &str = "\
Examples:
  windtunnel run                                        the suite against the reference gateway
  windtunnel run FO-01 'ST-*'                           some of it
  windtunnel run --profile streaming --repeat 20 --shuffle 7
  windtunnel run ST-10 --sabotage done-invented         see a failure
  windtunnel run --target my-gateway.yaml --report html=run.html,junit=run.xml
  windtunnel run ./checks/                              scenarios of your own";

pub(super) const TRUST_EXAMPLES: &str = "\
Examples:
  windtunnel trust                                      every scenario with every saboteur that it names
  windtunnel trust 'FO-*' --saboteur failover-dropped
  windtunnel trust ./checks/MY-01.yaml";

pub(super) const LIST_EXAMPLES: &str = "\
Examples:
  windtunnel list --saboteurs
  windtunnel list --json | jq -r '.[].id'";

pub(super) const EXPLAIN_EXAMPLES: &str = "\
Examples:
  windtunnel explain FO-01
  windtunnel explain 'SE-*' --yaml";

pub(super) const NEW_EXAMPLES: &str = "\
Examples:
  windtunnel new MY-01 --dir ./checks
  windtunnel new MY-02 --profile failover --title 'Our pool survives its first provider'";

pub(super) const LINT_EXAMPLES: &str = "\
An object allows what it means with the annotation `windtunnel.dev/lint-allow: \"D4, L15\"`.

Examples:
  windtunnel lint manifests/ --deny warning
  kubectl get gateways,httproutes,agentgatewaybackends,agentgatewaypolicies -A -o yaml | windtunnel lint -
  windtunnel lint manifests/ --format github            annotations in a workflow of GitHub
  windtunnel lint --explain D10";

pub(super) const GATEWAY_EXAMPLES: &str = "\
Examples:
  windtunnel gateway --config manifests/ --check
  windtunnel gateway --config manifests/ --listen 80=127.0.0.1:8080
  windtunnel gateway --config kubernetes --gateway default/agentgateway-proxy --bind 0.0.0.0
  windtunnel gateway --config all.yaml --connect-to api.openai.com:443=127.0.0.1:9443 --upstream-ca ca.pem";

pub(super) const CONTROLLER_EXAMPLES: &str = "\
It finds the cluster as kubectl does (KUBECONFIG), or by the service account of its Pod.

Examples:
  windtunnel controller --rbac --namespace windtunnel-system | kubectl apply -f -
  windtunnel controller --namespace windtunnel-system --image registry.example/windtunnel:1
  kubectl get lease windtunnel-controller               who leads";

pub(super) const READY_EXAMPLES: &str = "\
Examples:
  windtunnel ready                                      the gateway of this machine, or container
  windtunnel ready 127.0.0.1:8091 --path /__mock/ready   mock providers";

pub(super) const MOCK_EXAMPLES: &str = "\
Examples:
  windtunnel mock                                       an OpenAI-compatible provider on 127.0.0.1:8090
  windtunnel mock --listen 127.0.0.1:9000 --admin 127.0.0.1:8091
  windtunnel mock --config mocks.yaml --lint            see what is wrong before it starts
  windtunnel mock --config mocks.yaml --write-ca ca.pem --watch
  curl 127.0.0.1:8091/__mock/verdict                    what the caller did wrong";

pub(super) const RECORD_EXAMPLES: &str = "\
No credential is written: neither of requests, nor where an answer repeats it.

Examples:
  windtunnel mock record --upstream https://api.openai.com
  OPENAI_BASE_URL=http://127.0.0.1:8092/v1 python my_agent.py
  windtunnel mock --config recording.yaml               the same answers, at the same times, without the provider
  windtunnel mock record --upstream https://api.openai.com --out agent.yaml --append --timing none";

pub(super) const DECOY_EXAMPLES: &str = "\
Examples:
  windtunnel decoy yes --listen 127.0.0.1:8080
  windtunnel run --target targets/decoys/hang.yaml";

pub(super) const BENCH_EXAMPLES: &str = "\
Examples:
  windtunnel bench                                      the reference gateway against the floor, 500 requests a second
  windtunnel bench --stream --pace 10ms --rate 50       how late events are
  windtunnel bench --rate 500..8000/500 --slo 20ms      how far each comes
  windtunnel bench --connections 32 --prompt 1k,10k,100k
  windtunnel bench --report html=bench.html,json=bench.json
  windtunnel bench --compare bench.json --fail-on-regression 5
Gateways of your own in front of one provider (here `windtunnel mock`):
  windtunnel mock --listen 127.0.0.1:8090
  windtunnel bench --varies --target mine=http://127.0.0.1:8080 --target theirs=http://127.0.0.1:4000 \\
    --provider http://127.0.0.1:8090 --floor builtin --api-key-env GATEWAY_KEY";

pub(super) const FUZZ_EXAMPLES: &str = "\
A case that fails is made smaller and written to --out as a scenario: `windtunnel run FILE` runs it again.

Examples:
  windtunnel fuzz --cases 2000 --faults 5
  windtunnel fuzz --seed 7 --sabotage done-invented";

pub(super) const DIFF_EXAMPLES: &str = "\
Worse is: a scenario that fails and did not before, a new one that fails, one that passed and is left out or gone,
a profile with a lesser result.

Examples:
  windtunnel run --report json=before.json
  windtunnel run --report json=after.json
  windtunnel report diff before.json after.json";

pub(super) const MATRIX_EXAMPLES: &str = "\
Examples:
  windtunnel report matrix one.json another.json > matrix.html";

pub(super) const VALIDATE_EXAMPLES: &str = "\
Examples:
  windtunnel validate --base-url http://127.0.0.1:8090/v1
  windtunnel validate --base-url https://api.example.com/v1 --api-key-env EXAMPLE_KEY --model m-1 --level recommended
  windtunnel validate --base-url http://127.0.0.1:8000/v1 --quirks vllm --report html=backend.html,junit=backend.xml
  windtunnel validate --base-url https://10.0.0.7:8443/v1 --ca ca.pem --max-requests 60
  windtunnel validate --base-url http://127.0.0.1:8090/v1 --through http://127.0.0.1:8080/v1
  windtunnel validate --list
  windtunnel validate --explain TOL-05

Every check is run, unless --only says otherwise; --level says which of them decide the exit code. A deviation that
is known from elsewhere has an id (D01 to D45) and a name for --quirks; one that is announced there does not count.
Exit code 0: nothing that counts is wrong; 1: something is, or nobody answers; 3: not all that counts could be asked, or
nothing that --only names counts.";
