//! `windtunnel bench`: what gateways cost beside a floor, in windows that take turns.
//!
//! [`plan`] is what is to be measured, [`stand`] the processes of a run that brings its own, [`measure`] runs the
//! windows and [`figures`] says what they say together. [`model`] is the run as data, `windtunnel.bench/v1`, and
//! [`text`], [`short`], [`html`] and [`compare`] are made of nothing else. The generator is `benches::load`.

pub mod compare;
pub mod figures;
pub mod html;
pub mod machine;
pub mod measure;
pub mod model;
pub mod plan;
pub mod short;
pub mod stand;
pub mod text;
pub mod url;
