//! Any text as a file of manifests.

#![no_main]

use gateway::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    fuzzing::manifests(text);
});
