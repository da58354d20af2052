//! Any bytes as all that a client says on a connection: the first byte is the size of its writes.

#![no_main]

use gateway::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzzing::connection(bytes);
});
