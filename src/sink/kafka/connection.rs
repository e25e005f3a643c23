//! What the library tells of a connection that fails, in the words of vintner's settings.

use super::Settings;

/// A hang-up so soon after the connection stood follows from the first request.
const SOON_MS: u64 = 2000;
/// Alerts of TLS (RFC 8446 section 6) by which the other side says that it wants a certificate, or another one.
const CERTIFICATE_ALERTS: [&str; 9] = ["40", "41", "42", "43", "44", "45", "46", "48", "116"];

/// How a sink connects, which decides what to advise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    tls: Option<Certificates>,
    sasl_mechanism: Option<&'static str>,
}

#[derive(Clone, Copy, Debug)]
struct Certificates {
    has_ca_file: bool,
    has_own: bool,
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nobody answers there, or not for long.
    Failed(String),
    /// The other side wants another password, certificate or setting; the client that was refused never gets one.
    Refused(String),
    /// The certificate of this broker (`host:port`) is not accepted.
    Untrusted(String),
}

/// Whether a certificate is not accepted for the name in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// It is good but for that.
    Wrong,
    /// It would not be accepted with any name.
    NotTheCause,
    /// Nobody knows.
    Unknown,
}

impl Manner {
    /// How `settings` connect.
    pub(super) fn of(settings: &Settings) -> Self {
        let tls = settings.tls.as_ref();
        let tls = tls.map(|tls| Certificates { has_ca_file: tls.ca_file.is_some(), has_own: tls.client.is_some() });
        Self { tls, sasl_mechanism: settings.sasl_mechanism }
    }

    /// What a text of the library means: `sasl_ssl://host:port/bootstrap: what failed (after 3ms in state AUTH_REQ)`.
    pub(super) fn hear(&self, text: &str) -> Heard {
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let (text, suffix) = text.rsplit_once(" (after ").unwrap_or((&text, ""));
        if let Some((_, reason)) = text.split_once("OAUTHBEARER token: ") {
            return Heard::Refused(reason.to_owned());
        }
        let (broker, what) = split(text);
        if what.contains("certificate verify failed") {
            return Heard::Untrusted(broker.to_owned());
        }
        match self.refusal(broker, what, suffix) {
            Some(refusal) => Heard::Refused(refusal),
            None if broker.is_empty() => Heard::Failed(what.to_owned()),
            None => Heard::Failed(format!("{broker}: {what}")),
        }
    }

    fn refusal(&self, broker: &str, what: &str, suffix: &str) -> Option<String> {
        if let Some((_, why)) = what.split_once("SASL authentication error: ") {
            let advice = if self.sasl_mechanism == Some("OAUTHBEARER") {
                "the brokers must trust the server at `token_url`; check `scope`, and the clocks"
            } else {
                "check `username`, `password` and `mechanism` of `sasl`"
            };
            return Some(format!("{broker} refuses the login ({why}): {advice}"));
        }
        if let Some((_, offered)) = what.split_once("broker's supported mechanisms: ") {
            return Some(format!("{broker} does not offer this login: set `mechanism` of `sasl` to one of {offered}"));
        }
        if what.contains("PLAINTEXT broker listener") || what.contains("wrong version number") {
            return Some(format!("{broker} does not speak TLS: name its port for TLS, or remove `tls`"));
        }
        let alert = what.rsplit_once("SSL alert number ").map(|(_, number)| number.trim());
        if alert.is_some_and(|number| CERTIFICATE_ALERTS.contains(&number)) {
            return Some(self.wants_a_certificate(broker, what));
        }
        let is_hang_up = ["Disconnected", "Broken pipe", "Connection reset"].iter().any(|word| what.contains(word));
        is_hang_up.then(|| self.hang_up(broker, suffix)).flatten()
    }

    fn wants_a_certificate(&self, broker: &str, what: &str) -> String {
        match self.tls {
            Some(Certificates { has_own: true, .. }) => {
                let alert = what.split_once("alert ").map_or(what, |(_, alert)| alert);
                let alert = alert.split_once(':').map_or(alert, |(alert, _)| alert);
                format!(
                    "{broker} does not accept the certificate in `tls.cert_file` ({alert}): it must be in date, and of an authority that the broker trusts"
                )
            }
            Some(_) | None => {
                format!("{broker} wants a client certificate: set `tls.cert_file` and `tls.key_file`")
            }
        }
    }

    /// A port that expects something else hangs up without a word.
    fn hang_up(&self, broker: &str, suffix: &str) -> Option<String> {
        let (time, state) = suffix.split_once("ms in state ")?;
        let is_soon = time.parse::<u64>().is_ok_and(|ms| ms < SOON_MS);
        let is_first_request = state.starts_with("APIVERSION_QUERY");
        let advice = match (self.tls, self.sasl_mechanism) {
            (None, _) if is_first_request => "without TLS: if that port expects TLS, set `tls = {}`",
            (Some(Certificates { has_own: false, .. }), _) if is_first_request => {
                "without a certificate: if it wants one, set `tls.cert_file` and `tls.key_file`"
            }
            (_, None) if is_soon && state.starts_with("UP") => "without a login: if it expects one, set `sasl`",
            (_, Some(_) | None) => return None,
        };
        Some(format!("{broker} hangs up on a client {advice}"))
    }

    /// What to do about a certificate that is not accepted; the library does not say what is wrong with it.
    pub(super) fn untrusted(&self, broker: &str, name: Name) -> String {
        let host = host(broker);
        let causes = match name {
            Name::Wrong => {
                return format!(
                    "the certificate of {broker} is not made out to {host}: use a name that it is made out to in `brokers`, and in the brokers' advertised.listeners"
                );
            }
            Name::Unknown => format!(", or it is not made out to {host}, or it is out of date"),
            Name::NotTheCause => ", or it is out of date".to_owned(),
        };
        let authority = if self.tls.is_some_and(|tls| tls.has_ca_file) {
            "no authority in `tls.ca_file` signed it"
        } else {
            "no authority that this system knows signed it (set `tls.ca_file` to yours)"
        };
        format!("the certificate of {broker} is not accepted: {authority}{causes}")
    }
}

fn host(broker: &str) -> &str {
    broker.rsplit_once(':').map_or(broker, |(host, _)| host)
}

/// The broker, `host:port`, and what the library says of it. A coordinator's name comes before its address.
fn split(text: &str) -> (&str, &str) {
    let bare = text.split_once("://").map_or(text, |(protocol, rest)| if protocol.contains(' ') { text } else { rest });
    let bare = match bare.split_once("Coordinator: ") {
        Some(("Txn" | "Group", rest)) => rest,
        Some(_) | None => bare,
    };
    match bare.split_once(": ") {
        Some((broker, what)) if broker.contains(':') && !broker.contains(' ') => {
            (broker.split_once('/').map_or(broker, |(address, _)| address), what)
        }
        Some(_) | None => ("", bare),
    }
}

#[cfg(test)]
mod tests;
