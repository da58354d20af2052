//! Client keys (`traffic.apiKeyAuthentication`): who may come in at all.
//! A key is known by its SHA-256 only and compared in constant time; a key that was accepted goes no further.
//! Which model a key may ask for is not decided here.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, StatusCode};
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::error::{Reason, Rejection};

/// The keys of one policy, and where clients show them.
#[derive(Debug)]
pub struct ClientKeys {
    /// Who is turned away.
    pub mode: Mode,
    /// The header that carries the key.
    pub header: HeaderName,
    /// What stands before the key, in any case: `Bearer `.
    pub prefix: Box<str>,
    /// All keys that are accepted.
    pub digests: Vec<KeyDigest>,
}

/// Who is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everyone without an accepted key.
    Strict,
    /// Those who show a key that is not accepted.
    Optional,
    /// Nobody.
    Permissive,
}

/// The SHA-256 of a key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// Of a key in the clear.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, key).as_ref());
        Self(bytes)
    }

    /// Of 64 hex digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl Drop for KeyDigest {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl ClientKeys {
    /// Lets a request in, without its key, or says why not.
    ///
    /// # Errors
    /// 401; neither the message nor a header repeats what the client sent.
    pub fn admit(&self, headers: &mut HeaderMap) -> Result<(), Rejection> {
        let shown = self.shown(headers);
        if shown.is_some_and(|key| self.known(key)) {
            headers.remove(&self.header);
            return Ok(());
        }
        match (self.mode, shown) {
            (Mode::Permissive, _) | (Mode::Optional, None) => Ok(()),
            (_, None) => Err(refusal("missing_api_key", format!("no API key: send it {}", self.place()))),
            (_, Some(_)) => {
                let message = format!("the API key is not accepted: send a valid one {}", self.place());
                Err(refusal("invalid_api_key", message))
            }
        }
    }

    /// The key that the client shows; one that is shown twice is none of ours.
    fn shown<'h>(&self, headers: &'h HeaderMap) -> Option<&'h [u8]> {
        let mut values = headers.get_all(&self.header).iter();
        let value = values.next()?.as_bytes();
        if values.next().is_some() {
            return Some(&[]);
        }
        let (start, key) = value.split_at_checked(self.prefix.len())?;
        start.eq_ignore_ascii_case(self.prefix.as_bytes()).then_some(key)
    }

    /// Looks at every key, so that the time tells nothing.
    fn known(&self, key: &[u8]) -> bool {
        let shown = KeyDigest::of(key);
        let equal = self.digests.iter().fold(subtle::Choice::from(0), |found, known| found | known.0.ct_eq(&shown.0));
        !key.is_empty() && bool::from(equal)
    }

    fn place(&self) -> String {
        if self.header == AUTHORIZATION {
            format!("as `Authorization: {}KEY`", self.prefix)
        } else {
            format!("in the header {}", self.header)
        }
    }
}

fn refusal(code: &'static str, message: String) -> Rejection {
    let refused = Rejection::new(StatusCode::UNAUTHORIZED, Reason::ApiKeyAuth, code, message);
    Rejection { challenge: Some("Bearer"), ..refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(mode: Mode, values: &[&str]) -> Result<bool, &'static str> {
        let keys = ClientKeys {
            mode,
            header: AUTHORIZATION,
            prefix: "Bearer ".into(),
            digests: vec![KeyDigest::of(b"one"), KeyDigest::of(b"two")],
        };
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        keys.admit(&mut headers).map(|()| headers.contains_key(AUTHORIZATION)).map_err(|refused| refused.code)
    }

    #[test]
    fn strict_wants_one_known_key_and_takes_it_away() {
        for good in ["Bearer one", "bearer two", "BEARER one"] {
            assert_eq!(outcome(Mode::Strict, &[good]), Ok(false), "{good}");
        }
        for none in [&[][..], &["Basic one"], &["one"], &["Bear"]] {
            assert_eq!(outcome(Mode::Strict, none), Err("missing_api_key"), "{none:?}");
        }
        for wrong in
            [&["Bearer three"][..], &["Bearer "], &["Bearer  one"], &["Bearer One"], &["Bearer one", "Bearer one"]]
        {
            assert_eq!(outcome(Mode::Strict, wrong), Err("invalid_api_key"), "{wrong:?}");
        }
    }

    #[test]
    fn the_lenient_modes_leave_what_they_do_not_know() {
        assert_eq!(outcome(Mode::Optional, &["Bearer one"]), Ok(false));
        assert_eq!(outcome(Mode::Optional, &[]), Ok(false));
        assert_eq!(outcome(Mode::Optional, &["Bearer three"]), Err("invalid_api_key"));
        assert_eq!(outcome(Mode::Permissive, &["Bearer three"]), Ok(true));
    }

    #[test]
    fn a_hash_stands_for_its_key() {
        // sha256("one")
        let hex = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
        assert!(KeyDigest::from_hex(hex) == Some(KeyDigest::of(b"one")));
        assert!(KeyDigest::from_hex(&hex[1..]).is_none() && KeyDigest::from_hex(&hex.replace('7', "x")).is_none());
    }
}
