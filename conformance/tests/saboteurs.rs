//! A saboteur spoils one thing: the plain 200 path stays intact under each of them, or the scenarios that it turns
//! red would prove nothing.

use std::path::Path;
use std::sync::Arc;

use conformance::load;
use conformance::outcome::Verdict;
use conformance::render::{self, Style};
use conformance::run::{self, Setting};
use conformance::saboteur::Saboteur;
use conformance::target::Target;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_saboteur_leaves_the_plain_path_intact() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = here.join("tests/cases/passing/PLAIN-01.yaml");
    let loaded = load::read_files(&here.join("../scenarios"), &[file]).expect("a scenario").remove(0);
    // A request with two lengths is refused by every sound provider, whatever else is right with it.
    let others = Saboteur::ALL.iter().filter(|saboteur| **saboteur != Saboteur::DuplicateContentLength);
    let target = Target::reference(Path::new(env!("CARGO_BIN_EXE_windtunnel"))).expect("its own file is right");
    let setting = Setting::of(Arc::new(target));
    for saboteur in others {
        let setting = setting.under(*saboteur);
        let outcome = run::scenario(&loaded, &setting).await;
        let text = render::failure(&outcome, Some(saboteur.name()), Style::default());
        assert_eq!(outcome.verdict, Verdict::Pass, "{}: {text}", saboteur.name());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_are_searched_for_secrets_where_the_target_exports_them_and_no_span_is_no_proof() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = here.join("../scenarios/se/SE-08.yaml");
    let loaded = load::read_files(&here.join("../scenarios"), &[file]).expect("a scenario").remove(0);
    let exe = Path::new(env!("CARGO_BIN_EXE_windtunnel"));
    let reference = std::fs::read_to_string(here.join("src/target/reference.yaml")).expect("a target file");
    let folder = tempfile::tempdir().expect("a folder");
    let silent = folder.path().join("no-spans.yaml");
    std::fs::write(&silent, reference.replace("except: [", "except: [telemetry.spans, ")).expect("a file");
    let exports = Setting::of(Arc::new(Target::reference(exe).expect("its own file is right")));
    let silent = Setting::of(Arc::new(Target::load(&silent, exe).expect("a target file")));
    for saboteur in [Saboteur::SecretInSpan, Saboteur::SpansLost] {
        let told = |setting: &Setting| {
            let (loaded, setting) = (&loaded, setting.under(saboteur));
            async move { run::scenario(loaded, &setting).await.verdict }
        };
        assert_eq!(told(&exports).await, Verdict::Fail, "{}", saboteur.name());
        assert_eq!(told(&silent).await, Verdict::Pass, "{}: it is not asked for spans", saboteur.name());
    }
}
