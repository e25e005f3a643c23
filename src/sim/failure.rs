//! Bodies of error answers.

use serde::Deserialize;
use serde_json::{Value, json};

/// Form of an error body. Only that of a 400 was ever seen (datto-rmm-api.md section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorBody {
    /// `{"errorMessage": "..."}`, as it was measured.
    ErrorMessage,
    /// `{"status": 404, "message": "..."}`, as Spring writes it by itself.
    Message,
}

impl ErrorBody {
    /// The body of an error.
    pub(crate) fn of(self, status: u16, message: &str) -> Value {
        match self {
            Self::ErrorMessage => json!({"errorMessage": message}),
            Self::Message => json!({"status": status, "message": message}),
        }
    }
}
