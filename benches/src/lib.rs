//! Instruments of the benchmarks: what the gateway is compared with and what drives both.
//!
//! [`floor`] is the cheapest proxy there is, [`constant`] the cheapest provider and [`wire`] the client that
//! asks one through the other, [`paced`] at a fixed rate; [`cpu`] is the kernel's word on what that took.
//! `windtunnel bench` is made of the rest: [`load`] asks at the times that [`arrivals`] fixed and reads with
//! [`answer`], [`sample`] is what a window showed, [`stats`] what windows say together, and [`process`] who
//! stands behind an address. Nothing here knows the gateway: only the benches in `micro/` link it.

pub mod answer;
pub mod arrivals;
pub mod constant;
pub mod cpu;
pub mod floor;
pub mod load;
pub mod paced;
pub mod process;
pub mod sample;
pub mod stats;
pub mod wire;
