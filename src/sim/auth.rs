//! The token endpoint and the check of bearer tokens (datto-rmm-api.md section 2).

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Millis;
use crate::sim::Request;
use crate::sim::dice::{Dice, Topic};
use crate::sim::world::Options;

/// Base64 of `public-client:public`, the same fixed client for every account.
const PUBLIC_CLIENT: &str = "Basic cHVibGljLWNsaWVudDpwdWJsaWM=";

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Tokens that still work. No `Debug`: it would print them.
#[derive(Default)]
pub(crate) struct Tokens {
    expiry: HashMap<String, Millis>,
    issued: u64,
}

/// What came of a login.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Tokens {
    /// Answers a request to the token endpoint.
    pub(crate) fn login(&mut self, request: &Request, now: Millis, dice: Dice, options: &Options) -> Login {
        if request.authorization.as_deref() != Some(PUBLIC_CLIENT) {
            return refusal(401, "unauthorized", "Full authentication is required to access this resource");
        }
        let mut form = Form::default();
        for (name, value) in url::form_urlencoded::parse(&request.body) {
            match name.as_ref() {
                "grant_type" => form.grant = value.into_owned(),
                "username" => form.username = value.into_owned(),
                "password" => form.password = value.into_owned(),
                _ => {}
            }
        }
        if form.grant != "password" {
            return refusal(400, "unsupported_grant_type", "Unsupported grant type");
        }
        if form.username != options.api_key.expose() || form.password != options.api_secret.expose() {
            return refusal(options.login_failure_status, "invalid_grant", "Bad credentials");
        }
        let lifetime = Duration::from_secs(u64::from(options.token_lifetime_seconds));
        self.expiry.retain(|_, expiry| now < *expiry);
        self.issued += 1;
        let token = web_token(self.issued, now, now.plus(lifetime), dice, options);
        self.expiry.insert(token.clone(), now.plus(lifetime));
        let refresh = dice.uuid(Topic::Token, self.issued).simple().to_string();
        let body = json!({
            "access_token": token,
            "token_type": "bearer",
            "refresh_token": refresh,
            "expires_in": options.token_lifetime_seconds,
            "scope": "trust read write",
            "jti": refresh,
        });
        Login { status: 200, body }
    }

    /// Whether this `Authorization` header opens the API at `now`.
    pub(crate) fn admit(&self, authorization: Option<&str>, now: Millis) -> bool {
        let token = authorization.and_then(|header| header.strip_prefix("Bearer "));
        token.and_then(|token| self.expiry.get(token)).is_some_and(|expiry| now < *expiry)
    }

    /// Makes every token useless, as a reset of the API keys does.
    pub(crate) fn revoke(&mut self) {
        self.expiry.clear();
    }
}

/// The fields of the password grant. No `Debug`: it holds the credentials.
#[derive(Default)]
struct Form {
    grant: String,
    username: String,
    password: String,
}

fn refusal(status: u16, error: &str, description: &str) -> Login {
    Login { status, body: json!({"error": error, "error_description": description}) }
}

/// A token that looks like the real ones: three parts of URL-safe base64. Its signature proves nothing.
fn web_token(n: u64, now: Millis, expiry: Millis, dice: Dice, options: &Options) -> String {
    let claims = json!({
        "aud": ["platform"],
        "user_name": "simulated.user",
        "scope": ["trust", "read", "write"],
        "account_uid": options.account_uid,
        "exp": expiry.0 / 1000,
        "iat": now.0 / 1000,
        "jti": dice.uuid(Topic::Token, n).to_string(),
        "client_id": "public-client",
    });
    let signature: Vec<u8> =
        (0..32).flat_map(|part| dice.hash(Topic::Token, (n << 8) | (part + 1)).to_be_bytes()).collect();
    let header = json!({"alg": "RS256", "typ": "JWT"}).to_string();
    [base64_url(header.as_bytes()), base64_url(claims.to_string().as_bytes()), base64_url(&signature)].join(".")
}

fn base64_url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().chain([0, 0].iter()).take(3).fold(0_usize, |group, byte| (group << 8) | usize::from(*byte));
        for place in 0..=chunk.len() {
            let digit = ALPHABET.get((group >> (18 - 6 * place)) & 63).copied().unwrap_or(b'A');
            text.push(char::from(digit));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_matches_the_published_examples() {
        // RFC 4648 section 10, without padding.
        let examples =
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in examples {
            assert_eq!(base64_url(plain.as_bytes()), encoded);
        }
        assert_eq!(base64_url(&[0xfb, 0xff]), "-_8");
    }
}
