//! A value of the configuration while it is read: taken as the type that its key wants, or reported.

use std::path::PathBuf;
use std::str::FromStr;

use toml::Spanned;
use toml::de::DeValue;
use url::Url;

use crate::config::places::{At, Problems};
use crate::config::read::Section;
use crate::config::secrets::{Origin, SecretRef, SecretText};
use crate::config::settings::ProxyConfig;
use crate::config::values::{self, Bad};
use crate::net::proxy;
use crate::secret::Secret;

/// How a secret is written.
const SECRET_HINT: &str = "write { env = \"NAME\" }, { file = \"/path\" } or { credential = \"name\" }";

/// A value, its key and its places.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    problems: &'a Problems,
    pub(crate) path: String,
    pub(crate) key: At,
    pub(crate) at: At,
    value: &'a DeValue<'a>,
}

impl<'a> Item<'a> {
    pub(crate) fn new(problems: &'a Problems, path: String, key: At, value: &'a Spanned<DeValue<'a>>) -> Self {
        let at = At::new(key.file, value.span());
        // A table with a header of its own is shown at its name; every other value at itself.
        let at = if at.start < key.start { key.clone() } else { at };
        problems.remember(&path, at.clone());
        Self { problems, path, key, at, value: value.get_ref() }
    }

    /// A value made of a text.
    pub(crate) fn parse<T>(&self, parse: impl Fn(&str) -> Result<T, Bad>) -> Option<T> {
        let Some(text) = self.value.as_str() else {
            let hint = self.as_text(&parse);
            self.wrong_type("a text in quotes", hint.as_deref());
            return None;
        };
        parse(text).map_err(|bad| self.bad(bad)).ok()
    }

    /// A URL, hidden if it could hold a password or a token.
    pub(crate) fn url(&self, parse: impl Fn(&str) -> Result<Url, Bad>) -> Option<Url> {
        if self.value.as_str().is_some_and(|text| text.contains(['@', '?'])) {
            self.problems.mask(&self.at);
        }
        self.parse(parse)
    }

    /// Like [`Item::parse`], for texts that may be a secret by mistake.
    pub(crate) fn parse_hidden<T>(&self, parse: impl Fn(&str) -> Result<T, Bad>) -> Option<T> {
        let parsed = self.parse(parse);
        if parsed.is_none() {
            self.problems.mask(&self.at);
        }
        parsed
    }

    /// A text.
    pub(crate) fn text(&self) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_type("a text in quotes", None);
        }
        text
    }

    /// A text that is not only white space.
    pub(crate) fn filled(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.error("this must not be empty", None);
            return None;
        }
        Some(text)
    }

    /// A path of a file.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        self.filled().map(PathBuf::from)
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.wrong_type("true or false", None);
        }
        flag
    }

    /// A number, whole or not.
    pub(crate) fn number(&self) -> Option<f64> {
        let text = match self.value {
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
            DeValue::Float(float) => float.as_str(),
            DeValue::Integer(_) | DeValue::String(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => "",
            DeValue::Array(_) | DeValue::Table(_) => "",
        };
        let number = f64::from_str(text).ok();
        if number.is_none() {
            self.wrong_type("a number", None);
        }
        number
    }

    /// A table.
    pub(crate) fn section(&self) -> Option<Section<'a>> {
        let Some(table) = self.value.as_table() else {
            let hint = match self.name() {
                "tls" => "`tls = {}` means TLS with the system's roots; without the key there is no TLS".to_owned(),
                _ => format!("write the table [{}] with its keys below it", self.path),
            };
            self.wrong_type("a table", Some(&hint));
            return None;
        };
        Some(Section::new(self.problems, self.path.clone(), self.at.clone(), table))
    }

    /// The items of a list; `None` only if it is no list.
    pub(crate) fn list(&self) -> Option<Vec<Item<'a>>> {
        let Some(array) = self.value.as_array() else {
            let hint = matches!(self.value, DeValue::String(_))
                .then(|| format!("put it in brackets: {} = [\"…\"]", self.name()));
            self.wrong_type("a list", hint.as_deref());
            return None;
        };
        let item = |(index, value): (usize, &'a Spanned<DeValue<'a>>)| {
            let at = At::new(self.at.file, value.span());
            Item::new(self.problems, format!("{}.{index}", self.path), at, value)
        };
        Some(array.iter().enumerate().map(item).collect())
    }

    /// A list of texts, each checked by `parse`; those that are bad are reported and left out.
    pub(crate) fn parse_list<T>(&self, parse: impl Fn(&str) -> Result<T, Bad>) -> Option<Vec<T>> {
        Some(self.list()?.iter().filter_map(|item| item.parse(&parse)).collect())
    }

    /// Like [`Item::parse_list`], for lists that mean nothing when they are empty.
    pub(crate) fn parse_filled_list<T>(&self, parse: impl Fn(&str) -> Result<T, Bad>) -> Option<Vec<T>> {
        let items = self.list()?;
        if items.is_empty() {
            self.error("this list is empty, so that nothing would fit", Some("leave the key out for no limit"));
        }
        Some(items.iter().filter_map(|item| item.parse(&parse)).collect())
    }

    /// A reference to a secret. Anything else is refused without being shown.
    pub(crate) fn secret(&self) -> Option<SecretRef> {
        let Some(table) = self.value.as_table() else {
            self.problems.mask(&self.at);
            self.error("a secret must not be written into the configuration", Some(SECRET_HINT));
            return None;
        };
        let section = Section::new(self.problems, self.path.clone(), self.at.clone(), table);
        let name = |text: &str| values::variable(text).map(|()| Origin::Env(text.to_owned()));
        let env = section.item("env").map(|item| item.parse_hidden(name));
        let file = section.item("file").map(|item| item.file().map(Origin::File));
        let credential = section.item("credential").map(|item| item.parse_hidden(credential_name));
        section.finish();
        let mut given: Vec<Option<Origin>> = [env, file, credential].into_iter().flatten().collect();
        if given.len() != 1 {
            self.error("a secret needs exactly one of `env`, `file` and `credential`", Some(SECRET_HINT));
            return None;
        }
        Some(SecretRef { key: self.path.clone(), origin: given.pop().flatten()? })
    }

    /// A text, a number or a flag that is passed on as text, or a reference to a secret.
    pub(crate) fn secret_text(&self, writing: Writing) -> Option<SecretText> {
        // Such values are never shown: nobody knows which of them is a token.
        self.problems.mask(&self.at);
        let text = match (self.value, writing) {
            (DeValue::Table(_), _) | (_, Writing::Refused) => return self.secret().map(SecretText::Reference),
            (DeValue::String(text), Writing::Allowed) => text.to_string(),
            (DeValue::Boolean(flag), Writing::Allowed) => flag.to_string(),
            (DeValue::Integer(integer), Writing::Allowed) => integer.to_string(),
            (DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_), Writing::Allowed) => {
                self.wrong_type("a text in quotes or a reference to a secret", None);
                return None;
            }
        };
        Some(SecretText::Text(Secret::new(&text)))
    }

    /// `proxy`: an address, a reference to a secret that is one, or `off`.
    pub(crate) fn proxy(&self) -> Option<ProxyConfig> {
        let key = self.path.clone();
        let DeValue::String(text) = self.value else {
            let address = SecretText::Reference(self.secret()?);
            return Some(ProxyConfig::At { key, address });
        };
        if text.trim() == "off" {
            return Some(ProxyConfig::Off);
        }
        if text.contains('@') {
            self.problems.mask(&self.at);
            let hint = "put the whole address into a secret: proxy = { env = \"PROXY_URL\" }";
            self.error("a proxy's user name and password must not stand in the configuration", Some(hint));
            return None;
        }
        match proxy::address(text) {
            Ok(_) => Some(ProxyConfig::At { key, address: SecretText::Text(Secret::new(text)) }),
            Err(reason) => {
                self.error(reason, Some("or write proxy = \"off\""));
                None
            }
        }
    }

    pub(crate) fn error(&self, message: impl Into<String>, hint: Option<&str>) {
        self.problems.error(self.at.clone(), message, hint.map(str::to_owned));
    }

    pub(crate) fn bad(&self, bad: Bad) {
        self.problems.error(self.at.clone(), bad.message, bad.hint);
    }

    /// The last part of its path.
    fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// How a number that should be a text is to be written: with the first unit that `parse` takes.
    fn as_text<T>(&self, parse: impl Fn(&str) -> Result<T, Bad>) -> Option<String> {
        let DeValue::Integer(number) = self.value else { return None };
        let number = number.as_str();
        let fits =
            ["", "s", "MiB"].map(|unit| format!("{number}{unit}")).into_iter().find(|text| parse(text).is_ok())?;
        // An item of a list has its number as its name.
        let is_item = self.name().bytes().all(|byte| byte.is_ascii_digit());
        Some(if is_item { format!("write {fits:?}") } else { format!("write {} = {fits:?}", self.name()) })
    }

    fn wrong_type(&self, wanted: &str, hint: Option<&str>) {
        let found = match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.error(format!("this must be {wanted}, not {found}"), hint);
    }
}

/// Whether a text may stand in the file where a secret may stand too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    /// It may.
    Allowed,
    /// The key names a secret.
    Refused,
}

/// A name in systemd's credential directory, never a path out of it.
fn credential_name(text: &str) -> Result<Origin, Bad> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | ':' | '+');
    if text.is_empty() || !text.chars().all(fits) || matches!(text, "." | "..") {
        return Err(Bad::new("this is not the name of a credential"));
    }
    Ok(Origin::Credential(text.to_owned()))
}
