//! Any bytes as the body of a prompt, read and edited.

#![no_main]

use gateway::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzzing::body(bytes);
});
