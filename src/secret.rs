//! Values that must never be printed.

use std::fmt;
use std::sync::Arc;

/// A secret text. `Debug` shows `****`, there is no `Display` and no serialization: the only way out is [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes `text` without surrounding white space and byte order marks (a trailing newline in a stored secret is refused by Datto
    /// with 401, datto-rmm-api.md section 2).
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')))
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trims_and_never_prints() {
        let secret = Secret::new(" s3cr3t\r\n");
        assert_eq!(secret.expose(), "s3cr3t");
        assert_eq!(format!("{secret:?}"), "****");
        assert_eq!(Secret::new("\u{feff} s3c r3t\n\u{feff}").expose(), "s3c r3t");
    }
}
