//! Tests of what may have been sent to a third party: the texts under an alert's `responseActions`.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// An alert whose one response action has this description.
fn alert_with(description: &str) -> String {
    json!({"alertUid":"a","responseActions":[{"actionType":"WEBHOOK_EXECUTED","description":description}]}).to_string()
}

/// The description that is left of it.
fn left(description: &str) -> String {
    let out: Value = serde_json::from_str(&stripped(RecordKind::Alert, &alert_with(description))).unwrap();
    out["responseActions"][0]["description"].as_str().unwrap().to_owned()
}

#[test]
fn a_payload_loses_its_secrets_and_nothing_else() {
    let cases = [
        (r#"{"alert":"disk full","token":"s3cr3t","n":1}"#, r#"{"alert":"disk full","n":1}"#),
        (r#"{"headers":{"Authorization":"Bearer s3cr3t","Host":"x"}}"#, r#"{"headers":{"Host":"x"}}"#),
        (r#"{"routing_key":"s3cr3t","dedup":"x"}"#, r#"{"dedup":"x"}"#),
        (r#"{"is_token":true,"x":["a",{"b":2}]}"#, r#"{"is_token":true,"x":["a",{"b":2}]}"#),
        (r#"{"headers":[{"name":"X-Api-Key","value":"s3cr3t"}]}"#, r#"{"headers":[{"name":"X-Api-Key"}]}"#),
        (r#"{"body":"{\"token\":\"s3cr3t\",\"a\":1}"}"#, r#"{"body":"{\"a\":1}"}"#),
        (r#"{"text":"disk","token":"s3cr3"#, r#"{"text":"disk","token":(removed)"#),
        ("a=b&token=s3cr3t&c=d", "a=b&token=(removed)&c=d"),
        ("a=b&token=s3%26cr3t&c=d", "a=b&token=(removed)&c=d"),
        (
            "payload=%7B%22token%22%3A%22s3cr3t%22%2C%22a%22%3A1%7D",
            "payload=%7B%22token%22%3A(removed)%2C%22a%22%3A1%7D",
        ),
        ("Host: x\r\nX-Api-Key: s3cr3t\r\nAccept: */*", "Host: x\r\nX-Api-Key: (removed)\r\nAccept: */*"),
        ("Authorization: Digest a=\"b\", response=\"s3cr3t\"\nHost: x", "Authorization: (removed)\nHost: x"),
        ("POST https://x.example/in?sig=s3cr3t&v=1 sent", "POST https://x.example/in?sig=(removed)&v=1 sent"),
        ("POST https://f.example/api/alert?code=s3cr3t== ok", "POST https://f.example/api/alert?code=(removed) ok"),
        ("https://hooks.slack.com/services/T0/B0/s3cr3t ok", "https://hooks.slack.com/(removed) ok"),
        ("https://x.webhook.office.com/webhookb2/s3cr3t@x/y", "https://x.webhook.office.com/(removed)"),
        ("https://discord.com/api/webhooks/12/s3cr3t", "https://discord.com/(removed)"),
        (
            r#"{"url":"https:\/\/discord.com\/api\/webhooks\/12\/s3cr3t","a"#,
            r#"{"url":"https:\/\/discord.com\/(removed)","a"#,
        ),
        ("https://api.telegram.org/bot12:s3cr3t/sendMessage", "https://api.telegram.org/(removed)"),
        ("https://u:s3cr3t@x.example/a/b", "https://(removed)@x.example/a/b"),
        ("https://x.example/in/0123456789abcdef0123/a", "https://x.example/in/(removed)/a"),
        (
            "https://merlot.rmm.datto.com/alert/3f2c0f2e-7c4e-4bd0-9a61-0a3f5f3f7c10",
            "https://merlot.rmm.datto.com/alert/3f2c0f2e-7c4e-4bd0-9a61-0a3f5f3f7c10",
        ),
        ("<a><token>s3cr3t</token><b>1</b></a>", "<a><token>(removed)</token><b>1</b></a>"),
        ("{&quot;token&quot;:&quot;s3cr3t&quot;,&quot;a&quot;:1}", "{&quot;token&quot;:(removed),&quot;a&quot;:1}"),
        ("curl -H 'Authorization: Bearer s3cr3t'", "curl -H 'Authorization: (removed)"),
        ("Sent with Bearer s3cr3t0123.", "Sent with Bearer (removed)"),
        ("550 mailbox unavailable: soc@msp.example", "550 mailbox unavailable: soc@msp.example"),
        ("Ticket T20260717.0042 created", "Ticket T20260717.0042 created"),
        ("name=\"token\"\r\n\r\ns3cr3t\r\n--x", "name=\"token\"\r\n\r\n(removed)\r\n--x"),
    ];
    for (text, expected) in cases {
        assert_eq!(left(text), expected, "{text}");
        assert_eq!(left(expected), expected, "a second time changes nothing");
    }
}

#[test]
fn every_text_of_a_response_action_is_stripped_and_no_other_text() {
    let text = "token=s3cr3t";
    let alert = json!({
        "diagnostics": text,
        "alertContext": {"samples": {"a": text}},
        "responseActions": [{"description": text, "actionReference": text, "new": {"deep": [text], "token": "s3cr3t", text: 1}}],
    });
    let out: Value = serde_json::from_str(&stripped(RecordKind::Alert, &alert.to_string())).unwrap();
    assert_eq!(out["diagnostics"], text);
    assert_eq!(out["alertContext"], alert["alertContext"]);
    assert!(!out["responseActions"].to_string().contains("s3cr3t"), "{out}");
    let odd = r#"{"responseActions":"token=s3cr3t","a":"token=s3cr3t"}"#;
    assert_eq!(stripped(RecordKind::Alert, odd), r#"{"responseActions":"token=(removed)","a":"token=s3cr3t"}"#);
}

#[test]
fn a_record_that_an_earlier_version_stored_is_stripped_when_it_is_read() {
    let alert = alert_with("https://hooks.slack.com/services/T0/B0/s3cr3t");
    assert!(!stripped_again(RecordKind::Alert, &alert, &Udfs::NONE).contains("s3cr3t"));
    for none in [r#"{"responseActions":null}"#, r#"{"responseActions":[]}"#] {
        assert!(!key::may_name_a_secret(none), "{none}");
    }
}

#[test]
fn what_is_beyond_a_megabyte_of_text_that_is_not_json_is_removed() {
    let long = format!("{{{}\"token\":\"s3cr3t", "x".repeat(1024 * 1024));
    let out = strip_text(&long);
    assert!(!out.contains("s3cr3t") && out.ends_with("(removed)"));
}

/// Text that makes a careless reader go over it again and again.
#[test]
#[expect(clippy::disallowed_methods, reason = "real time is what this is about")]
fn hostile_texts_cost_no_more_than_their_length() {
    for unit in [
        "<token ",
        "token=,",
        "\"token\":{\"",
        "https://",
        "a,",
        "\\\\",
        "%25",
        "&amp;",
        "{\"name\":",
        "name=token value=",
    ] {
        let text = unit.repeat(200_000 / unit.len());
        let started = std::time::Instant::now();
        let _ = strip_text(&text);
        assert!(started.elapsed().as_secs() < 5, "{unit}");
    }
}

const SECRET: &str = "[A-Za-z0-9][A-Za-z0-9+/_.~-]{10,30}[A-Za-z0-9=]";

/// Names of secrets as the fields, headers and parameters of third parties have them.
fn any_key() -> impl Strategy<Value = String> {
    let names = vec![
        "token",
        "access_token",
        "Authorization",
        "X-Api-Key",
        "apiKey",
        "api_key",
        "routing_key",
        "client_secret",
        "password",
        "sig",
        "Cookie",
        "X-Auth-Token",
        "passwd",
        "private_key",
        "credentials",
        "X-Hub-Signature",
    ];
    prop::sample::select(names).prop_map(str::to_owned)
}

/// A text that holds `secret` behind `key`, in one of the forms that payloads have.
fn written(key: &str, secret: &str, form: usize) -> String {
    let object =
        json!({"alert": "Disk C: is \"full\"", "n": [1, {"a": "}"}], key: secret, "site": "HQ, north", "z": {}});
    let text = object.to_string();
    let percent = |text: &str| {
        let encode = |byte: u8| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        text.bytes().map(encode).collect::<String>()
    };
    match form {
        0 => text,
        1 => serde_json::to_string_pretty(&object).unwrap(),
        2 => json!({"body": text, "x": 1}).to_string(),
        3 => json!({"body": json!({"inner": text}).to_string()}).to_string(),
        4 => json!([json!({"a": json!({"b": json!({"c": text}).to_string()}).to_string()}).to_string()]).to_string(),
        5 => format!("alert=Disk&{}={}&site=HQ", percent(key), percent(secret)),
        6 => format!("payload={}&x=1", percent(&text)),
        7 => format!("POST /in HTTP/1.1\r\nHost: x.example\r\n{key}: {secret}\r\nAccept: */*\r\n\r\n{{}}"),
        8 => format!("Webhook executed: {text}, answer 200"),
        9 => json!({"raw": format!("Host: x\r\n{key}: {secret}\r\nAccept: a, b")}).to_string(),
        10 => format!("POST https://api.example/v1/in?site=HQ&{key}={secret}&x=1 → 200"),
        11 => format!("host=x {key}={secret}, site=HQ"),
        12 => text.replace('"', "&quot;"),
        13 => format!("<alert><{key}>{secret}</{key}><site>HQ</site></alert>"),
        14 => json!({"headers": [{"name": key, "value": secret}, {"name": "Host", "value": "x"}]}).to_string(),
        15 => format!("{{{key}: '{secret}', site: 'HQ'}}"),
        16 => text.replace(&format!("\"{key}\""), &format!("\"\\u{:04x}{}\"", u32::from(key.as_bytes()[0]), &key[1..])),
        17 => json!({"headers": [{"value": secret, "name": key}, {"name": "Host", "value": "x"}]}).to_string(),
        _ => format!("curl --{key} {secret} -X POST"),
    }
}

proptest! {
    /// Safety: a secret behind a key that names it survives in no form, wherever the text is cut.
    #[test]
    fn a_secret_behind_its_name_never_survives(
        key in any_key(), secret in SECRET, form in 0_usize..19, end in 0_usize..400, cuts in any::<bool>(), place in 0_usize..4,
    ) {
        let whole = written(&key, &secret, form);
        let end = if cuts { whole.floor_char_boundary(whole.len().saturating_sub(end)) } else { whole.len() };
        let text = &whole[..end];
        let action = match place {
            0 => json!({"description": text}),
            1 => json!({"actionReference": text}),
            2 => json!({"new": {"field": [text]}}),
            _ => json!({"description": {"text": text}}),
        };
        let alert = json!({"alertUid": "a", "responseActions": [action]}).to_string();
        let out = stripped(RecordKind::Alert, &alert);
        // Of a cut secret even the first characters must be gone.
        let shown = &secret[..8];
        prop_assert!(!out.contains(shown), "{out}");
        prop_assert_eq!(stripped(RecordKind::Alert, &out), out.clone(), "a second time changes nothing");
        prop_assert_eq!(stripped(RecordKind::Alert, &alert), out, "the same text gives the same");
        // A dead letter, which is text that may be cut anywhere, even before the names of the fields around.
        let cut = alert.floor_char_boundary(alert.len().saturating_sub(end % 40));
        prop_assert!(!strip_text(&alert[..cut]).contains(shown), "{}", strip_text(&alert[..cut]));
    }

    /// No text panics, and stripping ends.
    #[test]
    fn any_text_is_stripped(text in "\\PC{0,60}|[\"'\\\\{}:=&;,%<>a-z/ \n?#@_-]{0,80}") {
        let _ = strip_text(&text);
        let _ = stripped(RecordKind::Alert, &alert_with(&text));
    }
}
