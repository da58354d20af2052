//! The reference gateway: Kubernetes resources in, LLM traffic through.
//!
//! Reading order: [`snapshot`] (what is served), [`config`] (how manifests become a snapshot),
//! then the request story in `proxy`: listen → match → admit → choose → send → relay → record.

pub mod health;
pub mod snapshot;
