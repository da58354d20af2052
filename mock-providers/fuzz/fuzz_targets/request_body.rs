//! Any bytes as the body of each operation, in each dialect: the first byte chooses the path.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mock_providers::fuzzing::{PATHS, body};

fuzz_target!(|bytes: &[u8]| {
    if let Some((path, bytes)) = bytes.split_first() {
        body(PATHS[usize::from(*path) % PATHS.len()], bytes);
    }
});
