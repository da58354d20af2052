//! Instruments of the benchmarks: what the gateway is compared with and what drives both.
//!
//! [`floor`] is the cheapest proxy there is, [`constant`] the cheapest provider and [`wire`] the client that
//! asks one through the other, [`paced`] at a fixed rate; [`cpu`] is the kernel's word on what that took. Nothing here knows the gateway: only the benches in `micro/` link it.

pub mod constant;
pub mod cpu;
pub mod floor;
pub mod paced;
pub mod wire;
