use super::*;

#[test]
fn junk_model_names_do_not_mint_series_for_ever() {
    let mut metrics = Metrics::default();
    assert_eq!(metrics.model(Some("refused"), false, false), "unknown");
    assert_eq!(metrics.model(Some("served"), true, false), "served");
    assert_eq!(metrics.model(Some("served"), false, false), "served");
    let names: HashSet<String> =
        (0..10_000).map(|n| metrics.model(Some(&format!("junk-{n}")), true, false).to_owned()).collect();
    assert_eq!(names.len(), MAX_MODELS);
    assert_eq!(metrics.model(Some("configured"), false, true), "configured");
}

#[test]
fn label_values_are_escaped() {
    assert_eq!(labels::escaped("a\"b\\c\nd\re"), "a\\\"b\\\\c\\nd\u{fffd}e");
}
