//! Secrets are found where the references say, and never shown.

use super::*;
use crate::config::secrets::{Origin, SecretError, SecretRef};
use crate::diagnostic::Severity;

fn reference(origin: Origin) -> SecretRef {
    SecretRef { key: "k".into(), origin }
}

fn variables(pairs: &[(&'static str, &str)]) -> Variables {
    Variables(pairs.iter().map(|(name, value)| (*name, OsString::from(value))).collect())
}

#[test]
fn secrets_come_from_variables_files_and_credentials() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, "from-file\n").unwrap();
    let environment = variables(&[("K", " from-env "), ("CREDENTIALS_DIRECTORY", directory.path().to_str().unwrap())]);
    let read = |origin| reference(origin).read(&environment).unwrap().expose().to_owned();
    assert_eq!(read(Origin::Env("K".into())), "from-env");
    assert_eq!(read(Origin::File(path)), "from-file");
    assert_eq!(read(Origin::Credential("secret".into())), "from-file");
}

/// As editors and shells write files: with a byte order mark, also in UTF-16, and with white space around the value.
#[test]
fn a_byte_order_mark_and_white_space_are_no_part_of_a_secret() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let text = "\u{feff}s3cr3t \u{e4}\r\n";
    for bytes in [text.into(), format!(" \n{text}").into_bytes(), little(text), big(text)] {
        std::fs::write(&path, &bytes).unwrap();
        let secret = reference(Origin::File(path.clone())).read(&variables(&[])).unwrap();
        assert_eq!(secret.expose(), "s3cr3t \u{e4}", "{bytes:?}");
    }
    std::fs::write(&path, "\u{feff}\r\n").unwrap();
    let empty = reference(Origin::File(path.clone())).read(&variables(&[]));
    assert!(matches!(empty, Err(SecretError::Empty(_))));
}

#[test]
fn a_secret_that_cannot_be_had_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let large = directory.path().join("large");
    std::fs::write(&large, vec![b'a'; 65 * 1024]).unwrap();
    let environment = variables(&[("EMPTY", " \n")]);
    let read = |origin| reference(origin).read(&environment).unwrap_err();
    assert!(matches!(read(Origin::Env("NONE".into())), SecretError::Unset(name) if name == "NONE"));
    assert!(matches!(read(Origin::Env("EMPTY".into())), SecretError::Empty(_)));
    assert!(matches!(read(Origin::File(directory.path().join("none"))), SecretError::Unreadable { .. }));
    assert!(matches!(read(Origin::File(directory.path().to_owned())), SecretError::Unreadable { .. }));
    assert!(matches!(read(Origin::File(large)), SecretError::NotText(_)));
    assert!(matches!(read(Origin::Credential("c".into())), SecretError::NoCredentials(_)));
}

const CONFIG: &str = r#"
[accounts.acme]
platform = "merlot"
api_key = { env = "ACME_KEY" }
api_secret = { file = "SECRET" }
[sinks.stdout.console]
"#;

#[test]
fn missing_secrets_are_told_at_their_keys() {
    let loaded = good(CONFIG);
    let found = loaded.secrets(&variables(&[]));
    let lines: Vec<String> =
        found.iter().map(|found| found.to_string().split_once(':').unwrap().1.to_owned()).collect();
    assert!(lines[0].starts_with("4:11: error: the environment variable ACME_KEY is not set\n"), "{}", lines[0]);
    assert!(lines[1].starts_with("5:14: error: cannot read SECRET: "), "{}", lines[1]);
    assert_eq!(lines.len(), 2);
}

#[test]
fn certificates_that_cannot_be_read_are_told_at_their_keys() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path().join("there.pem");
    std::fs::write(&there, "").unwrap();
    let there = there.to_str().unwrap();
    let sinks = format!(
        "[sinks.kafka.k]\nbrokers = [\"b:1\"]\ntls = {{ ca_file = \"{there}\", cert_file = \"{there}\", key_file = \"{there}.key\" }}\n\
         [sinks.otlp.o]\nendpoint = \"https://o.example\"\ntls = {{ ca_file = \"{there}.ca\" }}\n"
    );
    let found = good(&format!("{CONFIG}{sinks}")).certificates();
    let told: Vec<_> = found.iter().map(|found| (found.severity, found.to_string())).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    for ((severity, text), place) in told.iter().zip(["9:", "12:"]) {
        assert_eq!(*severity, Severity::Warning);
        let (_, text) = text.split_once(':').unwrap();
        assert!(text.starts_with(place) && text.contains("cannot be read: No such file"), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn a_secret_that_everybody_may_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, "s").unwrap();
    let loaded = good(&CONFIG.replace("SECRET", path.to_str().unwrap()));
    let warnings = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let found = loaded.secrets(&variables(&[("ACME_KEY", "k")]));
        found.iter().filter(|found| found.severity == Severity::Warning).count()
    };
    assert_eq!((warnings(0o644), warnings(0o640)), (1, 0));
}

/// Every way in which somebody may write a secret into the file by mistake, one at a time: it is never printed.
#[test]
fn a_secret_in_the_file_is_never_printed() {
    let slips = [
        "api_key = \"S3CR3T\"",
        "api_key = S3CR3T",
        "api_key = \"S3CR3T",
        "api_key = 'S3CR3T' x",
        "api_key = \"\"\"\nS3CR3T\\q\n\"\"\"",
        "api_key = { value = \"S3CR3T\" }",
        "api_key = { env = \"S3CR3T!\" }",
        "api_key = [\"S3CR3T\"]",
        "api_kee = \"S3CR3T\"",
        "api_key = { env = \"A\" }\napi_key = \"S3CR3T\"",
        "api = { platfrom = 1, password = \"S3CR3T\" }",
        "api_url = \"https://user:S3CR3T@host/api\"",
        "api_url = \"ftp://user:S3CR3T@host\"",
        "api_url = \"https://user:S3CR3T@host\" x",
        "start = 1\n[journal]\nurl = \"postgres://user:S3CR3T@host\"",
        "[sinks.kafka.k]\nbrokers = []\nsasl = { mechanism = \"NONE\", password = \"S3CR3T\" }",
        "[sinks.kafka.k]\nbrokers = []\nsasl = { mechanism = \"PLAIN\", username = 1, password = \"S3CR3T\" }",
        "[sinks.kafka.k]\nbrokers = []\nlibrdkafka = { \"sasl.password\" = \"S3CR3T\" }",
        "[sinks.kafka.k]\nbrokers = []\nlibrdkafka = { acks = 1, \"x.y\" = \"S3CR3T\" }",
        "[sinks.otlp.o]\nendpoint = 1\nheaders = { authorization = \"S3CR3T\" }",
        "[sinks.otlp.o]\nendpoint = 1\nheaders = { \"x-team\" = \"S3CR3T\", host = \"a\" }",
        "[sinks.otlp.o]\nendpoint = \"http://S3CR3T@host\"",
        "[webhook]\nlisten = 1\nsecret = \"S3CR3T\"",
    ];
    for slip in slips {
        let (_directory, loaded) = load_files(&[("vintner.toml", &format!("[accounts.acme]\n{slip}\n"))]);
        let found = loaded.unwrap_err();
        let told = format!("{}\n{found:?}", told(&found, ""));
        assert!(!told.contains("S3CR3T"), "{slip}\n{told}");
    }
}

#[test]
fn a_configuration_prints_no_secret_text() {
    let text =
        format!("{CONFIG}[sinks.otlp.o]\nendpoint = \"http://127.0.0.1:1\"\nheaders = {{ x-team = \"S3CR3T\" }}\n");
    let loaded = good(&text);
    assert!(!format!("{loaded:?} {:?}", loaded.config).contains("S3CR3T"));
}
