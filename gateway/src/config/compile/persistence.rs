//! `sessionPersistence` of a rule → [`Persistence`]. What cannot be kept as written is refused, never shortened.

use http::HeaderName;

use super::{Refusal, limits};
use crate::affinity::{Carrier, Persistence, digest};
use crate::config::manifests::Resource;
use crate::config::resources::Object;
use crate::config::resources::route::{CookieLifetime, RouteSpec, RuleSpec, SessionType};

/// Where and for how long the rule's sessions are kept; `None` when it keeps none.
pub(super) fn of_rule(route: &Resource<Object<RouteSpec>>, rule: &RuleSpec) -> Result<Option<Persistence>, Refusal> {
    let Some(spec) = &rule.session_persistence else { return Ok(None) };
    let refused = |why: &str| Err(Refusal::new("UnsupportedValue", format!("sessionPersistence.{why}")));
    let type_ = spec.type_.unwrap_or_default();
    let lifetime = limits::deadline(spec.absolute_timeout.as_deref())
        .map_err(|refusal| Refusal::new("UnsupportedValue", format!("sessionPersistence: {}", refusal.message)))?;
    let permanent =
        spec.cookie_config.as_ref().is_some_and(|cookie| cookie.lifetime_type == Some(CookieLifetime::Permanent));
    if spec.idle_timeout.is_some() {
        return refused("idleTimeout is not supported yet: use absoluteTimeout");
    }
    if type_ == SessionType::Header && spec.cookie_config.is_some() {
        return refused("cookieConfig goes with type: Cookie only");
    }
    if permanent && lifetime.is_none() {
        return refused("cookieConfig.lifetimeType: Permanent needs absoluteTimeout");
    }
    let name = spec.session_name.clone().unwrap_or_else(|| own_name(route, rule));
    let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
        return refused(&format!("sessionName: `{name}` is no name for a header or a cookie"));
    };
    let carrier = match type_ {
        SessionType::Header => Carrier::Header(header),
        SessionType::Cookie => Carrier::Cookie(name.into()),
    };
    Ok(Some(Persistence { carrier, lifetime, permanent }))
}

/// The same on every replica, and another one for each rule.
fn own_name(route: &Resource<Object<RouteSpec>>, rule: &RuleSpec) -> String {
    let rules = &route.object.spec.rules;
    let index = rules.iter().position(|other| std::ptr::eq(other, rule)).unwrap_or(0);
    format!("windtunnel-session-{:08x}", digest(format!("{}.{index}", route.id).as_bytes()) as u32)
}
