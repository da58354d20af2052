//! Any bytes as an answer: the first two bytes say how it is split.

#![no_main]

use gateway::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzzing::stream(bytes);
});
