//! The environment's variables, read and refused.

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Environment, String> {
    let get = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Environment::read(get).map_err(|error| error.to_string())
}

fn collector(variables: &[(&str, &str)]) -> Collector {
    (*read(variables).unwrap().tracing.unwrap().collector).clone()
}

#[test]
fn nothing_is_exported_unless_the_environment_says_where() {
    assert!(read(&[]).unwrap().tracing.is_none());
    let (endpoint, exporter) = (("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4317"), "OTEL_TRACES_EXPORTER");
    assert!(read(&[endpoint]).unwrap().tracing.is_some());
    assert!(read(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]).unwrap().tracing.is_none());
    assert!(read(&[endpoint, (exporter, "none")]).unwrap().tracing.is_none());
    let found = collector(&[(exporter, "otlp")]);
    assert_eq!((&*found.endpoint.host, found.endpoint.port, &*found.path), ("localhost", 4317, GRPC_PATH));
}

#[test]
fn a_variable_of_traces_beats_the_general_one_and_has_its_own_path() {
    let general =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", "https://a/base/"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")];
    let found = collector(&general);
    assert_eq!((found.endpoint.port, &*found.path), (443, "/base/v1/traces"));
    let mut both = general.to_vec();
    both.extend([
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://[::1]:9/own"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
    ]);
    let found = collector(&both);
    assert_eq!((&*found.endpoint.host, found.endpoint.port, &*found.path), ("::1", 9, "/own"));
    assert_eq!(found.timeout, Duration::from_millis(250));
}

#[test]
fn the_service_has_the_name_that_is_said_most_clearly() {
    let all = [("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,team=x%2Cy"), ("OTEL_SERVICE_NAME", "b")];
    let resource = read(&all).unwrap().resource;
    assert_eq!(resource, [("team".into(), "x,y".into()), ("service.name".into(), "b".into())]);
}

#[test]
fn headers_are_secrets() {
    let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20sk-secret,x-scope=sk-other");
    let read_all = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"), headers]).unwrap();
    assert_eq!(read_all.tracing.as_ref().unwrap().collector.headers[0].1, "Bearer sk-secret");
    assert!(!format!("{read_all:?}").contains("sk-"));
    for bad in ["sk-secret", "=sk-secret", "a b=sk-secret", "a=sk-secret%zz", "a=sk-secret%0a"] {
        let told = read(&[("OTEL_EXPORTER_OTLP_HEADERS", bad)]).unwrap_err();
        assert!(told.contains("OTEL_EXPORTER_OTLP_HEADERS: entry 1") && !told.contains("sk-"), "{told}");
    }
}

#[test]
fn what_cannot_be_used_is_told_by_name_with_what_to_write() {
    for (name, value, told) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "http://collector:4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me@collector:4317", "has a user in it"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:0", "no usable port"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "write grpc or http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "write none"),
        ("OTEL_TRACES_EXPORTER", "jaeger", "write otlp or none"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "parentbased_"),
        ("OTEL_SDK_DISABLED", "yes", "neither true nor false"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team", "has no `=`"),
    ] {
        let error = read(&[(name, value)]).unwrap_err();
        assert!(error.contains(name) && error.contains(told), "{error}");
    }
    let ratio = read(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")]).unwrap_err();
    assert!(ratio.contains("OTEL_TRACES_SAMPLER_ARG: not a number from 0 to 1"), "{ratio}");
}

#[test]
fn samplers_are_opentelemetrys() {
    let of = |sampler: &str| {
        let tracing = [("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_TRACES_SAMPLER", sampler)];
        let tracing = read(&tracing).unwrap().tracing.unwrap();
        let share = |chance: &Chance| match chance {
            Chance::Share(share) => *share > 0,
            Chance::Expression(_) => unreachable!("the environment has no expressions"),
        };
        let sampling = &tracing.sampling;
        (sampling.root.as_ref().is_some_and(share), share(&sampling.client), sampling.heed_flag)
    };
    assert_eq!(of("always_on"), (true, true, false));
    assert_eq!(of("always_off"), (false, false, false));
    assert_eq!(of("traceidratio"), (true, true, false));
    assert_eq!(of("parentbased_always_on"), (true, true, true));
    assert_eq!(of("parentbased_always_off"), (false, true, true));
}
