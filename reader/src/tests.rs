//! What comes through the seam is what would be read without it, errors and their places included.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_saphyr::Spanned;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Whole {
    text: String,
    #[serde(default)]
    small: u8,
    #[serde(default)]
    signed: i64,
    #[serde(default)]
    float: Option<f64>,
    #[serde(default)]
    flag: bool,
    #[serde(default)]
    letter: Option<char>,
    #[serde(default)]
    list: Vec<Choice>,
    #[serde(default)]
    map: BTreeMap<String, Value>,
    #[serde(default)]
    pair: Option<(u16, String)>,
    #[serde(default)]
    place: Option<Spanned<Name>>,
    #[serde(default)]
    inner: Option<Box<Whole>>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Choice {
    Nothing,
    One(u32),
    Two(u32, String),
    Fields { a: u32 },
}

#[derive(Debug, PartialEq, Deserialize)]
struct Name(String);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Either {
    Number(i64),
    List(Vec<String>),
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! { strict_booleans: true, with_snippet: false }
}

/// The value or the error, in full, directly and through the seam.
fn same<T: DeserializeOwned + Debug>(text: &str) -> bool {
    let direct =
        serde_saphyr::from_str_with_options::<T>(text, options()).map_err(|error| format!("{error:?} {error}"));
    let read = super::yaml::<T>(text, options()).map_err(|error| format!("{error:?} {error}"));
    assert_eq!(format!("{direct:?}"), format!("{read:?}"), "{text}");
    let Ok(value) = serde_json::from_str::<Value>(text) else { return read.is_ok() };
    let direct = serde_json::from_value::<T>(value.clone()).map_err(|error| error.to_string());
    let read = super::from::<T, _>(&value).map_err(|error| error.to_string());
    assert_eq!(format!("{direct:?}"), format!("{read:?}"), "{text}");
    read.is_ok()
}

#[test]
fn what_is_well_formed_is_read_as_without_the_seam() {
    for text in [
        "text: t",
        "{text: t, small: 255, signed: -3, float: 1.5, flag: true, letter: x}",
        r#"{"text": "t", "small": 7, "float": null, "pair": [1, "b"], "list": ["nothing", {"one": 1}]}"#,
        "text: t\nlist:\n  - nothing\n  - one: 1\n  - two: [2, b]\n  - fields: {a: 3}\n",
        "text: &t anchored\nmap: {a: *t, b: [1, 2.5, ~, true], c: {d: e}}\n",
        "text: |\n  lines\n  of it\nplace: here\ninner: {text: deep, inner: {text: deeper}}\n",
        "base: &base {text: t}\n",
    ] {
        same::<Whole>(text);
        assert!(same::<Value>(text), "{text}");
        same::<BTreeMap<String, Value>>(text);
    }
    assert!(same::<Either>("3") && same::<Either>("[a, b]"));
    assert!(same::<Option<u8>>("~") && same::<Vec<u8>>("[]") && same::<()>("null"));
}

#[test]
fn what_is_wrong_is_told_as_without_the_seam() {
    for text in [
        "{}",
        "txt: t",
        "text: t\nsmal: 3",
        "text: t\nsmall: 256",
        "text: t\nsmall: -1",
        "text: t\nflag: yes",
        "text: t\nfloat: x",
        "text: t\nletter: xy",
        "text: {a: b}",
        "text: t\ntext: t",
        "text: t\nlist: {a: b}",
        "text: t\nlist:\n  - one: a\n",
        "text: t\nlist:\n  - three: a\n",
        "text: t\nlist:\n  - two: [1]\n",
        "text: t\nlist:\n  - fields: {b: 1}\n",
        "text: t\npair: [1, b, c]",
        "text: t\nplace: [here]",
        "text: t\ninner: {text: t, inner: {small: 1}}",
        "text: t\ninner: scalar",
        "text: t\ninner: 3",
        "text: t\ninner: [t, []]",
        "text: t\nlist: [3, [nothing]]",
        "text: t\nlist: [null]",
        r#"{"text": "t", "inner": 1.5}"#,
        r#"{"text": "t", "inner": true}"#,
        r#"{"text": "t", "inner": ["t", "u"]}"#,
        r#"{"text": "t", "list": [1]}"#,
        r#"{"text": "t", "list": [{"fields": [true]}]}"#,
        r#"{"text": "t", "list": [{"nothing": 1, "one": 2}]}"#,
        "text: t\n1: u",
        "text: t\n~: u",
        "text: t\n[a]: u",
        "text: &t [a]\ninner: {text: *t}",
        "text: *nothing",
        "text: 'open",
        r#"{"text": null}"#,
        r#"{"text": 1.5}"#,
        r#"{"text": "t", "small": 1.5}"#,
        r#"{"text": "t", "list": [{"fields": {"a": true}}]}"#,
    ] {
        assert!(!same::<Whole>(text), "{text}");
    }
    assert!(!same::<Either>("{a: b}"));
    assert!(!same::<Spanned<Name>>("[]"));
}

#[test]
fn a_type_s_own_words_pass_the_seam() {
    #[derive(Debug)]
    struct Even;

    impl<'de> Deserialize<'de> for Even {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            match u32::deserialize(from)
                .map_err(|error| serde::de::Error::custom(format!("not even a number: {error}")))?
            {
                number if number % 2 == 0 => Ok(Self),
                number => Err(serde::de::Error::custom(format!("{number} is odd"))),
            }
        }
    }

    assert!(same::<Vec<Even>>("[2, 4]"));
    assert!(!same::<Vec<Even>>("[2, 3]"));
    assert!(!same::<BTreeMap<String, Even>>("a: 2\nb:\n  c: 4"));
}
