//! One request for the API, taken apart: which endpoint, which parameters.

use url::form_urlencoded;

/// A request's target.
#[derive(Debug)]
pub(crate) struct Call {
    /// `http://host:port`, for absolute links.
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// Decoded, in order.
    pub(crate) params: Vec<(String, String)>,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Token,
    Status,
    RequestRate,
    Pagination,
    Account,
    Sites,
    Devices,
    Users,
    Site(String),
    SiteDevices(String),
    Device(String),
    DeviceOfId(String),
    Alert(String),
    Open(Scope),
    Resolved(Scope),
    Activity,
}

/// Whose alerts a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Account,
    Site(String),
    Device(String),
}

impl Call {
    /// Takes `path_and_query` apart.
    pub(crate) fn new(host: &str, path_and_query: &str) -> Self {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        Self {
            host: host.trim_end_matches('/').to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            params: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        }
    }

    /// The last value of the parameter `name`.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The parameter `name` as a number that is not negative; an error if it is something else.
    pub(crate) fn number(&self, name: &str) -> Result<Option<usize>, String> {
        let parse = |text: &str| text.parse::<i32>().ok().and_then(|n| usize::try_from(n).ok());
        self.param(name).map(|text| parse(text).ok_or_else(|| format!("bad value of {name}"))).transpose()
    }

    /// The comma-separated values of the parameter `name`, in lower case; a repeated key adds its values.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let values = self.params.iter().filter(|(key, _)| key == name).flat_map(|(_, value)| value.split(','));
        values.map(|value| value.trim().to_lowercase()).filter(|value| !value.is_empty()).collect()
    }

    /// Its own address.
    pub(crate) fn url(&self) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{}{}{mark}{}", self.host, self.path, self.query)
    }

    /// The same call without the parameter `name`.
    pub(crate) fn without(&self, name: &str) -> Self {
        Self {
            host: self.host.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            params: self.params.iter().filter(|(key, _)| key != name).cloned().collect(),
        }
    }

    /// The address of a neighbouring page: its own parameters but those in `dropped`, with `place` set.
    pub(crate) fn neighbour(&self, dropped: &[String], place: &[(&str, String)]) -> String {
        let placed = |key: &str| place.iter().any(|(name, _)| *name == key);
        let kept = self.params.iter().filter(|(key, _)| !placed(key) && !dropped.contains(key));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept).extend_pairs(place);
        format!("{}{}?{}", self.host, self.path, query.finish())
    }
}

impl Endpoint {
    /// The endpoint at `path`, if there is one. Paths of the API are below `/api`, that of the login is not.
    pub(crate) fn of(path: &str) -> Option<Self> {
        if path == "/auth/oauth/token" {
            return Some(Self::Token);
        }
        let parts: Vec<&str> = path.strip_prefix("/api/v2/")?.split('/').collect();
        match parts.as_slice() {
            ["system", "status"] => Some(Self::Status),
            ["system", "request_rate"] => Some(Self::RequestRate),
            ["system", "pagination"] => Some(Self::Pagination),
            ["activity-logs"] => Some(Self::Activity),
            ["account"] => Some(Self::Account),
            ["account", "sites"] => Some(Self::Sites),
            ["account", "devices"] => Some(Self::Devices),
            ["account", "users"] => Some(Self::Users),
            ["account", "alerts", which] => Self::alerts(which, Scope::Account),
            ["site", uid] => Some(Self::Site((*uid).to_owned())),
            ["site", uid, "devices"] => Some(Self::SiteDevices((*uid).to_owned())),
            ["site", uid, "alerts", which] => Self::alerts(which, Scope::Site((*uid).to_owned())),
            ["device", "id", id] => Some(Self::DeviceOfId((*id).to_owned())),
            ["device", uid] => Some(Self::Device((*uid).to_owned())),
            ["device", uid, "alerts", which] => Self::alerts(which, Scope::Device((*uid).to_owned())),
            ["alert", uid] => Some(Self::Alert((*uid).to_owned())),
            _ => None,
        }
    }

    /// Its path with placeholders, for counts.
    pub(crate) fn template(&self) -> &'static str {
        match self {
            Self::Token => "/auth/oauth/token",
            Self::Status => "/api/v2/system/status",
            Self::RequestRate => "/api/v2/system/request_rate",
            Self::Pagination => "/api/v2/system/pagination",
            Self::Account => "/api/v2/account",
            Self::Sites => "/api/v2/account/sites",
            Self::Devices => "/api/v2/account/devices",
            Self::Users => "/api/v2/account/users",
            Self::Site(_) => "/api/v2/site/{uid}",
            Self::SiteDevices(_) => "/api/v2/site/{uid}/devices",
            Self::Device(_) => "/api/v2/device/{uid}",
            Self::DeviceOfId(_) => "/api/v2/device/id/{id}",
            Self::Alert(_) => "/api/v2/alert/{uid}",
            Self::Open(Scope::Account) => "/api/v2/account/alerts/open",
            Self::Open(Scope::Site(_)) => "/api/v2/site/{uid}/alerts/open",
            Self::Open(Scope::Device(_)) => "/api/v2/device/{uid}/alerts/open",
            Self::Resolved(Scope::Account) => "/api/v2/account/alerts/resolved",
            Self::Resolved(Scope::Site(_)) => "/api/v2/site/{uid}/alerts/resolved",
            Self::Resolved(Scope::Device(_)) => "/api/v2/device/{uid}/alerts/resolved",
            Self::Activity => "/api/v2/activity-logs",
        }
    }

    fn alerts(which: &str, scope: Scope) -> Option<Self> {
        match which {
            "open" => Some(Self::Open(scope)),
            "resolved" => Some(Self::Resolved(scope)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_keeps_what_is_not_dropped_and_encodes_it() {
        let call = Call::new("http://h:1/", "/api/v2/account/sites?siteName=M%C3%BC%26&muted=true&page=3&max=2");
        let dropped = ["muted".to_owned()];
        let next = call.neighbour(&dropped, &[("max", "2".to_owned()), ("page", "4".to_owned())]);
        assert_eq!(next, "http://h:1/api/v2/account/sites?siteName=M%C3%BC%26&max=2&page=4");
    }

    #[test]
    fn the_login_is_not_below_api() {
        assert_eq!(Endpoint::of("/auth/oauth/token"), Some(Endpoint::Token));
        assert_eq!(Endpoint::of("/api/auth/oauth/token"), None);
        assert_eq!(Endpoint::of("/v2/account"), None);
        assert_eq!(Endpoint::of("/api/v2/account/alerts/closed"), None);
    }

    #[test]
    fn numbers_must_be_numbers() {
        let call = Call::new("", "/x?max=10&page=-1&size=ten");
        assert_eq!(call.number("max"), Ok(Some(10)));
        assert_eq!(call.number("other"), Ok(None));
        assert!(call.number("page").is_err());
        assert!(call.number("size").is_err());
    }
}
