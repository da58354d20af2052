//! Session persistence: which target a returning session is served by, and what a new one is told.
//! Stateless: a session value either names its target, or is a key that is hashed to one (rendezvous hashing:
//! a target that leaves moves its own sessions and no others). Every replica comes to the same answer.

use std::time::{Duration, SystemTime};

use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};

use crate::snapshot::{Target, WeightedBackend};

/// `sessionPersistence` of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persistence {
    /// Where the session value travels.
    pub carrier: Carrier,
    /// `absoluteTimeout`: sessions end this long after they began.
    pub lifetime: Option<Duration>,
    /// The cookie outlives the browser (`lifetimeType: Permanent`).
    pub permanent: bool,
}

/// Where a session value travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carrier {
    /// In a cookie of this name.
    Cookie(Box<str>),
    /// In a request and response header of this name.
    Header(HeaderName),
}

/// A session that came with a request.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    hash: u64,
    named: Option<Place>,
}

/// The target of a session: which backendRef, and which provider of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    backend: u32,
    provider: u32,
}

impl Persistence {
    /// The session of a request; `None` when it brings none, or one whose time is over.
    #[must_use]
    pub fn key(&self, headers: &HeaderMap, now: SystemTime) -> Option<Key> {
        let value = match &self.carrier {
            Carrier::Header(name) => headers.get(name)?.to_str().ok()?,
            Carrier::Cookie(name) => cookie(headers, name)?,
        };
        let token = Token::read(value);
        if token.is_some_and(|token| token.ends != 0 && u64::from(token.ends) <= seconds(now)) {
            return None;
        }
        let named = token.map(|token| token.place);
        (!value.is_empty()).then(|| Key { hash: digest(value.as_bytes()), named })
    }

    /// The header that tells a new session its value.
    #[must_use]
    pub fn announcement(&self, place: Place, now: SystemTime) -> Option<(HeaderName, HeaderValue)> {
        let ends = self.lifetime.map_or(0, |lifetime| seconds(now).saturating_add(lifetime.as_secs().max(1)));
        let token = Token { place, ends: u32::try_from(ends).unwrap_or(u32::MAX) }.written();
        let (name, value) = match &self.carrier {
            Carrier::Header(name) => (name.clone(), token),
            Carrier::Cookie(name) => {
                let lifetime = self.lifetime.filter(|_| self.permanent);
                let age = lifetime.map(|lifetime| format!("; Max-Age={}", lifetime.as_secs())).unwrap_or_default();
                (SET_COOKIE, format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax{age}"))
            }
        };
        HeaderValue::from_str(&value).ok().map(|value| (name, value))
    }
}

impl Key {
    /// How much this session belongs to a provider: the highest rank of those that can serve has it.
    #[must_use]
    pub fn rank(&self, provider: &str) -> u64 {
        let id = digest(provider.as_bytes());
        if self.named.is_some_and(|place| place.provider == id as u32) {
            return u64::MAX;
        }
        mixed(self.hash ^ id)
    }

    /// The backendRef of this session, each with its share of all sessions; `None` when none has a weight.
    #[must_use]
    pub fn backend<'b>(&self, backends: &'b [WeightedBackend]) -> Option<&'b WeightedBackend> {
        let rank = |backend: &WeightedBackend| {
            let id = identity(&backend.target);
            if self.named.is_some_and(|place| place.backend == id as u32) {
                return f64::INFINITY;
            }
            // weighted rendezvous hashing: of exponential draws with rate w the least is i's with probability w_i / Σw
            let draw = (mixed(self.hash ^ id) >> 11) as f64 + 0.5;
            f64::from(backend.weight) / -(draw / (1u64 << 53) as f64).ln()
        };
        let open = backends.iter().filter(|backend| backend.weight > 0);
        open.map(|backend| (rank(backend), backend)).max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, backend)| backend)
    }
}

impl Place {
    /// A backendRef, and the provider by which it serves, if it has some.
    #[must_use]
    pub fn of(target: &Target, provider: Option<&str>) -> Self {
        let provider = provider.map_or(0, |name| digest(name.as_bytes()) as u32);
        Self { backend: identity(target) as u32, provider }
    }
}

/// What the gateway writes as a session value: 24 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    place: Place,
    /// Unix time in seconds; 0 is never.
    ends: u32,
}

impl Token {
    fn written(self) -> String {
        format!("{:08x}{:08x}{:08x}", self.place.backend, self.place.provider, self.ends)
    }

    fn read(text: &str) -> Option<Self> {
        let ours = text.len() == 24 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = |at: usize| u32::from_str_radix(text.get(at..at + 8)?, 16).ok();
        let place = Place { backend: number(0).filter(|_| ours)?, provider: number(8)? };
        Some(Self { place, ends: number(16)? })
    }
}

/// The first cookie of a name (RFC 6265 section 5.4).
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"'))
}

/// What tells one target of a rule from the others, also after a reload.
fn identity(target: &Target) -> u64 {
    match target {
        Target::Ai(backend) => digest(backend.name.as_bytes()),
        // a rule has no other backend beside it
        Target::Models(_) => 0,
        Target::Broken { backend: name, .. } | Target::Unready { service: name } => digest(name.as_bytes()),
        Target::Static(backend) => {
            let (host, port) = (&backend.endpoint.host, backend.endpoint.port);
            digest(backend.name.as_bytes()) ^ mixed(digest(host.as_bytes()) ^ u64::from(port))
        }
    }
}

/// FNV-1a and a finalizer: the same on every replica and in every version, and no secret.
pub fn digest(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    mixed(bytes.iter().fold(0xCBF2_9CE4_8422_2325, step))
}

/// The finalizer of splitmix64.
fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headed() -> Persistence {
        Persistence { carrier: Carrier::Header(HeaderName::from_static("x-session")), lifetime: None, permanent: false }
    }

    fn key(value: &str) -> Option<Key> {
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-session"), value.parse().unwrap())]);
        headed().key(&headers, SystemTime::now())
    }

    fn backends(weights: &[(&str, u32)]) -> Vec<WeightedBackend> {
        let backend = |(name, weight): &(&str, u32)| WeightedBackend {
            weight: *weight,
            filters: Default::default(),
            target: Target::Broken { backend: (*name).into(), reason: "".into() },
        };
        weights.iter().map(backend).collect()
    }

    fn chosen<'b>(key: &str, backends: &'b [WeightedBackend]) -> &'b str {
        let chosen = super::tests::key(key).unwrap().backend(backends);
        let Some(WeightedBackend { target: Target::Broken { backend, .. }, .. }) = chosen else { panic!("none") };
        backend
    }

    #[test]
    fn a_target_that_leaves_moves_its_own_sessions_and_no_others() {
        let (all, fewer) = (backends(&[("a", 1), ("b", 1), ("c", 1)]), backends(&[("a", 1), ("c", 1)]));
        let mut shares = [0; 3];
        for user in 0..3000 {
            let user = format!("user-{user}");
            let before = chosen(&user, &all);
            shares[usize::from(before.as_bytes()[0] - b'a')] += 1;
            assert!(before == "b" || before == chosen(&user, &fewer), "{user}");
        }
        assert!(shares.iter().all(|share| (900..1100).contains(share)), "{shares:?}");
    }

    #[test]
    fn sessions_are_shared_by_weight_and_zero_gets_none() {
        let all = backends(&[("a", 90), ("b", 10), ("c", 0)]);
        let users = |name: &str| (0..2000).filter(|user| chosen(&format!("u{user}"), &all) == name).count();
        assert!((1740..1860).contains(&users("a")), "{}", users("a"));
        assert_eq!(users("c"), 0);
        assert!(key("u").unwrap().backend(&backends(&[("a", 0)])).is_none());
    }

    #[test]
    fn a_value_of_ours_names_its_target_and_a_foreign_one_is_hashed() {
        let all = backends(&[("a", 1), ("b", 1), ("c", 1)]);
        let place = Place::of(&all[1].target, Some("p2"));
        let (_, value) = headed().announcement(place, SystemTime::now()).unwrap();
        let named = key(value.to_str().unwrap()).unwrap();
        assert!(std::ptr::eq(named.backend(&all).unwrap(), &all[1]));
        assert_eq!(named.rank("p2"), u64::MAX);
        assert!((0..50).all(|n| named.rank(&format!("q{n}")) < u64::MAX));
        assert!(key("").is_none() && key("0123").is_some_and(|key| key.named.is_none()));
    }

    #[test]
    fn a_session_ends_with_its_absolute_timeout() {
        let persistence = Persistence {
            carrier: Carrier::Cookie("s".into()),
            lifetime: Some(Duration::from_secs(60)),
            permanent: true,
        };
        let now = SystemTime::now();
        let (name, value) = persistence.announcement(Place::default(), now).unwrap();
        let value = value.to_str().unwrap();
        assert!(name == SET_COOKIE && value.ends_with("; Max-Age=60"), "{value}");
        let sent = format!("a=b; {}; s=other", value.split(';').next().unwrap());
        let headers = HeaderMap::from_iter([(COOKIE, sent.parse().unwrap())]);
        let key = |after: u64| persistence.key(&headers, now + Duration::from_secs(after));
        assert!(key(58).is_some_and(|key| key.named == Some(Place::default())) && key(61).is_none());
    }
}
