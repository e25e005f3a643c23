//! Every login of a Kafka sink on a real broker: each event once, a clear text when it fails, and the secret nowhere.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::broker::Broker;
use super::kafka_faults::{PATIENCE, QUICK, Running, log, open_an_alert, says};
use super::token_server::{self, Mode, TokenServer};
use super::verify::{verify, verify_with};
use crate::simulated::Simulated;
use crate::workplace::{Workplace, ids, wait_for};

const SCRAM: &str = "scr4m-s3cr3t";
const PLAIN: &str = "pl41n-s3cr3t";
const OAUTH: &str = "0auth-s3cr3t";

fn small_world() -> Value {
    let mut world = crate::once::still_world();
    for (key, count) in [("open_alerts", 60), ("resolved_alerts", 30), ("activity_history", 50)] {
        world[key] = json!(count);
    }
    world
}

fn sink(name: &str, brokers: &str, topic: &str, more: &str) -> String {
    format!(
        "[sinks.kafka.{name}]\nbrokers = [\"{brokers}\"]\ntopic = \"{topic}\"\noffsets_topic = \"{topic}.offsets\"\n{more}\n"
    )
}

/// `tls` that trusts the broker's authority.
fn tls(broker: &Broker) -> String {
    format!("tls = {{ ca_file = \"{}\" }}\n", broker.file("tls/ca.pem"))
}

/// `tls` with a client certificate; `folder` has `client.pem` and `client.key`.
fn mutual(broker: &Broker, folder: &str) -> String {
    let ca = broker.file("tls/ca.pem");
    format!("tls = {{ ca_file = \"{ca}\", cert_file = \"{folder}/client.pem\", key_file = \"{folder}/client.key\" }}\n")
}

/// `sasl` with the password in the file `secret`.
fn sasl(mechanism: &str) -> String {
    format!("sasl = {{ mechanism = \"{mechanism}\", username = \"keeper\", password = {{ file = \"secret\" }} }}\n")
}

fn create(broker: &Broker, topic: &str) {
    for name in [topic.to_owned(), format!("{topic}.offsets")] {
        broker.tool("TopicCommand", &["--create", "--topic", &name, "--partitions", "1"]);
    }
}

/// Runs the program with everything that it and the library can log.
fn aloud(place: &Workplace, arguments: &[&str]) -> (Output, String) {
    let output = place.command(arguments).env("VINTNER_LOG", "trace").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

/// None of `secrets` is in `said`, nor in any file of the folder but the file `secret`: the log and the journal.
fn kept(place: &Workplace, said: &str, secrets: &[String]) {
    let mut looked = 0;
    for entry in std::fs::read_dir(place.path("")).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("secret") || path.ends_with("vintner.toml") {
            continue;
        }
        looked += 1;
        never_in(&std::fs::read(&path).unwrap(), secrets, &path);
    }
    assert!(looked > 0, "no journal");
    never_in(said.as_bytes(), secrets, Path::new("what it said"));
}

fn never_in(bytes: &[u8], secrets: &[String], place: &Path) {
    for secret in secrets {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "a secret is in {}", place.display());
    }
}

/// The events are in the topic, each once, and `verify` agrees.
fn each_once(broker: &Broker, place: &Workplace, topic: &str) -> usize {
    let events = broker.events(topic);
    assert!(ids(&events).values().all(|count| *count == 1), "{topic}: an event came twice");
    let (code, report, said) = verify(place);
    let counts = ["lost", "repeated", "found"].map(|word| report[word].as_u64());
    assert_eq!((code, counts), (0, [Some(0), Some(0), Some(events.len() as u64)]), "{topic}: {report} {said}");
    events.len()
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn every_login_delivers_each_event_once_and_the_secret_is_nowhere() {
    let broker = Broker::start();
    broker.scram("SCRAM-SHA-256", SCRAM);
    broker.scram("SCRAM-SHA-512", SCRAM);
    let server = TokenServer::start(Mode::Lives(Duration::from_secs(300)), OAUTH);
    create(&broker, "by-token");
    let trusted = tls(&broker);
    let at_least_once = "delivery = \"at_least_once\"\n";
    let encrypted =
        format!("{}librdkafka = {{ \"ssl.key.password\" = {{ file = \"secret\" }} }}", encrypted_key(&broker));
    let cases = [
        ("by-plain", broker.sasl_tls, PLAIN, format!("{trusted}{}", sasl("PLAIN"))),
        ("by-scram-256", broker.sasl_tls, SCRAM, format!("{trusted}{}{at_least_once}", sasl("SCRAM-SHA-256"))),
        ("by-scram-512", broker.sasl_tls, SCRAM, format!("{trusted}{}", sasl("SCRAM-SHA-512"))),
        ("by-token", broker.sasl_tls, OAUTH, format!("{trusted}{}", server.sasl())),
        ("by-certificate", broker.tls, "k3y-s3cr3t", mutual(&broker, &broker.file("tls"))),
        ("by-encrypted-key", broker.tls, "k3y-s3cr3t", encrypted),
    ];
    let simulated = Simulated::start(&small_world());
    for (topic, port, secret, more) in cases {
        let create = if topic == "by-token" { "" } else { "create_topics = true\n" };
        let more = format!("{create}{more}").replace("librdkafka = {", "librdkafka = { debug = \"all\",");
        let more =
            if more.contains("librdkafka") { more } else { format!("{more}\nlibrdkafka = {{ debug = \"all\" }}") };
        let place = Workplace::new(&simulated, &sink("siem", &format!("127.0.0.1:{port}"), topic, &more));
        std::fs::write(place.path("secret"), format!("{secret}\n")).unwrap();
        let (checked, said) = aloud(&place, &["check", "--online"]);
        assert_eq!(checked.status.code(), Some(0), "{topic}: {said}");
        assert!(said.contains("reached, it would take events") && said.contains("sink siem"), "{topic}: {said}");
        let (ran, log) = aloud(&place, &["run", "--once"]);
        assert_eq!(ran.status.code(), Some(0), "{topic}: {log}");
        assert!(log.contains("\"facility\":\"CONF\""), "the library logs nothing: {log}");
        assert!(
            log.contains("SSL handshake") || log.contains("\"facility\":\"STATE\""),
            "the library logs too little: {log}"
        );
        let secrets = [vec![secret.to_owned(), token_server::basic(secret)], server.given()].concat();
        kept(&place, &format!("{said}{log}"), &secrets);
        let found = each_once(&broker, &place, topic);
        assert!(found > 200, "{topic}: {found}");
    }
    assert!(!server.given().is_empty());
}

/// `tls` with a key that needs a pass phrase.
fn encrypted_key(broker: &Broker) -> String {
    let folder = broker.file("tls/encrypted");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(broker.file("tls/client.pem"), format!("{folder}/client.pem")).unwrap();
    let (key, out) = (broker.file("tls/client.key"), format!("{folder}/client.key"));
    openssl(&["pkcs8", "-topk8", "-in", &key, "-out", &out, "-passout", "pass:k3y-s3cr3t"]);
    mutual(broker, &folder)
}

/// `tls` with a client certificate that no authority signed.
fn foreign_certificate(broker: &Broker) -> String {
    let folder = broker.file("tls/foreign");
    std::fs::create_dir_all(&folder).unwrap();
    let (key, out) = (format!("{folder}/client.key"), format!("{folder}/client.pem"));
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
    openssl(&[&["req", "-x509"], &curve[..], &["-subj", "/CN=foreign", "-keyout", &key, "-out", &out]].concat());
    mutual(broker, &folder)
}

fn openssl(arguments: &[&str]) {
    let output = std::process::Command::new("openssl").args(arguments).output().expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A sink that fails: its name, its brokers, its settings, and what the operator reads of it.
type Failing = (&'static str, String, String, &'static [&'static str]);

fn failing(broker: &Broker, servers: &[(&'static str, SocketAddr)]) -> Vec<Failing> {
    let at = |port: u16| format!("127.0.0.1:{port}");
    let (trusted, plain_port) = (tls(broker), broker.endpoint.clone());
    let (sasl_tls, tls_port) = (at(broker.sasl_tls), at(broker.tls));
    let scram = sasl("SCRAM-SHA-512");
    let foreign_authority = foreign_certificate(broker).replace("tls/ca.pem", "tls/foreign/client.pem");
    let mut cases: Vec<Failing> = vec![
        (
            "password",
            sasl_tls.clone(),
            format!("{trusted}{scram}"),
            &["refuses the login", "check `username`, `password`"],
        ),
        (
            "plain-password",
            sasl_tls.clone(),
            format!("{trusted}{}", sasl("PLAIN")),
            &["refuses the login", "`password`"],
        ),
        ("mechanism", broker.sasl.clone(), scram.clone(), &["does not offer this login", "`mechanism`", "PLAIN"]),
        (
            "no-authority",
            sasl_tls.clone(),
            format!("tls = {{}}\n{scram}"),
            &["not accepted: no authority", "set `tls.ca_file`"],
        ),
        ("other-authority", tls_port.clone(), foreign_authority, &["no authority in `tls.ca_file` signed it"]),
        (
            "name",
            format!("localhost:{}", broker.sasl_tls),
            format!("{trusted}{scram}"),
            &["not made out to localhost", "`brokers`"],
        ),
        ("no-certificate", tls_port.clone(), trusted.clone(), &["wants a client certificate", "`tls.cert_file`"]),
        (
            "foreign",
            tls_port.clone(),
            foreign_certificate(broker),
            &["does not accept the certificate in `tls.cert_file`"],
        ),
        ("no-tls", sasl_tls.clone(), scram, &["hangs up", "without TLS", "set `tls = {}`"]),
        ("no-tls-no-login", tls_port, String::new(), &["hangs up", "without TLS", "set `tls = {}`"]),
        ("tls", plain_port, trusted.clone(), &["does not speak TLS", "remove `tls`"]),
        ("no-login", broker.sasl.clone(), String::new(), &["hangs up", "without a login", "set `sasl`"]),
        ("no-login-tls", sasl_tls.clone(), trusted.clone(), &["hangs up", "without a login", "set `sasl`"]),
    ];
    for (name, address) in servers {
        let words: &[&str] = match *name {
            "token-down" => &["no access token from 127.0.0.1:", "Connection refused"],
            "token-refused" => {
                &["no access token from", "HTTP 401, invalid_client", "secret ****", "check `client_id`"]
            }
            "token-page" => &["no access token from", "text/html, not JSON", "check `token_url`"],
            _ => &["refuses the login", "invalid_token", "`token_url`"],
        };
        cases.push((name, sasl_tls.clone(), format!("{trusted}{}\n", token_server::sasl(*address)), words));
    }
    cases
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn what_refuses_a_login_is_told_with_what_to_do_and_without_the_secret() {
    let broker = Broker::start();
    broker.scram("SCRAM-SHA-512", SCRAM);
    let (wrong, secret) = ("wr0ng-s3cr3t", "wr0ng-s3cr3t");
    let refusing = TokenServer::start(Mode::Refuses, secret);
    let page = TokenServer::start(Mode::Page, secret);
    let expired = TokenServer::start(Mode::Expired, secret);
    let servers = [
        ("token-down", crate::receiver::free_address()),
        ("token-refused", refusing.address()),
        ("token-page", page.address()),
        ("token-expired", expired.address()),
    ];
    let cases = failing(&broker, &servers);
    let sinks: String = cases.iter().map(|(name, brokers, more, _)| sink(name, brokers, name, more)).collect();
    let simulated = Simulated::start(&small_world());
    let place = Workplace::new(&simulated, &sinks);
    std::fs::write(place.path("secret"), wrong).unwrap();
    let configuration = std::fs::read_to_string(place.path("vintner.toml")).unwrap();
    place.configure(&format!("shutdown_timeout = \"15s\"\n{configuration}"));

    let (checked, said) = aloud(&place, &["check", "--online"]);
    assert_eq!(checked.status.code(), Some(1), "{said}");
    let (ran, log) = aloud(&place, &["run", "--once"]);
    assert_eq!(ran.status.code(), Some(1), "{log}");
    for (name, _, _, words) in &cases {
        let told = |text: &str, beginning: &str| {
            let line = text.lines().find(|line| line.contains(beginning)).unwrap_or_else(|| panic!("{name}: {text}"));
            for word in *words {
                assert!(line.contains(word), "{name}: no {word:?} in {line}");
            }
            for noise in ["ssl.ca.location", "security.protocol", "identical error", "Local: "] {
                assert!(!line.contains(noise), "{name}: {noise:?} in {line}");
            }
        };
        told(&said, &format!("error: sink {name}: "));
        told(&log, &format!("\"sink\":\"{name}\",\"since\""));
        told(&log, &format!("sink {name} made no progress"));
        // The same reason is told once, however often it is tried again.
        let warnings = log.lines().filter(|line| line.contains(&format!("\"sink\":\"{name}\",\"since\"")));
        let reason = |line| serde_json::from_str::<Value>(line).unwrap()["reason"].to_string();
        let reasons: Vec<String> = warnings.map(reason).collect();
        assert_eq!(reasons.iter().collect::<BTreeSet<_>>().len(), reasons.len(), "{name}: {reasons:?}");
    }
    let given = expired.given();
    assert!(!given.is_empty());
    kept(&place, &format!("{said}{log}"), &[vec![wrong.to_owned(), token_server::basic(wrong)], given].concat());
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn a_token_is_renewed_while_delivery_goes_on() {
    const LIFE: Duration = Duration::from_secs(16);
    let broker = Broker::start();
    create(&broker, "renewed");
    let server = TokenServer::start(Mode::Lives(LIFE), OAUTH);
    let simulated = Simulated::start(&small_world());
    let more = format!("{}{}\nlibrdkafka = {{ debug = \"security\" }}\n{QUICK}", tls(&broker), server.sasl());
    let place = Workplace::new(&simulated, &sink("siem", &format!("127.0.0.1:{}", broker.sasl_tls), "renewed", &more));
    std::fs::write(place.path("secret"), OAUTH).unwrap();
    let running = Running::logging(&place, "info,vintner::sink::kafka=debug");
    let count = || broker.events("renewed").len();
    let mut expected = wait_for(PATIENCE, || Some(count()).filter(|count| *count > 200));
    let began = Instant::now();
    let opened = server.asked().len();
    while began.elapsed() < LIFE + Duration::from_secs(4) {
        open_an_alert(&simulated);
        expected += 1;
        wait_for(PATIENCE, || (count() == expected).then_some(()));
        std::thread::sleep(Duration::from_millis(1500));
    }
    let text = log(&place);
    assert!(server.asked().len() > opened, "no token was renewed");
    assert!(!text.contains("sink is down") && !text.contains("\"facility\":\"FAIL\""), "{text}");
    // The broker ends a connection that does not log in again in time: each login was for another 8 s at most.
    let logins = text.matches("Received session lifetime").count();
    assert!(logins >= 5, "{logins} logins");

    // Without a new token the sink is down once the old one has ended; nothing is lost by that.
    server.answers(Mode::Refuses);
    wait_for(PATIENCE, || {
        open_an_alert(&simulated);
        expected += 1;
        std::thread::sleep(Duration::from_millis(1500));
        log(&place).contains("sink is down").then_some(())
    });
    let text = log(&place);
    let down = text.lines().find(|line| line.contains("sink is down")).unwrap();
    assert!(down.contains("no access token from") && down.contains("HTTP 401"), "{down}");
    server.answers(Mode::Lives(LIFE));
    says(&place, &["sink works again"]);
    wait_for(PATIENCE, || (count() == expected).then_some(()));
    let arguments = std::fs::read_to_string(format!("/proc/{}/cmdline", running.id())).unwrap();
    running.stop();
    let secrets = [vec![OAUTH.to_owned(), token_server::basic(OAUTH)], server.given()].concat();
    kept(&place, &arguments, &secrets);
    assert_eq!(each_once(&broker, &place, "renewed"), expected);
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn a_changed_password_is_read_once_the_old_one_is_refused() {
    let broker = Broker::start();
    broker.scram("SCRAM-SHA-256", "0ld-s3cr3t");
    let simulated = Simulated::start(&small_world());
    let login = format!("create_topics = true\n{}{}", tls(&broker), sasl("SCRAM-SHA-256"));
    let address = format!("127.0.0.1:{}", broker.sasl_tls);
    let sinks = format!(
        "{}{}{QUICK}",
        sink("exact", &address, "turned", &login),
        sink("often", &address, "turned-often", &format!("{login}delivery = \"at_least_once\"\n"))
    );
    let place = Workplace::new(&simulated, &sinks);
    std::fs::write(place.path("secret"), "0ld-s3cr3t\n").unwrap();
    let running = Running::start(&place);
    let both = |count: usize| {
        wait_for(PATIENCE, || {
            ["turned", "turned-often"].iter().all(|topic| broker.events(topic).len() == count).then_some(())
        })
    };
    let before = wait_for(PATIENCE, || Some(broker.events("turned").len()).filter(|count| *count > 200));
    both(before);

    // The broker asks for the login again within 8 s; until then the old one counts.
    broker.scram("SCRAM-SHA-256", "n3w-s3cr3t");
    std::thread::sleep(Duration::from_secs(9));
    open_an_alert(&simulated);
    let down = ["exact", "often"].map(|name| format!("\"sink\":\"{name}\",\"since\""));
    let text = says(&place, &[&down[0], &down[1], "refuses the login", "check `username`, `password`"]);
    assert!(!text.contains("works again"), "{text}");
    std::fs::write(place.path("secret"), "n3w-s3cr3t\n").unwrap();
    wait_for(PATIENCE, || (log(&place).matches("sink works again").count() == 2).then_some(()));
    both(before + 1);
    running.stop();
    kept(&place, "", &["0ld-s3cr3t".to_owned(), "n3w-s3cr3t".to_owned()]);
    for name in ["exact", "often"] {
        let (code, report, said) = verify_with(&place, &["--sink", name]);
        let counts = ["lost", "repeated", "found"].map(|word| report[word].as_u64());
        assert_eq!((code, counts), (0, [Some(0), Some(0), Some(before as u64 + 1)]), "{name}: {report} {said}");
    }
}
