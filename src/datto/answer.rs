//! What an answer means, before anyone reads what it says.

use serde_json::Value;

use super::Response;
use super::redact::excerpt;

/// A 404 of the API is a short object; nothing longer is read as one.
const MAX_NOT_FOUND_BYTES: usize = 64 * 1024;

/// What Spring, on which the API runs, says of a path that no handler has, in lower case.
const NO_SUCH_PATH: [&str; 2] = ["no static resource", "no handler found"];

/// What an answer means for the call that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A success whose body may be read.
    Success,
    /// The token is not accepted.
    Unauthorized,
    /// A 403 that is a block for sure: HTML, or no body at all.
    Blocked,
    /// A 403 that may be a missing permission or a block.
    Refused,
    /// Too many requests.
    Throttled,
    /// The API itself says that there is no such thing; see [`is_word_of_absence`].
    NotFound,
    /// It may pass: try again.
    Passing(String),
    /// It will not pass: do not try again.
    Lasting(String),
}

impl Meaning {
    /// In words, for a message.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Success => "a success".to_owned(),
            Self::Unauthorized => "status 401".to_owned(),
            Self::Blocked | Self::Refused => "status 403".to_owned(),
            Self::Throttled => "status 429".to_owned(),
            Self::NotFound => "status 404".to_owned(),
            Self::Passing(reason) | Self::Lasting(reason) => reason.clone(),
        }
    }
}

/// Reads status and outer form of an answer. `known` are values that must not show in a text.
pub(super) fn meaning(response: &Response, known: &[&str]) -> Meaning {
    let told = || format!("status {}: {}", response.status, excerpt(&response.body, known));
    match response.status {
        // A firewall or login page now and then comes with a 200 (datto-rmm-api.md section 6).
        200..=299 if is_html(response) => Meaning::Passing(format!("an HTML page instead of JSON, {}", told())),
        200..=299 => Meaning::Success,
        300..=399 => Meaning::Lasting(format!("status {}: redirects are not followed", response.status)),
        401 => Meaning::Unauthorized,
        403 if is_html(response) || is_blank(response) => Meaning::Blocked,
        403 => Meaning::Refused,
        // A page of a gateway knows nothing of the thing that was asked for.
        404 if is_html(response) => Meaning::Passing(told()),
        404 if is_word_of_absence(response) => Meaning::NotFound,
        404 => Meaning::Lasting(format!("{}; this is a wrong path, a wrong platform or a gateway", told())),
        429 => Meaning::Throttled,
        408 | 409 | 425 => Meaning::Passing(told()),
        400..=499 => Meaning::Lasting(told()),
        _ => Meaning::Passing(told()),
    }
}

/// Whether an answer, whatever it says, comes from the API and not from something in front of it.
pub(super) fn is_from_api(response: &Response) -> bool {
    matches!(response.status, 200..=299 | 400..=402 | 404..=499) && !is_html(response)
}

/// Whether a 404 speaks of the thing that was asked for, as an object of the API. A path that no handler has, a wrong platform
/// and a gateway answer 404 too: without a body, with a body that is no object, or with one that names a static resource.
fn is_word_of_absence(response: &Response) -> bool {
    let Ok(text) = std::str::from_utf8(&response.body) else { return false };
    if text.len() > MAX_NOT_FOUND_BYTES {
        return false;
    }
    let Ok(body @ Value::Object(_)) = serde_json::from_str::<Value>(text) else { return false };
    // Written anew, so that no escape hides a word.
    let words = body.to_string().to_lowercase();
    !NO_SUCH_PATH.iter().any(|phrase| words.contains(phrase))
}

fn is_html(response: &Response) -> bool {
    let start = response.body.iter().find(|b| !b.is_ascii_whitespace());
    let declared = response.content_type.as_deref().is_some_and(|t| t.to_ascii_lowercase().contains("html"));
    let starts_like_json = start.is_some_and(|b| matches!(b, b'{' | b'['));
    start == Some(&b'<') || (declared && !starts_like_json)
}

fn is_blank(response: &Response) -> bool {
    response.body.iter().all(u8::is_ascii_whitespace)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn of(status: u16, content_type: &str, body: &'static str) -> Meaning {
        let response = Response {
            status,
            content_type: Some(content_type.to_owned()),
            retry_after: None,
            date: None,
            body: Bytes::from_static(body.as_bytes()),
        };
        meaning(&response, &["s3cret"])
    }

    #[test]
    fn the_two_403s_are_told_apart() {
        assert_eq!(of(403, "text/html", "<html>blocked</html>"), Meaning::Blocked);
        assert_eq!(of(403, "application/json", "\n <!DOCTYPE html>"), Meaning::Blocked);
        assert_eq!(of(403, "application/json", ""), Meaning::Blocked);
        assert_eq!(of(403, "text/html", " \r\n"), Meaning::Blocked);
        assert_eq!(of(403, "application/json", r#"{"error":"no"}"#), Meaning::Refused);
        assert_eq!(of(403, "text/html", r#"{"error":"mislabelled"}"#), Meaning::Refused);
        assert_eq!(of(403, "text/plain", "Forbidden"), Meaning::Refused);
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        for status in [408, 409, 500, 502, 503, 504, 599, 100] {
            assert!(matches!(of(status, "text/html", "<html>"), Meaning::Passing(_)), "{status}");
        }
        assert!(matches!(of(200, "text/html; charset=utf-8", "<html>"), Meaning::Passing(_)));
        for status in [301, 302, 307, 308, 304, 400, 405, 413, 422] {
            assert!(matches!(of(status, "application/json", "{}"), Meaning::Lasting(_)), "{status}");
        }
    }

    /// An alert is closed as vanished on a 404, so it must be the API's own and speak of that alert.
    #[test]
    fn only_the_api_says_not_found() {
        for body in [r#"{"errorMessage":"Alert not found"}"#, r#" {"status":404,"message":"unknown"}"#, "{}"] {
            assert_eq!(of(404, "application/json", body), Meaning::NotFound, "{body}");
            assert_eq!(of(404, "", body), Meaning::NotFound, "{body}");
        }
        assert!(matches!(of(404, "text/html", "<html>nginx</html>"), Meaning::Passing(_)));
        for body in [
            "",
            " \r\n",
            "null",
            "[]",
            r#""not found""#,
            "404 page not found",
            r#"{"errorMessage":"cut"#,
            r#"{"errorMessage":"a"} {"errorMessage":"b"}"#,
            r#"{"message":"No static resource v2/alert/x."}"#,
            r#"{"errorMessage":"No Static Resource v2/alert/x."}"#,
            r#"{"errorMessage":"No\u0020static resource v2/alert/x."}"#,
            r#"{"problem":{"detail":["No static resource v2/alert/x."]}}"#,
            r#"{"error":"No handler found for GET /api/v2/alert/x"}"#,
        ] {
            let Meaning::Lasting(text) = of(404, "application/json", body) else { panic!("{body}") };
            assert!(text.starts_with("status 404: ") && text.ends_with("or a gateway"), "{text}");
        }
    }

    #[test]
    fn a_404_that_no_one_can_read_is_no_word_of_absence() {
        let long = format!(r#"{{"errorMessage":"{}"}}"#, "x".repeat(MAX_NOT_FOUND_BYTES));
        for body in [long.into_bytes(), b"{\"errorMessage\":\"\xff\"}".to_vec()] {
            let (status, content_type, body) = (404, None, Bytes::from(body));
            let response = Response { status, content_type, retry_after: None, date: None, body };
            assert!(matches!(meaning(&response, &[]), Meaning::Lasting(_)));
        }
    }

    #[test]
    fn texts_hold_no_secret() {
        let Meaning::Lasting(text) = of(400, "application/json", r#"{"message":"bad s3cret"}"#) else {
            panic!("lasting")
        };
        assert_eq!(text, r#"status 400: {"message":"bad ****"}"#);
    }
}
