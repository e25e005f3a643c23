//! Which keys of which records name a secret (event-schema.md section 10, datto-rmm-api.md section 8.5).

use crate::normalize::json;
use crate::normalize::udf::{NO_ID, Udfs, entra_device_id};
use crate::record::RecordKind;

/// The rules of one kind of record.
#[derive(Clone, Copy)]
pub(super) struct Rules<'r> {
    kind: RecordKind,
    /// The user-defined fields that stay.
    udfs: &'r Udfs,
}

/// What becomes of a member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Keep,
    Remove,
    /// Only that there was something is kept.
    Replace,
    /// Name and value go; a key of its own says that there was one.
    Mark,
}

/// The key, in compact form, under which an activity has the variable that was changed, name and value.
const VARIABLE: &str = "datavariable";
/// The key, in compact form, under which an alert says what was done about it.
const RESPONSES: &str = "responseactions";
/// Parts of keys that are secrets in every record.
const ALWAYS: [&str; 3] = ["webremoteurl", "apisecretkey", "apiaccesskey"];
/// Parts of keys that are like a password's, where the keys are Datto's own and not a script's.
const LIKE_PASSWORDS: [&str; 9] =
    ["password", "passwd", "passphrase", "secret", "apikey", "accesskey", "privatekey", "credential", "accesstoken"];
/// Parts of keys that hold a secret in what was sent to a third party, and in texts of unknown form.
const OF_REQUESTS: [&str; 7] = ["token", "authorization", "cookie", "bearer", "signature", "hmac", "jwt"];
/// Ends of such keys: `routing_key`, `X-Auth`, `sig`.
const ENDS_OF_REQUESTS: [&str; 8] = ["key", "auth", "sig", "pass", "otp", "hookurl", "webhook", "sessionid"];
/// Headers whose values hold commas and semicolons of their own.
const HEADERS: [&str; 3] = ["authorization", "cookie", "signature"];
/// Keys of a pair's name and of its value, as lists of headers and fields have them.
const NAMES_OF_NAMES: [&str; 8] = ["name", "key", "title", "header", "label", "field", "variable", "id"];
const NAMES_OF_VALUES: [&str; 5] = ["value", "values", "content", "text", "defaultval"];
/// Ends of keys that hold a job's output.
const JOB_OUTPUT: [&str; 3] = ["stdout", "stderr", "stddata"];

impl<'r> Rules<'r> {
    pub(super) fn of(kind: RecordKind, udfs: &'r Udfs) -> Self {
        Self { kind, udfs }
    }

    /// Whether strings of this record may hold JSON of their own: only an activity's `details` does.
    pub(super) fn look_into_texts(self) -> bool {
        matches!(self.kind, RecordKind::ActivityDevice | RecordKind::ActivityUser)
    }

    /// Whether the value under this key may hold what was sent to a third party.
    pub(super) fn is_of_responses(key: &str) -> bool {
        key.len() >= RESPONSES.len() && compact(key) == RESPONSES
    }

    /// Judges a member of what may have been sent to a third party, where every key counts that may name a secret.
    pub(super) fn judge_strictly(key: &str, rest: &str) -> Verdict {
        let is_plain = matches!(rest.bytes().next(), Some(b't' | b'f' | b'n'));
        if !is_plain && is_secret_of_text(key) { Verdict::Remove } else { Verdict::Keep }
    }

    /// Whether the container under this key is proxy settings, which hold a user name that is a secret there only.
    pub(super) fn is_proxy(self, key: &str) -> bool {
        key.len() >= "proxy".len() && compact(key).contains("proxy")
    }

    /// Judges a member by its key, its value (`rest` begins with it), and whether proxy settings are around it.
    pub(super) fn judge(self, key: &str, rest: &str, in_proxy: bool) -> Verdict {
        let name = compact(key);
        let value = rest.bytes().next().unwrap_or_default();
        let is_secret = if is_udf(&name) {
            if self.holds_device_id(&name) {
                return judge_device_id(rest);
            }
            self.is_secret_udf(&name, value)
        } else {
            // A yes, a no or nothing is no secret: `passwordExpired`, `hasStdOut`.
            !matches!(value, b't' | b'f' | b'n') && self.is_secret(&name, in_proxy)
        };
        match is_secret {
            true if self.look_into_texts() && name == VARIABLE => Verdict::Mark,
            true => Verdict::Remove,
            false => Verdict::Keep,
        }
    }

    fn is_secret(self, name: &str, in_proxy: bool) -> bool {
        if ALWAYS.iter().any(|part| name.contains(part)) {
            return true;
        }
        let of_proxy = in_proxy || name.contains("proxy");
        if of_proxy && (name.ends_with("username") || name.ends_with("password")) {
            return true;
        }
        // An alert's free-form keys come from the customer's own scripts ("Password policy": "weak"): they are its message.
        self.kind != RecordKind::Alert && is_like_a_secret(name)
    }

    /// Whether this is the field of a device that may hold its id and nothing else.
    fn holds_device_id(self, name: &str) -> bool {
        let number = udf_number(name).filter(|number| !self.udfs.listed.contains(number));
        self.kind == RecordKind::Device && number.is_some() && number == self.udfs.entra_device_id
    }

    fn is_secret_udf(self, name: &str, value: u8) -> bool {
        match (self.kind, udf_number(name)) {
            (RecordKind::Alert, _) => false,
            (_, Some(number)) => !self.udfs.listed.contains(&number),
            // The container of a device's fields stays, its members are judged one by one.
            (RecordKind::Device | RecordKind::DevicePosture, None) => value != b'{',
            (_, None) => !name.ends_with("name"),
        }
    }
}

/// Judges the value of the field that may hold a device's id: anything else may be a secret, and nothing of it stays.
fn judge_device_id(rest: &str) -> Verdict {
    let token = rest.get(..json::value_length(rest.as_bytes())).unwrap_or(rest);
    let text = if token.starts_with('"') { Some(json::decode(token)) } else { None };
    match text {
        Some(text) if entra_device_id(&text).is_some() => Verdict::Keep,
        Some(text) if text.trim().is_empty() => Verdict::Remove,
        None if token == NO_ID => Verdict::Keep,
        None if token == "null" => Verdict::Remove,
        Some(_) | None => Verdict::Replace,
    }
}

/// Whether a key, in compact form, names a secret wherever keys are Datto's own.
pub(super) fn is_like_a_secret(name: &str) -> bool {
    let is_variable = name.contains("variable") && !["name", "id", "uid", "idx"].iter().any(|end| name.ends_with(end));
    is_variable
        || LIKE_PASSWORDS.iter().any(|part| name.contains(part))
        || (JOB_OUTPUT.iter().any(|end| name.ends_with(end)) && !name.starts_with("has"))
        || name.ends_with("token")
        || name.ends_with("pwd")
}

/// Whether a key in a text that no kind's rules can read names a secret.
pub(super) fn is_secret_of_text(key: &str) -> bool {
    let name = compact(key);
    is_any_secret(&name)
        || OF_REQUESTS.iter().any(|part| name.contains(part))
        || ENDS_OF_REQUESTS.iter().any(|end| name.ends_with(end))
}

/// Whether a parameter of a web address names a secret that it does not name elsewhere.
pub(super) fn is_secret_of_address(key: &str) -> bool {
    compact(key) == "code"
}

/// Whether a header's value goes on to the end of its line.
pub(super) fn is_header(key: &str) -> bool {
    let name = compact(key);
    HEADERS.iter().any(|header| name.contains(header))
}

/// Whether this is the key under which a pair has its name.
pub(super) fn is_name_of_names(key: &str) -> bool {
    NAMES_OF_NAMES.contains(&compact(key).as_str())
}

/// Whether this is the key under which a pair has its value.
pub(super) fn is_name_of_values(key: &str) -> bool {
    NAMES_OF_VALUES.contains(&compact(key).as_str())
}

/// Whether a key, in compact form, names a secret in any kind of record.
fn is_any_secret(name: &str) -> bool {
    ALWAYS.iter().any(|part| name.contains(part))
        || is_like_a_secret(name)
        || udf_number(name).is_some()
        || (name.contains("proxy") && name.ends_with("username"))
}

/// Whether `text`, which was stripped before, holds any word that is part of every name of a secret; a yes may be wrong. A no is
/// wrong only for a word with other characters between its letters (`p-wd`), which the first pass has removed. A test keeps this in
/// step with the rules above.
pub(super) fn may_name_a_secret(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(3).enumerate().any(|(at, three)| may_begin(three) && is_word_of_a_secret(bytes, at))
}

/// First three letters of the words below, in lower case; a `?` is any.
const BEGINNINGS: [&[u8; 3]; 13] =
    [b"udf", b"pas", b"pwd", b"pro", b"sec", b"std", b"tok", b"key", b"cre", b"var", b"rem", b"res", b"\\u?"];
/// For each of three places and each byte, the beginnings that have it there: a bit for each. So one look at three bytes says
/// whether a word may begin, without a branch for each of them.
const HOLDERS: [[u16; 256]; 3] = [holders(0), holders(1), holders(2)];

#[expect(clippy::indexing_slicing, reason = "computed when compiling, where an index out of bounds is an error")]
const fn holders(place: usize) -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut word = 0;
        while word < BEGINNINGS.len() {
            let wanted = BEGINNINGS[word][place];
            if wanted == b'?' || wanted as usize == (byte as u8).to_ascii_lowercase() as usize {
                table[byte] |= 1 << word;
            }
            word += 1;
        }
        byte += 1;
    }
    table
}

fn may_begin(three: &[u8]) -> bool {
    let [first, second, third] = three else { return false };
    let [firsts, seconds, thirds] = &HOLDERS;
    let holders = |table: &[u16; 256], byte: u8| table.get(usize::from(byte)).copied().unwrap_or_default();
    holders(firsts, *first) & holders(seconds, *second) & holders(thirds, *third) != 0
}

/// Whether the bytes from `at` on are such a word.
fn is_word_of_a_secret(bytes: &[u8], at: usize) -> bool {
    let is_at = |at: usize, word: &[u8]| {
        let end = at.saturating_add(word.len());
        bytes.get(at..end).is_some_and(|found| found.eq_ignore_ascii_case(word))
    };
    match bytes.get(at).copied().unwrap_or_default() {
        b'u' | b'U' => is_at(at, b"udf"),
        b'p' | b'P' => is_at(at, b"pass") || is_at(at, b"pwd") || is_at(at, b"proxy"),
        b's' | b'S' => is_at(at, b"secret") || (is_at(at, b"std") && !is_at(at.saturating_sub(3), b"has")),
        b't' | b'T' => is_at(at, b"token"),
        b'k' | b'K' => is_at(at, b"key"),
        b'c' | b'C' => is_at(at, b"cred"),
        b'v' | b'V' => is_at(at, b"variable"),
        // With or without a separator before the last word.
        b'r' | b'R' => {
            is_at(at, b"remoteurl")
                || (is_at(at, b"remote") && is_at(at.saturating_add(7), b"url"))
                || (is_at(at, RESPONSES.as_bytes()) && !says_nothing(bytes, at.saturating_add(RESPONSES.len())))
        }
        // A key may be written in escapes.
        b'\\' => is_at(at.saturating_add(1), b"u"),
        _ => false,
    }
}

/// Whether the value after a key that ends at `at` is null or empty, as those of most alerts' response actions are.
fn says_nothing(bytes: &[u8], at: usize) -> bool {
    let value = bytes.get(at..).and_then(|rest| rest.strip_prefix(b"\":")).unwrap_or_default();
    value.starts_with(b"null") || value.starts_with(b"[]")
}

/// Letters and digits in lower case: `data.API_secret-Key` and `apiSecretKey` name the same thing.
pub(super) fn compact(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// `udf…` alone or as the last part of a dotted name.
fn is_udf(name: &str) -> bool {
    name.starts_with("udf") || name.starts_with("dataudf") || udf_number(name).is_some()
}

/// The number at the end of `udf12` or `datanewudf12`.
fn udf_number(name: &str) -> Option<u16> {
    let (_, number) = name.rsplit_once("udf")?;
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| number.parse().unwrap_or(u16::MAX))
}
