//! One activity record opened: its own fields, its details, and what rules ask of it.

use std::borrow::Cow;

use crate::normalize::check;
use crate::normalize::json::Json;
use crate::normalize::json::fields::Fields;
use crate::normalize::json::list;
use crate::normalize::notes::Notes;
use crate::normalize::number;
use crate::normalize::ocsf::choice::Text;
use crate::normalize::ocsf::object::endpoint::Endpoint;
use crate::normalize::ocsf::residue::Residue;
use crate::normalize::ocsf::scope::{DeviceNames, Scope};
use crate::record::part::Part;
use crate::record::{Envelope, Marker};

/// Words in an action, a job's status or a note that say that it failed.
const FAILURES: [&str; 8] = ["fail", "failed", "failure", "error", "errors", "denied", "expired", "invalid"];
const DEVICE_UIDS: [&str; 2] = ["device.uid", "data.device_uid"];
const DEVICE_IDS: [&str; 2] = ["data.device_id", "device.id"];
const DEVICE_NAMES: [&str; 3] = ["device.hostname", "data.device_hostname", "data.device_name"];
/// Lists of devices, by id or by uid.
pub(super) const DEVICE_LISTS: [&str; 2] = ["data.device_list", "data.device_uids"];

/// An activity record; what a rule takes from it is not told twice.
pub(super) struct Row<'a> {
    pub(super) record: Fields<'a>,
    /// `details`, whose keys are flat and dotted.
    pub(super) details: Fields<'a>,
    pub(super) user: Fields<'a>,
    site: Fields<'a>,
    /// `details` that is not a JSON object.
    details_text: Option<&'a str>,
    /// Groups of details that are told as objects: name and what is left.
    groups: Vec<(&'static str, Fields<'a>)>,
    /// In lower case, for comparison.
    pub(super) entity: String,
    pub(super) category: String,
    pub(super) tokens: Vec<String>,
    pub(super) failed: bool,
    /// What of the row the record is about; `None`: the row itself.
    pub(super) part: Option<Part>,
    time: Option<i64>,
    pub(super) original_time: Option<Text<'a>>,
}

impl<'a> Row<'a> {
    /// Opens a row; `decoded` is the decoded text of its details, where they are a text.
    pub(super) fn open(mut record: Fields<'a>, decoded: Option<&'a str>, notes: &mut Notes) -> Self {
        let original_time = record.copy("date", notes);
        let time = record.take_time("date", notes);
        let lower = |key: &str| record.peek(key).map(|text| text.to_lowercase()).unwrap_or_default();
        let (entity, category, action) = (lower("entity"), lower("category"), lower("action"));
        if time.is_some() {
            // `metadata.original_time` holds the token as it is.
            record.take("date");
        }
        let (details, details_text) = open_details(&mut record, decoded, notes);
        let user = record.take_object("user", "user.", notes).unwrap_or_default();
        let site = record.take_object("site", "site.", notes).unwrap_or_default();
        let tokens = words(&action);
        let mut row = Self {
            record,
            details,
            user,
            site,
            details_text,
            groups: Vec::new(),
            entity,
            category,
            tokens,
            failed: false,
            part: None,
            time,
            original_time,
        };
        row.failed = row.has_failed();
        row
    }

    /// What the record's envelope says: which part of the row it is about, and its id, which is told once.
    pub(super) fn enclose(&mut self, envelope: &Envelope) {
        if let Marker::Derived(part) = &envelope.marker {
            self.part = Some(part.clone());
        }
        self.drop_repeats(&envelope.native_id);
    }

    /// When it happened; the time of the poll where the record does not say.
    pub(super) fn time(&self, scope: &Scope<'a>) -> i64 {
        self.time.unwrap_or_else(|| scope.polled_at())
    }

    /// The action as received.
    pub(super) fn action(&self, notes: &mut Notes) -> Text<'a> {
        self.record.copy("action", notes).unwrap_or(Text::Borrowed("unknown"))
    }

    pub(super) fn is_user(&self) -> bool {
        self.entity == "user"
    }

    pub(super) fn has_token(&self, any_of: &[&str]) -> bool {
        self.tokens.iter().any(|token| any_of.contains(&token.as_str()))
    }

    /// Whether a word of the action is one of these verbs, in the present or the past tense.
    pub(super) fn has_verb(&self, verbs: &[&str]) -> bool {
        self.tokens
            .iter()
            .any(|token| verbs.contains(&token.as_str()) || present(token).any(|verb| verbs.contains(&verb)))
    }

    /// The action, for a message; in lower case.
    pub(super) fn plain_action(&self) -> String {
        self.tokens.join(" ")
    }

    /// `metadata.event_code`.
    pub(super) fn event_code(&self, notes: &mut Notes) -> Text<'a> {
        let part = |key| self.record.peek(key).unwrap_or_default();
        notes.limit(Cow::Owned(format!("{}.{}.{}", part("entity"), part("category"), part("action"))))
    }

    /// Takes the address that the user came from: the first valid one, further ones as intermediate.
    pub(super) fn take_source(&mut self, notes: &mut Notes) -> Option<Endpoint<'a>> {
        const KEY: &str = "source.forwarded_ip";
        let mut addresses = check::take_addresses(&mut self.details, KEY, notes).into_iter();
        let source = Endpoint::at(addresses.next()?);
        let further = addresses.take(MAX_INTERMEDIATE).map(|address| address.ip.into_owned());
        Some(Endpoint { intermediate_ips: further.collect(), ..source })
    }

    /// What the record calls its device, left in place. A list of one device names it too.
    pub(super) fn device_names(&self, notes: &mut Notes) -> DeviceNames<'a> {
        let detail = |keys: &[&str]| keys.iter().find_map(|key| self.details.peek_id(key));
        let id = self.record.peek_id("deviceId").or_else(|| detail(&DEVICE_IDS));
        let hostname = self.record.peek_id("hostname").or_else(|| detail(&DEVICE_NAMES));
        let mut names = [detail(&DEVICE_UIDS), id, hostname];
        if let ([None, None, None], [listed]) = (&names, self.listed_devices().as_slice()) {
            let place = usize::from(number::whole(listed).is_some());
            if let Some(name) = names.get_mut(place) {
                *name = Some(Text::Owned(listed.clone()));
            }
        }
        let [uid, id, hostname] = names.map(|name| name.map(|name| notes.limit(name)));
        DeviceNames { uid, id, hostname }
    }

    /// The devices that the details list, by uid or by id; each once.
    pub(super) fn listed_devices(&self) -> Vec<String> {
        DEVICE_LISTS
            .iter()
            .filter_map(|key| self.details.get(key))
            .map(list::ids)
            .find(|ids| !ids.is_empty())
            .unwrap_or_default()
    }

    /// Removes what `names` says and the event now holds.
    pub(super) fn drop_device(&mut self, names: &DeviceNames<'a>) {
        self.record.drop_same("deviceId", names.id.as_deref());
        self.record.drop_same("hostname", names.hostname.as_deref());
        let groups =
            [(&DEVICE_UIDS[..], &names.uid), (&DEVICE_IDS[..], &names.id), (&DEVICE_NAMES[..], &names.hostname)];
        for (keys, value) in groups {
            for key in keys {
                self.details.drop_same(key, value.as_deref());
            }
        }
    }

    /// Takes a group of details, such as all of `job.`, that is told as an object of its own; the rule takes from it first.
    pub(super) fn take_group(&mut self, prefix: &'static str) -> Fields<'a> {
        self.details.take_prefixed(prefix, prefix)
    }

    /// Gives back what a rule left of a group.
    pub(super) fn leave_group(&mut self, name: &'static str, left: Fields<'a>) {
        self.groups.push((name, left));
    }

    /// Says where the record happened, if the inventory does not know; what the tags say is not told twice.
    pub(super) fn name_site(&mut self, scope: &mut Scope<'a>, notes: &mut Notes) {
        let id = scope.site.id.map(|id| id.to_string());
        self.site.drop_same("id", id.as_deref());
        let is_placed = scope.site.uid.is_some() || scope.site.id.is_some();
        if is_placed && scope.site.name.is_none() {
            scope.site.name = self.site.take_text("name", notes);
        }
        let name = scope.site.name.as_deref();
        self.site.drop_same("name", name);
        self.details.drop_same("site.name", name);
    }

    /// Everything that no attribute took.
    pub(super) fn leave(&self, residue: &mut Residue, notes: &mut Notes) {
        for (name, group) in &self.groups {
            residue.object(name, group, notes);
        }
        residue.pairs("details", &self.details, notes);
        if let Some(text) = &self.details_text {
            residue.text("details_text", text, notes);
        }
        residue.object("user", &self.user, notes);
        residue.object("site", &self.site, notes);
        residue.fields(&self.record, notes);
    }

    /// Whether a patch activity worked, if it says so: by its flag, else by an action that is named for a finished installation.
    pub(super) fn patch_success(&self) -> Option<bool> {
        let by_name = || self.has_token(&["install", "installed"]).then_some(true);
        self.details.flag("patch_activity.success").or_else(by_name)
    }

    /// Whether it is a patch activity that does not say whether it worked. One that was written is not one that was done.
    pub(super) fn has_unknown_outcome(&self) -> bool {
        let is_patch = self.entity == "device" && self.category == "patch" && !self.has_token(&["audit"]);
        is_patch && !self.failed && self.patch_success().is_none()
    }

    /// An audit entry is a completed action unless it says otherwise.
    fn has_failed(&self) -> bool {
        let texts = ["job.status", "note"].into_iter().filter_map(|key| self.details.peek(key));
        let says_so = |word: &String| FAILURES.contains(&word.as_str());
        self.patch_success() == Some(false)
            || self.tokens.iter().any(says_so)
            || texts.into_iter().any(|text| words(&text.to_lowercase()).iter().any(says_so))
    }

    /// The details repeat some of the record itself.
    fn drop_repeats(&mut self, id: &str) {
        for (key, twin) in
            [("category", "event.category"), ("action", "event.action"), ("entity", "entity"), ("id", "uid")]
        {
            let own = self.record.peek(key);
            self.details.drop_same(twin, own.as_deref());
        }
        self.record.drop_same("id", Some(id));
    }
}

/// Addresses of one record besides the first.
const MAX_INTERMEDIATE: usize = 19;

/// What a word may be the past tense of: `locked` of `lock`, `enabled` of `enable`.
pub(super) fn present(word: &str) -> impl Iterator<Item = &str> {
    ["d", "ed"].into_iter().filter_map(|ending| word.strip_suffix(ending))
}

/// Words of an action or a sentence, in lower case as given.
pub(super) fn words(text: &str) -> Vec<String> {
    let separator = |c: char| matches!(c, '.' | '_' | '-' | ' ' | ',' | ':' | ';' | '!' | '(' | ')');
    text.split(separator).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// `details` is a JSON text inside a string, decoded by the caller; where it is no JSON object, the text is kept as it is.
fn open_details<'a>(
    record: &mut Fields<'a>,
    decoded: Option<&'a str>,
    notes: &mut Notes,
) -> (Fields<'a>, Option<&'a str>) {
    if let Some(details) = record.get("details").and_then(|value| Fields::open(value, "details.")) {
        record.take("details");
        return (details, None);
    }
    let Some(text) = decoded else { return (Fields::default(), None) };
    record.take("details");
    if text.is_empty() {
        return (Fields::default(), None);
    }
    let complaint = match Json::parse(text).map(|value| Fields::open(value, "details.")) {
        Ok(Some(details)) => return (details, None),
        Ok(None) => "details: not a JSON object".to_owned(),
        Err(error) => format!("details: not JSON (at column {})", error.column()),
    };
    notes.add(complaint);
    (Fields::default(), Some(text))
}
