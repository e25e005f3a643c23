//! The remote tools of Datto RMM: what each one is called, and whether using it opens a session.

use super::row::{Row, words};

/// A remote tool.
#[derive(Debug)]
pub(super) struct Tool {
    /// `app_name`.
    pub(super) app: &'static str,
    /// `activity_name` of a tool that opens no session; `None`: it opens one.
    pub(super) activity: Option<&'static str>,
    /// What its user did; followed by the device.
    did: &'static str,
    /// What stands before the device.
    to: &'static str,
}

impl Tool {
    /// The tool that a row shows, by the words of its action.
    pub(super) fn of(row: &Row<'_>) -> Self {
        let is_chat = row.category.split('.').any(|part| part == "chat") || row.has_token(&["chat"]);
        let has = |tokens: &[&str]| row.has_token(tokens);
        if is_chat {
            Self { app: "Datto RMM Chat", activity: Some("Chat"), did: "chatted", to: " with the user of " }
        } else if has(&["shot", "screenshot"]) {
            let did = "took a screenshot";
            Self { app: "Datto RMM Screenshot", activity: Some("Screenshot"), did, to: " of " }
        } else if has(&["event"]) {
            let did = "used the event viewer";
            Self { app: "Datto RMM Event Viewer", activity: Some("Event Viewer"), did, to: " on " }
        } else if has(&["file", "files"]) {
            let did = "used the file manager";
            Self { app: "Datto RMM File Manager", activity: Some("File Manager"), did, to: " on " }
        } else if has(&["rs"]) {
            let did = "opened a remote support session";
            Self { app: "Datto RMM Remote Support", activity: None, did, to: " to " }
        } else if has(&["jrto", "rto"]) {
            Self { app: WEB_REMOTE, activity: None, did: "took over the screen", to: " of " }
        } else {
            Self { app: WEB_REMOTE, activity: None, did: OPENED, to: " to " }
        }
    }

    /// What its user did, for a message. `kind`: the kind of the session, which is named where the tool does not say it.
    pub(super) fn sentence(&self, kind: &str, device: Option<&str>) -> String {
        let Self { did, to, .. } = self;
        let device = device.unwrap_or("a device");
        let says_nothing =
            |word: &str| matches!(word, "session" | "remote" | "web" | "start" | "started" | "open" | "opened");
        let kind =
            words(&kind.to_lowercase()).into_iter().filter(|word| !says_nothing(word)).collect::<Vec<_>>().join(" ");
        match *did == OPENED && !kind.is_empty() {
            true => format!("{did} ({kind}){to}{device}"),
            false => format!("{did}{to}{device}"),
        }
    }
}

/// The tool that connects to a device's screen, shell and files.
const WEB_REMOTE: &str = "Datto RMM Web Remote";
/// What the user of a tool did that no rule knows.
const OPENED: &str = "opened a remote session";
