//! Events as lines for people: what `vintner tail` prints, and standard output where it is a terminal.
//!
//! What a line says comes from the network, and a terminal obeys control characters: they are shown as what they are.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::clock::Millis;
use crate::diagnostic::words;
use crate::event::Event;
use crate::output::plain::{self, escaped};
use crate::output::style::{self, Paint};
use crate::output::width;
use crate::sink::lines::Lines;

/// No message is longer, in characters: one line is for reading.
pub(crate) const MAX_MESSAGE: usize = 300;
/// As wide as the longest severity, `Informational`.
pub(crate) const SEVERITY_WIDTH: usize = 13;
/// As wide as the longest short severity, `Medium`.
const SHORT_SEVERITY: usize = 6;
/// A terminal that has so many columns shows seconds.
const ROOMY: usize = 100;
/// The part of the columns that the organization takes, and its bounds.
const ORGANIZATION: (usize, usize, usize) = (6, 12, 28);
/// OCSF classes of the inventory: a device, a site, a user, software.
const INVENTORY: [u32; 4] = [5001, 5023, 5003, 5020];

/// How events are shown to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Which columns a line has.
    pub columns: Columns,
    /// Whether it has color.
    pub paint: Paint,
}

/// Which columns a line has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// Time, severity, organization and message, cut to the width of the terminal as it is when the line is written.
    Terminal,
    /// The same, cut to this width.
    Narrow(usize),
    /// All columns at full length.
    Wide,
}

/// What of an event a line shows besides its pivots.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Words {
    message: String,
    severity: String,
    class_name: String,
}

/// The cells of a line.
pub(crate) struct Cells<'a> {
    pub(crate) time: Millis,
    pub(crate) severity_id: u8,
    /// As the event says it, for wide lines.
    pub(crate) severity: &'a str,
    pub(crate) organization: &'a str,
    pub(crate) account: &'a str,
    /// Class and activity, for wide lines.
    pub(crate) what: &'a str,
    pub(crate) message: &'a str,
}

/// The line of an event.
pub(crate) fn line(event: &Event, account: &str, look: Look) -> String {
    let words: Words = serde_json::from_str(&event.json).unwrap_or_default();
    let pivots = &event.pivots;
    let what = format!("{}/{}", words.class_name, pivots.activity_name);
    look.line(&Cells {
        time: pivots.time,
        severity_id: pivots.severity_id,
        severity: &words.severity,
        organization: organization(event),
        account,
        what: &what,
        message: &plain::cropped(&words.message, MAX_MESSAGE),
    })
}

/// Events as lines for people. Cut to a terminal, several events of the inventory in a row are one line: a first look at an account
/// has hundreds.
pub(crate) fn lines(events: &[Event], look: Look) -> Lines {
    let mut lines = Lines::default();
    let is_run = |one: &Event, next: &Event| look.columns != Columns::Wide && is_inventory(one) && is_inventory(next);
    for run in events.chunk_by(is_run) {
        let text = match run {
            [event] => line(event, &event.pivots.account_uid, look),
            _ => summary(run, look),
        };
        lines.bytes.extend_from_slice(text.as_bytes());
        lines.bytes.push(b'\n');
        lines.ends.extend(std::iter::repeat_n(lines.bytes.len(), run.len()));
    }
    lines
}

fn is_inventory(event: &Event) -> bool {
    INVENTORY.contains(&event.pivots.class_uid)
}

/// The one line of several events of the inventory.
fn summary(run: &[Event], look: Look) -> String {
    let of = |class: u32| run.iter().fold(0_u64, |count, event| count + u64::from(event.pivots.class_uid == class));
    let nouns = [(5023, "site"), (5001, "device"), (5003, "user"), (5020, "software list")];
    let counts = nouns.into_iter().map(|(class, noun)| (of(class), noun)).filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, noun)| words::count(count, noun)).collect();
    let organizations: BTreeSet<&str> = run.iter().map(organization).collect();

    let one = organizations.first().filter(|_| organizations.len() == 1);
    let account = run.first().map(|event| event.pivots.account_uid.as_str()).unwrap_or_default();
    look.line(&Cells {
        time: run.iter().map(|event| event.pivots.time).max().unwrap_or(Millis(0)),
        severity_id: 1,
        severity: "Informational",
        organization: one.copied().unwrap_or("several"),
        account,
        what: "Inventory/Collect",
        message: &format!("Inventory: {}", counts.join(", ")),
    })
}

/// The organization's name, else its id.
fn organization(event: &Event) -> &str {
    event.pivots.tenant_name.as_deref().unwrap_or(&event.pivots.tenant_uid)
}

impl Look {
    /// The line of these cells.
    pub(crate) fn line(self, cells: &Cells<'_>) -> String {
        match self.columns {
            Columns::Wide => self.wide(cells),
            Columns::Terminal => match width::of_stdout() {
                Some(columns) => self.narrow(cells, columns),
                None => self.wide(cells),
            },
            Columns::Narrow(columns) => self.narrow(cells, columns),
        }
    }

    fn wide(self, cells: &Cells<'_>) -> String {
        let severity = width::padded(&escaped(cells.severity), SEVERITY_WIDTH);
        let severity = self.paint.paint(style::of_severity(cells.severity_id), &severity);
        let [organization, account] = [cells.organization, cells.account].map(escaped);
        let (time, what, message) = (cells.time.to_rfc3339_seconds(), escaped(cells.what), escaped(cells.message));
        format!("{time}  {severity}  {organization}  {account}  {what}  {message}").trim_end().to_owned()
    }

    fn narrow(self, cells: &Cells<'_>, columns: usize) -> String {
        let time = short_time(cells.time, columns);
        let (share, least, most) = ORGANIZATION;
        let room = columns.checked_div(share).unwrap_or(least).clamp(least, most);
        let organization = width::padded(&width::cropped(&escaped(cells.organization), room), room);
        let severity = width::padded(short_severity(cells.severity_id), SHORT_SEVERITY);
        let head = width::width(&time).saturating_add(SHORT_SEVERITY).saturating_add(room).saturating_add(6);
        let message = width::cropped(&escaped(cells.message), columns.saturating_sub(head));
        let time = self.paint.paint(style::FAINT, &time);
        let severity = self.paint.paint(style::of_severity(cells.severity_id), &severity);
        format!("{time}  {severity}  {organization}  {message}").trim_end().to_owned()
    }
}

/// Month, day and time in UTC: `11-20 22:05`.
fn short_time(time: Millis, columns: usize) -> String {
    let text = time.to_rfc3339_seconds();
    let end = if columns < ROOMY { 16 } else { 19 };
    text.get(5..end).map_or(text.clone(), |short| short.replace('T', " "))
}

fn short_severity(id: u8) -> &'static str {
    match id {
        1 => "Info",
        2 => "Low",
        3 => "Medium",
        4 => "High",
        5 => "Crit",
        6 => "Fatal",
        _ => "-",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sink::lines::tests::event;

    const PLAIN: Look = Look { columns: Columns::Narrow(80), paint: Paint::None };

    fn shown(message: &str, severity_id: u8, class_uid: u32) -> Event {
        let mut event =
            event(&json!({"message": message, "severity": "High", "class_name": "Detection Finding"}).to_string());
        event.pivots.time = Millis(1_795_212_345_678);
        event.pivots.tenant_uid = "5775264a-9a7e-4b09-8965-d6348c188782".into();
        event.pivots.tenant_name = Some("Café Noir S.A.R.L.".into());
        (event.pivots.severity_id, event.pivots.class_uid) = (severity_id, class_uid);
        event
    }

    #[test]
    fn lines_fit_the_terminal_and_line_up() {
        let long = "Resolved: Antivirus Windows Defender was not detected on DESKTOP-00031";
        let at = |columns| {
            let look = Look { columns: Columns::Narrow(columns), paint: Paint::None };
            [shown(long, 4, 2004), shown("状態 is bad", 5, 2004)].map(|event| line(&event, "acme", look))
        };
        assert_eq!(
            at(80),
            [
                "11-20 22:05  High    Café Noir S.…  Resolved: Antivirus Windows Defender was no…",
                "11-20 22:05  Crit    Café Noir S.…  状態 is bad",
            ]
        );
        assert_eq!(
            at(140),
            [
                "11-20 22:05:45  High    Café Noir S.A.R.L.       Resolved: Antivirus Windows Defender was not detected on DESKTOP-00031",
                "11-20 22:05:45  Crit    Café Noir S.A.R.L.       状態 is bad",
            ]
        );
        for columns in 40..200 {
            assert!(at(columns).iter().all(|line| width::width(line) <= columns), "{columns}");
        }
    }

    #[test]
    fn the_severity_has_its_color() {
        let line = line(&shown("Disk full", 4, 2004), "acme", Look { paint: Paint::Ansi, ..PLAIN });
        assert!(line.contains("\u{1b}[31mHigh  \u{1b}[0m  Café"), "{line:?}");
    }

    #[test]
    fn an_inventory_is_one_line_and_every_event_of_it_has_an_end() {
        let devices = ["a", "b", "c"].map(|name| shown(name, 1, 5001));
        let mut other = shown("site", 1, 5023);
        other.pivots.tenant_name = Some("Contoso".into());
        let mut events = devices.to_vec();
        events.extend([other, shown("Disk full on SRV-1", 4, 2004), shown("Device SRV-2", 1, 5001)]);
        let lines = lines(&events, PLAIN);
        let text = String::from_utf8(lines.bytes.clone()).unwrap();
        let first = "11-20 22:05  Info    several        Inventory: 1 site, 3 devices";
        let rest = ["High    Café Noir S.…  Disk full on SRV-1", "Info    Café Noir S.…  Device SRV-2"];
        assert_eq!(text.lines().next().unwrap(), first);
        assert!(text.lines().skip(1).zip(rest).all(|(line, rest)| line.ends_with(rest)), "{text}");
        assert_eq!(lines.ends.len(), events.len(), "each event is accepted with its line");
        let wide = super::lines(&events, Look { columns: Columns::Wide, ..PLAIN });
        assert_eq!(
            String::from_utf8(wide.bytes).unwrap().lines().count(),
            events.len(),
            "at full length each event has its line"
        );
        assert_eq!((lines.whole(first.len()), lines.whole(first.len() + 1)), (0, 4));
    }
}
