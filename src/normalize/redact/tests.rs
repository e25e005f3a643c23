//! Tests of redaction.

use super::*;

mod sent;

fn stripped(kind: RecordKind, source: &str) -> String {
    let raw: &RawValue = serde_json::from_str(source).unwrap();
    strip(kind, raw).get().to_owned()
}

#[test]
fn what_holds_no_secret_stays_byte_by_byte() {
    let clean = r#"{"alertUid":"a","n":1.50e3,"s":"\u00e9\ud800","o":{"":[{},[]]},"hasStdOut":true}"#;
    for kind in [RecordKind::Alert, RecordKind::Device, RecordKind::ActivityUser, RecordKind::Site] {
        assert_eq!(stripped(kind, clean), clean, "{kind}");
    }
    assert_eq!(stripped(RecordKind::Alert, " { \"a\" : [ 1 , 2 ] } "), r#"{"a":[1,2]}"#);
}

#[test]
fn device_loses_user_defined_fields_and_the_remote_url() {
    let device =
        r#"{"uid":"d","udf":{"udf1":"door code","udf2":null,"udf300":"x"},"webRemoteUrl":"https://x","online":true}"#;
    assert_eq!(stripped(RecordKind::Device, device), r#"{"uid":"d","udf":{},"online":true}"#);
    let raw: &RawValue = serde_json::from_str(device).unwrap();
    let kept = strip_keeping(RecordKind::Device, raw, &Udfs { listed: vec![2, 300], ..Udfs::NONE });
    assert_eq!(kept.get(), r#"{"uid":"d","udf":{"udf2":null,"udf300":"x"},"online":true}"#);
    assert_eq!(stripped(RecordKind::Device, r#"{"udf":"door code","a":1}"#), r#"{"a":1}"#);
}

#[test]
fn site_loses_proxy_credentials_only() {
    let site = r#"{"uid":"s","proxySettings":{"host":"h","password":"p","port":8080,"type":"http","username":"u"},
        "notes":"n","username":"not a proxy's"}"#;
    let expected =
        r#"{"uid":"s","proxySettings":{"host":"h","port":8080,"type":"http"},"notes":"n","username":"not a proxy's"}"#;
    assert_eq!(stripped(RecordKind::Site, site), expected);
}

#[test]
fn keys_and_variables_go_whatever_their_shape() {
    let source = r#"{"variables":[{"name":"a","value":"v"}],"apiSecretKey":"k","api_access_key":["k"],"x":1}"#;
    assert_eq!(stripped(RecordKind::User, source), r#"{"x":1}"#);
    assert_eq!(stripped(RecordKind::Site, r#"{"apiSecret\u004bey":"k"}"#), "{}");
}

#[test]
fn job_output_goes_and_its_flags_stay() {
    let source = r#"{"stdOut":"secret","job.std_err":"secret","stdData":"x","hasStdOut":true,"hasStdErr":false}"#;
    assert_eq!(stripped(RecordKind::ActivityDevice, source), r#"{"hasStdOut":true,"hasStdErr":false}"#);
}

#[test]
fn details_are_stripped_inside_their_text() {
    let inner = r#"{"data.udf5":"door","data.udf_7":{"new":"x"},"data.variable":"v","data.variable_name":"n",
        "data.password":"p","data.password_expired":true,"data.proxy_username":"u","data.site_id":884411}"#;
    let source = serde_json::json!({ "id": "1", "details": inner }).to_string();
    let out: serde_json::Value = serde_json::from_str(&stripped(RecordKind::ActivityUser, &source)).unwrap();
    let expected =
        r#"{"data.variable_changed":true,"data.variable_name":"n","data.password_expired":true,"data.site_id":884411}"#;
    assert_eq!(out["details"].as_str(), Some(expected));
    let clean = r#"{"details":"{ \"a\" : 1 }"}"#;
    assert_eq!(stripped(RecordKind::ActivityUser, clean), clean);
}

#[test]
fn text_inside_text_inside_details_is_stripped() {
    let innermost = r#"{"udf9":"door","a":1}"#;
    let inner = serde_json::json!({ "data.context": innermost }).to_string();
    let source = serde_json::json!({ "details": inner }).to_string();
    let out = stripped(RecordKind::ActivityDevice, &source);
    assert!(!out.contains("door") && out.contains(r#"a\\\":1"#), "{out}");
}

#[test]
fn broken_details_are_stripped_by_key_name() {
    let source = serde_json::json!({ "details": r#"{"data.udf5":"door code","data.site_id":8,"data.password":"hun"# });
    let out = stripped(RecordKind::ActivityUser, &source.to_string());
    assert!(!out.contains("door") && !out.contains("hun") && out.contains("data.site_id"), "{out}");
}

#[test]
fn a_scripts_own_words_stay_in_an_alert() {
    let alert = r#"{"alertContext":{"@class":"comp_script_ctx","samples":{"Password policy":"weak","udf1":"said"}}}"#;
    assert_eq!(stripped(RecordKind::Alert, alert), alert);
    assert_eq!(stripped(RecordKind::Alert, r#"{"webRemoteUrl":"u","a":1}"#), r#"{"a":1}"#);
}

#[test]
fn deep_nesting_is_no_burden() {
    let depth = 200_000;
    let source = format!("{}{{\"udf1\":\"x\"}}{}", "[".repeat(depth), "]".repeat(depth));
    let out = stripped(RecordKind::Device, &source);
    assert_eq!(out.len(), depth * 2 + 2);
}

#[test]
fn text_that_is_not_json_is_stripped_by_key_name() {
    let cases = [
        (r#"{"udf":{"udf1":"door","udf2":nul"#, r#"{"udf":{"udf1":(removed),"udf2":(removed)"#),
        (r#"a=1 password=hunter2, b=2"#, "a=1 password=(removed), b=2"),
        (r#"{\"data.udf5\":\"door\",\"x\":1}"#, r#"{\"data.udf5\":(removed),\"x\":1}"#),
        (r#""variables": [{"value":"v"}], "x": 1"#, r#""variables": (removed), "x": 1"#),
        (r#""apiSecretKey" : "abc\"def" }"#, r#""apiSecretKey" : (removed) }"#),
        ("no keys here: nothing", "no keys here: nothing"),
        ("password", "password"),
    ];
    for (text, expected) in cases {
        assert_eq!(strip_text(text), expected, "{text}");
    }
}

/// Names of secrets, with a value each; all are stripped from an activity's details.
#[test]
fn the_quick_look_overlooks_no_secret() {
    let names = [
        "udf1",
        "UDF 12",
        "data.udf5",
        "dataUdf_7",
        "webRemoteUrl",
        "web_remote_url",
        "apiSecretKey",
        "api-access-key",
        "password",
        "newPassword",
        "passwd",
        "pass_phrase",
        "passphrase",
        "clientSecret",
        "api_key",
        "accessKey",
        "private.key",
        "credentials",
        "access_token",
        "token",
        "pwd",
        "variable",
        "data.site_variables",
        "stdOut",
        "job.std_err",
        "stdData",
        "proxy_username",
        "proxySettings.password",
        "api\\u0053ecretKey",
    ];
    for name in names {
        let source = format!("{{\"a\":1,\"{name}\":\"value\"}}");
        assert_eq!(stripped(RecordKind::ActivityUser, &source), "{\"a\":1}", "{name}");
        assert_eq!(stripped_again(RecordKind::ActivityUser, &source, &Udfs::NONE), "{\"a\":1}", "{name}");
    }
    let clean = r#"{"hasStdOut":false,"hostname":"CDHQ-FS01","user":{"userName":"jane.doe"}}"#;
    assert!(!key::may_name_a_secret(clean));
}

/// Safety: of a variable only that it was changed is kept; a second time changes nothing.
#[test]
fn a_changed_variable_leaves_its_mark_and_nothing_else() {
    for value in ["\"smtpPassword=s3cr3t\"", r#"{"name":"s3cr3t","value":"s3cr3t"}"#, r#"["s3cr3t"]"#, "17"] {
        let once = stripped(RecordKind::ActivityUser, &format!(r#"{{"details":{{"data.variable":{value},"a":1}}}}"#));
        assert_eq!(once, r#"{"details":{"data.variable_changed":true,"a":1}}"#, "{value}");
        assert_eq!(stripped(RecordKind::ActivityUser, &once), once);
    }
    assert_eq!(stripped(RecordKind::Site, r#"{"data.variable":"s3cr3t"}"#), "{}");
}

/// Safety: the field that holds a device's id in Entra may hold a secret as well, and nobody listed it.
#[test]
fn only_an_id_stays_in_the_field_that_may_hold_one() {
    let entra = Udfs { entra_device_id: Some(12), ..Udfs::NONE };
    let of = |kind, source: &str, udfs: &Udfs| {
        let once = strip_keeping(kind, &RawValue::from_string(source.to_owned()).unwrap(), udfs);
        assert_eq!(strip_keeping(kind, &once, udfs).get(), once.get(), "a second time changes nothing");
        once.get().to_owned()
    };
    let id = "\"{0F6C1D1E-7A43-4A2E-9C55-3D2F0F6B8A10} \"";
    let device = |value: &str| format!(r#"{{"udf":{{"udf1":"s3cr3t","udf12":{value},"udf120":"s3cr3t"}},"a":1}}"#);
    let kept = |value: &str| format!(r#"{{"udf":{{"udf12":{value}}},"a":1}}"#);
    assert_eq!(of(RecordKind::Device, &device(id), &entra), kept(id));
    let around = [" s3cr3t", "s3cr3t ", "-"].map(|more| format!("\"0f6c1d1e-7a43-4a2e-9c55-3d2f0f6b8a10{more}\""));
    let others = ["\"s3cr3t\"", "17", "true", r#"["s3cr3t"]"#, r#"{"s3cr3t":"s3cr3t"}"#, r#""\u0073""#];
    for value in around.iter().map(String::as_str).chain(others) {
        assert_eq!(of(RecordKind::Device, &device(value), &entra), kept("{}"), "{value}");
    }
    for nothing in ["null", "\"\"", "\" \""] {
        assert_eq!(of(RecordKind::Device, &device(nothing), &entra), r#"{"udf":{},"a":1}"#);
    }
    let both = Udfs { listed: vec![12], entra_device_id: Some(12) };
    assert_eq!(of(RecordKind::Device, &device("\"told\""), &both), kept("\"told\""), "listed: told as it is");
    // An activity row that says how the field was changed is no place to look for it.
    assert_eq!(of(RecordKind::ActivityUser, &format!(r#"{{"udf12":{id},"a":1}}"#), &entra), r#"{"a":1}"#);
}
