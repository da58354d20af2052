use proptest::prelude::*;

use super::*;

fn catalog(text: &str) -> Catalog {
    Catalog::read(&Source::new("prices.yaml", text)).unwrap()
}

const TWO: &str = "
providers:
  openai:
    models:
      m-1: {rates: {input: '2.50', output: 10, cacheRead: '0.25'}, tiers: [{contextOver: 1000, rates: {input: 5}}]}
      m-2: {rates: {input: 0.000001}}
      m-3: {tags: [preview]}
";

#[test]
fn what_is_known_has_a_price_and_what_is_not_has_none() {
    let catalog = catalog(TWO);
    let usage = |input, output, cached| Usage { input, output, cached, ..Usage::default() };
    let price = |model: &str, usage| {
        let (lookup, cost) = catalog.price("openai", model, usage);
        (lookup.name(), cost.map(|cost| cost.total().to_string()))
    };
    let exact = |amount: &str| ("Exact", Some(amount.to_owned()));
    assert_eq!(price("m-1", usage(11, 7, 4)), exact("0.0000885"));
    assert_eq!(price("m-1", usage(1000, 0, 0)), exact("0.0025"));
    assert_eq!(price("m-1", usage(1001, 0, 0)), exact("0.005005"));
    assert_eq!(price("m-1", usage(0, 0, 0)), exact("0"));
    assert_eq!(price("m-2", usage(1, 0, 0)), exact("0.000000000001"));
    assert_eq!(price("m-2", usage(1, 1, 0)), ("Unpriced", None));
    assert_eq!(price("m-3", usage(0, 0, 0)), ("Unpriced", None));
    assert_eq!(price("m-4", usage(1, 1, 0)), ("Missing", None));
    assert_eq!(catalog.price("azure", "m-1", usage(1, 1, 0)).0, Lookup::Missing);
}

#[test]
fn the_example_is_a_catalog() {
    let example = catalog(include_str!("../../model-catalog.yaml"));
    let usage = Usage { input: 1_000_000, ..Usage::default() };
    assert_eq!(
        example.price("openai", "example-embedding", usage).1.map(|cost| cost.total()),
        Some(Usd(20_000_000_000))
    );
}

#[test]
fn a_later_source_overrides_rate_by_rate() {
    let later = catalog("{providers: {openai: {models: {m-1: {rates: {output: 8}}, m-9: {rates: {input: 1}}}}}}");
    let merged = catalog(TWO).overlaid(&later);
    let usage = Usage { input: 10, output: 10, ..Usage::default() };
    assert_eq!(
        merged.price("openai", "m-1", usage).1.map(|cost| cost.total().to_string()).as_deref(),
        Some("0.000105")
    );
    assert_eq!(merged.price("openai", "m-9", Usage { input: 3, ..Usage::default() }).0, Lookup::Exact);
    assert_eq!(merged.price("openai", "m-2", Usage { input: 3, ..Usage::default() }).0, Lookup::Exact);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let told = |text: &str| Catalog::read(&Source::new("prices.yaml", text)).unwrap_err().to_string();
    let slip = told("providers:\n  openai:\n    models:\n      m-1: {rates: {inptu: '1'}}\n");
    assert!(slip.contains("prices.yaml:4:") && slip.contains("did you mean `input`?"), "{slip}");
    for rate in ["-1", "0.1234567", "1e3", "x", "'1,5'", "''"] {
        let wrong = told(&format!("providers: {{openai: {{models: {{m-1: {{rates: {{input: {rate}}}}}}}}}}}"));
        assert!(wrong.contains("USD per million tokens"), "{rate}: {wrong}");
    }
    assert!(told("").contains("one document"));
}

proptest! {
    #[test]
    fn the_cost_is_the_sum_of_tokens_times_price(
        counts in prop::array::uniform5(0u64..1 << 40),
        rates in prop::array::uniform5(0u64..1_000_000_000),
    ) {
        let [plain, cached, written, output, reasoning] = counts;
        let usage = Usage { input: plain + cached + written, output: output + reasoning, cached, reasoning, cache_written: written };
        let text = |at: usize| format!("'{}.{:06}'", rates[at] / 1_000_000, rates[at] % 1_000_000);
        let catalog = catalog(&format!(
            "providers: {{p: {{models: {{m: {{rates: {{input: {}, cacheRead: {}, cacheWrite: {}, output: {}, reasoning: {}}}}}}}}}}}",
            text(0), text(1), text(2), text(3), text(4),
        ));
        let expected: u128 = counts.iter().zip(rates).map(|(count, rate)| u128::from(*count) * u128::from(rate)).sum();
        prop_assert_eq!(catalog.price("p", "m", usage).1.map(|cost| cost.total()), Some(Usd(expected)));
    }

    #[test]
    fn an_amount_is_written_exactly(amount in any::<u64>()) {
        let text = Usd(u128::from(amount)).to_string();
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        let back: u128 = format!("{whole}{part:0<12}").parse().unwrap();
        prop_assert_eq!(back, u128::from(amount));
    }
}
