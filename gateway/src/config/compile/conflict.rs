//! Listeners that cannot be told apart. Within one Gateway none of them is served: the Gateway API forbids to pick
//! a winner. Between Gateways that share their ports the older one keeps what it has. HTTPS listeners whose
//! host names overlap are served and told: a client's connection may be for the other one.

use super::listener::{GatewayDraft, ListenerDraft};
use super::order::Ages;
use super::{Refusal, hostname};
use crate::snapshot::Hostname;

/// Whether Gateways are in each other's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ports {
    /// One process serves all Gateways.
    Shared,
    /// Each Gateway has a process of its own.
    Own,
}

/// What a listener needs for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spot {
    port: u16,
    secure: bool,
    hostname: Option<Hostname>,
}

/// Marks every listener that is in another's way; `ages` are the Gateways'.
pub(super) fn mark(gateways: &mut [GatewayDraft<'_>], ages: &Ages, ports: Ports) {
    let mut oldest_first: Vec<&mut GatewayDraft<'_>> = gateways.iter_mut().filter(|gateway| gateway.usable()).collect();
    oldest_first.sort_by_key(|gateway| ages.of(gateway.order));
    let mut taken: Vec<Spot> = Vec::new();
    for gateway in oldest_first {
        let spots: Vec<Option<Spot>> = gateway.listeners.iter().map(spot).collect();
        for (index, listener) in gateway.listeners.iter_mut().enumerate() {
            let Some(own) = &spots[index] else { continue };
            let siblings = spots.iter().enumerate().filter(|(other, _)| *other != index);
            let among = siblings.filter_map(|(_, spot)| clash(own, spot.as_ref()?, "of this Gateway")).next();
            let before = || taken.iter().find_map(|spot| clash(own, spot, "of an older Gateway"));
            listener.conflict = among.or_else(before);
        }
        if ports == Ports::Shared {
            taken.extend(gateway.listeners.iter().filter_map(spot));
        }
        mark_overlaps(gateway);
    }
}

fn mark_overlaps(gateway: &mut GatewayDraft<'_>) {
    let secure: Vec<Option<Spot>> =
        gateway.listeners.iter().map(|listener| spot(listener).filter(|spot| spot.secure)).collect();
    for (index, listener) in gateway.listeners.iter_mut().enumerate() {
        let Some(own) = &secure[index] else { continue };
        let meets = |other: &Spot| {
            own.port == other.port && hostname::intersect(own.hostname.as_ref(), other.hostname.as_ref()).is_some()
        };
        let others = secure.iter().enumerate().filter(|(other, _)| *other != index);
        listener.overlaps = others.filter_map(|(_, spot)| spot.as_ref()).any(meets);
    }
}

/// Nothing for a listener that is not served anyway.
fn spot(listener: &ListenerDraft<'_>) -> Option<Spot> {
    let (port, secure, hostname) = (listener.port, listener.secure, listener.hostname.clone());
    listener.accepted().then_some(Spot { port, secure, hostname })
}

fn clash(own: &Spot, other: &Spot, whose: &str) -> Option<Refusal> {
    let port = own.port;
    if port != other.port {
        return None;
    }
    if own.secure != other.secure {
        let message = format!("a listener {whose} has port {port} with the other of HTTP and HTTPS");
        return Some(Refusal::new("ProtocolConflict", message));
    }
    let message = || format!("a listener {whose} has port {port} and the same hostname");
    (own.hostname == other.hostname).then(|| Refusal::new("HostnameConflict", message()))
}
