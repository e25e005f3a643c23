//! A page of a list: its items, what it says about its neighbours, and its bytes.

use serde_json::{Map, Value, json};

use crate::sim::world::{List, MissingUrl};

/// What was shown in a page, so that the oracle can note it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Alert(u32),
    Row(u32),
    Device(usize),
    Site(usize),
}

/// A page before it is written. Items are texts already, so that a page of large items is never held as a tree.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) list: List,
    pub(crate) items: Vec<Vec<u8>>,
    pub(crate) shown: Vec<Shown>,
    pub(crate) total: Option<usize>,
    pub(crate) prev: Option<String>,
    pub(crate) next: Option<String>,
    /// What stands for a `prev` or `next` that is not there.
    pub(crate) missing_url: MissingUrl,
    /// Whether it says anything about itself and its neighbours.
    pub(crate) has_details: bool,
    /// Of the activity log only.
    pub(crate) error: Option<String>,
}

impl Page {
    /// An empty page of `list`.
    pub(crate) fn new(list: List) -> Self {
        let missing_url = MissingUrl::Null;
        Self {
            list,
            items: Vec::new(),
            shown: Vec::new(),
            total: None,
            prev: None,
            next: None,
            missing_url,
            has_details: true,
            error: None,
        }
    }

    /// Adds an item.
    pub(crate) fn push(&mut self, item: &Value) {
        self.items.push(item.to_string().into_bytes());
    }

    /// The body.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut details = Map::new();
        details.insert("count".to_owned(), json!(self.items.len()));
        if let Some(total) = self.total {
            details.insert("totalCount".to_owned(), json!(total));
        }
        for (name, url) in [("prevPageUrl", &self.prev), ("nextPageUrl", &self.next)] {
            let value = match (url, self.missing_url) {
                (Some(url), _) => json!(url),
                (None, MissingUrl::Null) => Value::Null,
                (None, MissingUrl::Blank) => json!(""),
                (None, MissingUrl::Absent) => continue,
            };
            details.insert(name.to_owned(), value);
        }
        let details = if self.has_details { Value::Object(details) } else { Value::Null };
        let mut body = format!("{{\"pageDetails\":{details},\"{}\":[", self.list.array()).into_bytes();
        body.extend(self.items.join(&b','));
        body.push(b']');
        if self.list == List::Activities {
            body.extend_from_slice(b",\"error\":");
            body.extend_from_slice(json!(self.error).to_string().as_bytes());
        }
        body.push(b'}');
        body
    }
}

impl List {
    /// The name of the array that holds the items (datto-rmm-api.md section 3).
    pub(crate) fn array(self) -> &'static str {
        match self {
            Self::Sites => "sites",
            Self::Devices => "devices",
            Self::Users => "users",
            Self::OpenAlerts | Self::ResolvedAlerts => "alerts",
            Self::Activities => "activities",
        }
    }

    /// The key that identifies an item.
    pub(crate) fn id_key(self) -> &'static str {
        match self {
            Self::Sites | Self::Devices => "uid",
            Self::Users => "username",
            Self::OpenAlerts | Self::ResolvedAlerts => "alertUid",
            Self::Activities => "id",
        }
    }
}
