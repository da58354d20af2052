//! Any text as a configuration.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mock_providers::fuzzing;

fuzz_target!(|text: &str| {
    fuzzing::script(text);
});
