//! Reads a configuration file and everything that belongs to it. The only file of the configuration that reads the process's
//! environment.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::config::files::Severities;
use crate::config::mapping::{self, Form};
use crate::config::places::{At, MOST_TOLD, Problems};
use crate::config::read::{Section, lens, orgs, root};
use crate::config::secrets::Environment;
use crate::config::settings::kafka::TlsConfig;
use crate::config::settings::{Config, SinkConfig, SinkKind};
use crate::config::{check, files, folder, raw, text};
use crate::diagnostic::{Diagnostic, Severity, causes};
use crate::net::roots;
use crate::org::directory::Directory;

/// Where a configuration is looked for, in this order.
const HERE: &str = "./vintner.toml";
const OF_SYSTEM: &str = "/etc/vintner/vintner.toml";
/// Largest file; a hundred thousand organizations with their sites take about a tenth of it.
const MAX_BYTES: u64 = 64 << 20;

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

/// A configuration that was read.
pub struct Loaded {
    /// What it says; of one with errors as far as it could be read, with defaults for what is wrong.
    pub config: Config,
    /// What is odd about it, and what is wrong: [`load`] and [`from_text`] return none with errors.
    pub found: Vec<Diagnostic>,
    places: Problems,
}

/// The configuration file to read: the one given, else the first that exists of `./vintner.toml`, the user's own
/// `vintner/vintner.toml` in the folder `user`, and `/etc/vintner/vintner.toml`.
pub fn find(given: Option<&Path>, user: Option<&Path>) -> Result<PathBuf, Box<Diagnostic>> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    let of_user = user.map(|folder| folder.join("vintner").join("vintner.toml"));
    let searched = [Some(HERE.into()), of_user, Some(OF_SYSTEM.into())];
    let found = searched.iter().flatten().find(|path: &&PathBuf| path.exists());
    let hint = "`vintner init` writes one; -c or VINTNER_CONFIG names another place";
    found.cloned().ok_or_else(|| {
        let others: Vec<String> = searched.iter().flatten().skip(1).map(|path| path.display().to_string()).collect();
        let message = format!("no configuration here, nor at {}", others.join(" or "));
        Box::new(Diagnostic::of_file(HERE, &message, Some(hint)))
    })
}

/// Reads and checks the configuration: a file, or a folder of them. On failure: everything that is wrong or odd, in the order of the
/// files.
pub fn load(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    examine(path).and_then(accepted)
}

/// Like [`load`], but gives a configuration with errors too, so that secrets, certificates and files can be looked at as well. Fails
/// only if a file cannot be read as TOML.
pub fn examine(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    let paths = if path.is_dir() { of_folder(path)? } else { vec![path.to_owned()] };
    let read = |path: PathBuf| {
        let name = path.display().to_string();
        read_text(&path, &name).map(|text| (name, text))
    };
    let (mut files, mut unread) = (Vec::new(), Vec::new());
    for file in paths.into_iter().map(read) {
        match file {
            Ok(file) => files.push(file),
            Err(diagnostic) => unread.push(*diagnostic),
        }
    }
    if !unread.is_empty() {
        return Err(unread);
    }
    let base = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    from_files(base, &files)
}

/// The files of a folder.
fn of_folder(folder: &Path) -> Result<Vec<PathBuf>, Vec<Diagnostic>> {
    let name = folder.display().to_string();
    let failed = |message: &str, hint| vec![Diagnostic::of_file(&name, message, hint)];
    let files = folder::files(folder).map_err(|error| failed(&format!("cannot be read: {error}"), None))?;
    let hint = "every file of the folder that ends in .toml is a part of the configuration";
    if files.is_empty() { Err(failed("no file in this folder ends in .toml", Some(hint))) } else { Ok(files) }
}

/// Checks a configuration that is already read; `path` is what problems name and what other files are relative to.
pub fn from_text(path: &Path, text: &str) -> Result<Loaded, Vec<Diagnostic>> {
    from_files(path.parent().unwrap_or(Path::new("")), &[(path.display().to_string(), text.to_owned())])
        .and_then(accepted)
}

fn accepted(loaded: Loaded) -> Result<Loaded, Vec<Diagnostic>> {
    if has_errors(&loaded.found) { Err(loaded.found) } else { Ok(loaded) }
}

/// Whether any of the problems is an error.
pub fn has_errors(found: &[Diagnostic]) -> bool {
    found.iter().any(|problem| problem.severity == Severity::Error)
}

/// Checks a configuration of files with these names and texts; what they name is relative to `base`.
fn from_files(base: &Path, files: &[(String, String)]) -> Result<Loaded, Vec<Diagnostic>> {
    let problems = Problems::default();
    let table = merged(files, &problems)?;
    let root = Section::new(&problems, String::new(), At::new(0, 0..0), &table);
    // Problems of the other files; what depends on a file that cannot be read is not judged.
    let mut others = Vec::new();
    let mut kept = |found: Vec<Diagnostic>| others.extend(found);
    let mapping_file = orgs::file(&root);
    let mapping_text =
        mapping_file.as_ref().and_then(|file| read_mapping(base, file, &problems).map_err(&mut kept).ok());
    let lens_text =
        lens::file(&root).and_then(|file| read_beside(base, &file, "lens.file", &problems).map_err(&mut kept).ok());
    let mapping_table = mapping_text.as_ref().and_then(|file| file.table(&problems).map_err(&mut kept).ok());
    let lacks_mapping = mapping_file.is_some() && mapping_table.is_none();
    let mapping =
        mapping_table.as_ref().map(|(file, table)| Section::new(&problems, "orgs".into(), At::new(*file, 0..0), table));
    let lens_table = lens_text.as_ref().and_then(|(name, text)| parse(&problems, name, text).map_err(&mut kept).ok());
    let lens_rules = lens_table.map(|(file, table)| lens::rules(&table, file, &problems)).unwrap_or_default();
    let config = root::read(root, mapping, lens_rules);
    if !lacks_mapping {
        check::check(&config, &problems);
    }
    let found = [others, problems.take()].concat();
    Ok(Loaded { config, found, places: problems })
}

impl Loaded {
    /// Which secrets cannot be read now, as errors, and which lie open to every user of the machine, as warnings. `check` tells
    /// the errors as warnings ([`Diagnostic::with_severity`]).
    pub fn secrets(&self, environment: &dyn Environment) -> Vec<Diagnostic> {
        for secret in self.config.secrets() {
            if let Err(error) = secret.read(environment) {
                let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
                self.places.error_at(&secret.key, format!("{error}{source}"), None);
            }
            if secret.is_readable_by_others() {
                let hint = "chmod 600, or 640 with vintner's own group".to_owned();
                self.places.warn_at(&secret.key, format!("every user may read {}", secret.origin), Some(hint));
            }
        }
        self.places.take()
    }

    /// Certificates and keys that cannot be read now: a warning for a sink, which is down until they can, an error for an account.
    pub fn certificates(&self) -> Vec<Diagnostic> {
        for account in &self.config.accounts {
            let Some(path) = &account.ca_file else { continue };
            if let Err(error) = roots::read(path) {
                self.places.error_at(&format!("accounts.{}.ca_file", account.name), causes::line(&error), None);
            }
        }
        for sink in &self.config.sinks {
            let tls = match &sink.kind {
                SinkKind::Kafka(kafka) => &kafka.tls,
                SinkKind::Otlp(otlp) => &otlp.tls,
                SinkKind::Stdout | SinkKind::File { .. } => &None,
            };
            let Some(TlsConfig { ca_file, client }) = tls else { continue };
            let client = client.iter().flat_map(|own| [("cert_file", &own.cert_file), ("key_file", &own.key_file)]);
            for (key, path) in ca_file.iter().map(|path| ("ca_file", path)).chain(client) {
                if let Err(error) = opened(path) {
                    let key = format!("sinks.{}.{}.tls.{key}", sink.kind.as_str(), sink.name);
                    let hint = "the sink is down until it can be read".to_owned();
                    self.places.warn_at(&key, format!("{} cannot be read: {error}", path.display()), Some(hint));
                }
            }
        }
        self.places.take()
    }

    /// Files of sinks that cannot be written to as they are; `running` are the sinks of the configuration that this one replaces.
    pub fn files(&self, severities: Severities, running: &[SinkConfig]) -> Vec<Diagnostic> {
        files::check(&self.config, running, severities, &self.places);
        self.places.take()
    }

    /// Entries of the mapping that no known site has, as warnings.
    pub fn unknown_sites(&self, directory: &Directory) -> Vec<Diagnostic> {
        if let Some(rules) = &self.config.policy.orgs {
            check::claims::unknown(rules, directory, &self.places);
        }
        self.places.take()
    }

    /// Sections that are understood but whose work is not part of this version, as errors: nothing is ignored in silence.
    pub fn unbuilt(&self) -> Vec<Diagnostic> {
        let unbuilt = |path: &str, what: &str| {
            self.places.error_at(path, format!("{what} is not part of this version yet"), None);
        };
        if self.config.webhook.is_some() {
            unbuilt("webhook", "the webhook");
        }
        if self.config.telemetry.is_some() {
            unbuilt("telemetry", "telemetry over OTLP");
        }
        self.places.take()
    }
}

/// Whether a file can be opened. A pipe is not even tried: it would wait for its writer.
fn opened(path: &Path) -> std::io::Result<()> {
    if path.metadata()?.is_file() { File::open(path).map(drop) } else { Err(ErrorKind::IsADirectory.into()) }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, found, places: _ } = self;
        f.debug_struct("Loaded").field("config", config).field("found", found).finish_non_exhaustive()
    }
}

impl Environment for ProcessEnvironment {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place of the configuration that reads the environment"
    )]
    fn variable(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }
}

/// A mapping file, read.
struct MappingFile {
    /// For messages.
    name: String,
    text: String,
    form: Form,
}

impl MappingFile {
    /// Its table, and its number among the files.
    fn table<'a>(&'a self, problems: &Problems) -> Result<(usize, DeTable<'a>), Vec<Diagnostic>> {
        if self.form == Form::Toml {
            return parse(problems, &self.name, &self.text);
        }
        let file = problems.open(&self.name, &self.text);
        let table = match self.form {
            Form::Json => mapping::from_json(&self.text, file, problems),
            Form::Csv | Form::Toml => mapping::from_csv(&self.text, file, problems),
        };
        Ok((file, table))
    }
}

/// The mapping file, beside the configuration unless its path is absolute.
fn read_mapping(base: &Path, file: &str, problems: &Problems) -> Result<MappingFile, Vec<Diagnostic>> {
    let Some(form) = Form::of(Path::new(file)) else {
        let hint = "TOML has the tables of [orgs]; CSV and JSON have a row for each site".to_owned();
        problems.error_at("orgs.file", "a mapping file ends in .toml, .csv or .json", Some(hint));
        return Err(problems.take());
    };
    read_beside(base, file, "orgs.file", problems).map(|(name, text)| MappingFile { name, text, form })
}

/// A file that the configuration names, beside it unless its path is absolute: its name for messages and its text.
fn read_beside(base: &Path, file: &str, key: &str, problems: &Problems) -> Result<(String, String), Vec<Diagnostic>> {
    let path = base.join(file);
    let name = path.display().to_string();
    let read = read_text(&path, &name).map(|text| (name, text));
    read.map_err(|diagnostic| {
        let elsewhere = || Some("a relative path counts from the directory of the configuration".to_owned());
        let hint = if path.exists() { diagnostic.hint } else { elsewhere() };
        problems.error_at(key, format!("{}: {}", diagnostic.file, diagnostic.message), hint);
        problems.take()
    })
}

/// A file as text.
fn read_text(path: &Path, name: &str) -> Result<String, Box<Diagnostic>> {
    let failed = |error: std::io::Error| {
        let hint = (error.kind() == ErrorKind::NotFound).then_some("`vintner init` writes a configuration");
        Box::new(Diagnostic::of_file(name, &format!("cannot be read: {error}"), hint))
    };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(Box::new(Diagnostic::of_file(name, "this is a directory, not a file", None)));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        let message = format!("larger than {} MiB: this is no configuration", MAX_BYTES >> 20);
        return Err(Box::new(Diagnostic::of_file(name, &message, None)));
    }
    text::decode(bytes).map_err(|error| not_utf8(name, error.as_bytes(), error.utf8_error()))
}

fn not_utf8(name: &str, bytes: &[u8], error: std::str::Utf8Error) -> Box<Diagnostic> {
    let line = bytes.get(..error.valid_up_to()).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
    let message = format!("not UTF-8 text, from line {} on", line.saturating_add(1));
    let is_sheet = Form::of(Path::new(name)) == Some(Form::Csv);
    let hint = if is_sheet { "save it as UTF-8; in Excel as \"CSV UTF-8\"" } else { "save it as UTF-8" };
    Box::new(Diagnostic::of_file(name, &message, Some(hint)))
}

/// The language of a text that is no TOML, by its beginning; the name of the file may say so too.
fn foreign_language(name: &str, text: &str) -> Option<&'static str> {
    let is_yaml_name = [".yaml", ".yml"].iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
    let first = text.lines().map(str::trim_end).find(|line| !line.is_empty() && !line.trim_start().starts_with('#'))?;
    let is_key = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let is_yaml_line = first == "---" || first.split_once(':').is_some_and(|(key, _)| is_key(key.trim_end()));
    match first.chars().next() {
        _ if is_yaml_name || is_yaml_line => Some("YAML"),
        Some('{') => Some("JSON"),
        _ => None,
    }
}

/// One table of all files.
fn merged<'a>(files: &'a [(String, String)], problems: &Problems) -> Result<DeTable<'a>, Vec<Diagnostic>> {
    let (mut table, mut broken) = (DeTable::new(), Vec::new());
    for (name, text) in files {
        let (file, begin) = problems.append(name, text);
        match parse_opened(problems, file, name, text) {
            Ok(more) => folder::merge(&mut table, folder::moved(more, begin), "", problems),
            Err(found) => broken.extend(found),
        }
    }
    if broken.is_empty() { Ok(table) } else { Err(broken) }
}

/// Parses a text, and gives its number among the files; its syntax errors are told, but nothing else of a file that has one.
fn parse<'a>(problems: &Problems, name: &str, text: &'a str) -> Result<(usize, DeTable<'a>), Vec<Diagnostic>> {
    let file = problems.open(name, text);
    Ok((file, parse_opened(problems, file, name, text)?))
}

fn parse_opened<'a>(
    problems: &Problems,
    file: usize,
    name: &str,
    text: &'a str,
) -> Result<DeTable<'a>, Vec<Diagnostic>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(table.into_inner());
    }
    if let Some(language) = foreign_language(name, text) {
        let message = format!("this is {language}, and the file must be TOML");
        let hint = "`vintner init` writes a configuration to start from; config/vintner.toml shows every key";
        return Err(vec![Diagnostic::of_file(name, &message, Some(hint))]);
    }
    for range in raw::hidden_ranges(text) {
        problems.mask(&At::new(file, range));
    }
    for error in errors.into_iter().take(MOST_TOLD.saturating_add(1)) {
        let span = error.span().unwrap_or(0..0);
        let key = text.get(span.clone()).unwrap_or_default();
        let (message, hint) = match error.message() {
            "duplicate key" => (format!("`{key}` stands here a second time"), Some("each key and table stands once")),
            message => (message.to_owned(), None),
        };
        problems.error(At::new(file, span), message, hint.map(str::to_owned));
    }
    Err(problems.take())
}
