//! Any choices among the keys of a configuration.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mock_providers::fuzzing::{script, vocabulary};

fuzz_target!(|choices: Vec<u16>| {
    script(&vocabulary::config(&choices));
});
