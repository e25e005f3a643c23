//! Every target takes its seeds, the inputs that once failed, and mutations of them, without a fuzzer and on the stable toolchain.

use std::fs;
use std::path::{Path, PathBuf};

use crate::diagnostic::panics::caught;
use crate::fuzzing::{TARGETS, Target};

/// Mutations of each target in the default run; `VINTNER_FUZZ_RUNS` asks for more.
const RUNS: u64 = 400;
/// Longest input that mutations make.
const MAX_INPUT: usize = 8192;

/// What inputs of all targets are made of, with a space between two.
const TOKENS: &str = "{ } [ ] \" : , null true 0 -1 1e999 1e-7 18446744073709551616 \\u0000 \\ud800 \u{feff} \0 \n \r\n ; \t = # '' \"\"\" é 😀 \
    2026-11-20T22:05:45Z 1795212345.5 ::ffff:1.2.3.4 % / page= searchAfter= nextPageUrl id [[[[[[[[ {\"a\":{\"a\":";

fn folder(name: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name).join(target)
}

/// The inputs in a folder, in the order of their names; none if it is not there.
fn inputs(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn run(name: &str, target: Target, input: &[u8]) {
    if caught(|| target(input)).is_err() {
        let path = std::env::temp_dir().join(format!("vintner-fuzz-{name}"));
        fs::write(&path, input).unwrap();
        panic!("{name}: the input in {} fails: {:?}", path.display(), String::from_utf8_lossy(input));
    }
}

fn token(random: &mut fastrand::Rng) -> &'static str {
    let all: Vec<&str> = TOKENS.split(' ').collect();
    random.choice(all).unwrap()
}

/// An input that is much like `from`, with parts of `other`.
fn mutated(random: &mut fastrand::Rng, from: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = from.to_vec();
    for _ in 0..random.usize(1..5) {
        let at = random.usize(0..=bytes.len());
        let end = random.usize(at..=bytes.len().min(at + 32));
        match random.u8(0..8) {
            0 => drop(bytes.splice(at..end, [])),
            1 => drop(bytes.splice(at..at, token(random).bytes())),
            2 => drop(bytes.splice(at..end, token(random).bytes())),
            3 => bytes.truncate(at),
            4 => {
                let part = bytes[at..end].to_vec();
                let to = random.usize(0..=bytes.len());
                drop(bytes.splice(to..to, part));
            }
            5 => {
                let from = random.usize(0..=other.len());
                let part = &other[from..other.len().min(from + 64)];
                drop(bytes.splice(at..end, part.to_vec()));
            }
            _ if at < bytes.len() => bytes[at] ^= 1 << random.u8(0..8),
            _ => bytes.push(random.u8(..)),
        }
    }
    bytes.truncate(MAX_INPUT);
    bytes
}

fn target_holds(name: &str) {
    let (_, target) = TARGETS.into_iter().find(|(own, _)| *own == name).unwrap();
    let seeds = inputs(&folder("seeds", name));
    assert!(seeds.len() >= 3, "{name} has no seeds");
    for input in seeds.iter().chain(&inputs(&folder("regressions", name))) {
        run(name, target, input);
    }
    #[expect(clippy::disallowed_methods, reason = "a test that is told how long to run")]
    let runs = std::env::var("VINTNER_FUZZ_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(RUNS);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..runs {
        let (from, other) = (random.choice(&seeds).unwrap(), random.choice(&seeds).unwrap());
        let input = mutated(&mut random.fork(), from, other);
        run(name, target, &input);
    }
}

#[test]
fn page() {
    target_holds("page");
}

#[test]
fn details() {
    target_holds("details");
}

#[test]
fn time() {
    target_holds("time");
}

#[test]
fn address() {
    target_holds("address");
}

#[test]
fn configuration() {
    target_holds("configuration");
}

#[test]
fn csv() {
    target_holds("csv");
}

#[test]
fn otlp() {
    target_holds("otlp");
}

#[test]
fn request_row() {
    target_holds("request_row");
}

#[test]
fn every_target_has_a_test_and_a_program_for_the_fuzzer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = include_str!("tests.rs");
    let manifest = fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(tests.contains(&format!("target_holds(\"{name}\")")), "{name} has no test");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is no program of fuzz/");
        let program = fs::read_to_string(root.join(format!("fuzz/fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("vintner::fuzzing::{name}(data)")), "{name}: {program}");
    }
    assert_eq!(fs::read_dir(root.join("fuzz/fuzz_targets")).unwrap().count(), TARGETS.len());
}
