//! The numbered lists: sites, devices, open and resolved alerts.

use serde_json::{Value, json};

use crate::app::probe::form::{self, against, comparable, document, field, forms, id, magnitude, order, time};
use crate::app::probe::next::{Next, Pair, dropped};
use crate::app::probe::{Probe, Shown, pairs, rows};
use crate::datto::error::ClientError;

/// Rows of a page (datto-rmm-api.md section 5.1).
const FULL: u64 = 250;

/// Pages behind the first that are read to find the last one.
const FURTHER_PAGES: u32 = 2;

/// A list and what is asked about its rows.
struct List {
    name: &'static str,
    path: &'static str,
    array: &'static str,
    ids: &'static [&'static str],
    times: &'static [&'static str],
    /// Times whose order along the list is of interest.
    orders: &'static [&'static str],
}

const ALERT_IDS: &[&str] =
    &["alertUid", "alertSourceInfo/deviceUid", "alertSourceInfo/siteUid", "resolvedBy", "ticketNumber"];
const ALERT_TIMES: &[&str] = &["timestamp", "resolvedOn", "alertContext/lastTriggered"];

const SITES: List = List {
    name: "sites",
    path: "/v2/account/sites",
    array: "sites",
    ids: &["id", "uid", "accountUid", "autotaskCompanyId"],
    times: &[],
    orders: &[],
};
const DEVICES: List = List {
    name: "devices",
    path: "/v2/account/devices",
    array: "devices",
    ids: &["id", "uid", "siteId", "siteUid"],
    times: &["lastSeen", "lastReboot", "lastAuditDate", "creationDate", "warrantyDate"],
    orders: &[],
};
const OPEN: List = List {
    name: "open alerts",
    path: "/v2/account/alerts/open",
    array: "alerts",
    ids: ALERT_IDS,
    times: ALERT_TIMES,
    orders: &["timestamp"],
};
const RESOLVED: List = List {
    name: "resolved alerts",
    path: "/v2/account/alerts/resolved",
    array: "alerts",
    ids: ALERT_IDS,
    times: ALERT_TIMES,
    orders: &["resolvedOn", "timestamp"],
};

impl Probe<'_> {
    /// Asks about every list: its first page, then what a few more requests can say.
    pub(super) async fn lists(&mut self, account: &Shown) -> Result<(), ClientError> {
        let mut firsts = Vec::new();
        for list in [&SITES, &DEVICES, &OPEN, &RESOLVED] {
            firsts.push((list, self.first_page(list).await?));
        }
        self.is_whole(account, &firsts);
        self.forgotten_parameters().await?;
        self.muted().await?;
        for (list, first) in firsts {
            if let Shown::Json(first) = first {
                self.last_page(list, first).await?;
            }
        }
        for list in [&SITES, &OPEN] {
            self.too_large_page(list).await?;
        }
        Ok(())
    }

    async fn first_page(&mut self, list: &'static List) -> Result<Shown, ClientError> {
        let shown = self.look(list.path, &numbered(FULL, 0)).await?;
        self.say(list.name, "answers", [shown.word()]);
        let Shown::Json(page) = &shown else { return Ok(shown) };
        let items = rows(page, list.array);
        let count = items.len() as u64;
        self.say(list.name, "rows on the first page", [magnitude(count)]);
        self.say(list.name, "pageDetails.count against rows", [against(detail(page, "count"), Some(count))]);
        self.say(list.name, "totalCount", [id(field(page, "pageDetails/totalCount"))]);
        self.say(
            list.name,
            "totalCount against rows of the first page",
            [against(detail(page, "totalCount"), Some(count))],
        );
        for name in list.ids {
            self.say(list.name, name, forms(items, name, id));
        }
        for name in list.times {
            self.say(list.name, name, forms(items, name, time));
        }
        for name in list.orders {
            let times: Vec<f64> = items.iter().filter_map(|item| comparable(field(item, name)?)).collect();
            self.say(list.name, order_question(name), [order(&times)]);
        }
        if list.array == "alerts" {
            self.response_actions(list.name, items);
        }
        Ok(shown)
    }

    fn response_actions(&mut self, name: &'static str, items: &[Value]) {
        let actions: Vec<Value> = items.iter().flat_map(|item| rows(item, "responseActions")).cloned().collect();
        self.say(name, "responseActions.actionTime", forms(&actions, "actionTime", time));
        let rendered = |action: &&Value| action.get("actionType") == Some(&json!("WEBHOOK_EXECUTED"));
        let rendered: Vec<Value> = actions.iter().filter(rendered).cloned().collect();
        self.say(name, "responseActions.description of WEBHOOK_EXECUTED", forms(&rendered, "description", document));
        self.say(
            name,
            "responseActions.actionReference of WEBHOOK_EXECUTED",
            forms(&rendered, "actionReference", document),
        );
    }

    /// Compares the counts of devices, as far as the first pages show them.
    fn is_whole(&mut self, account: &Shown, firsts: &[(&'static List, Shown)]) {
        let first = |name: &str| firsts.iter().find(|(list, _)| list.name == name).and_then(|(_, shown)| shown.json());
        let total = first(DEVICES.name).and_then(|page| detail(page, "totalCount"));
        let of_account = account.json().and_then(|account| field(account, "devicesStatus/numberOfDevices")?.as_u64());
        self.say(DEVICES.name, "totalCount against the account's numberOfDevices", [against(total, of_account)]);
        let sites = first(SITES.name).map(|page| rows(page, SITES.array)).filter(|rows| (rows.len() as u64) < FULL);
        let of_sites = sites.map(|sites| {
            sites.iter().filter_map(|site| field(site, "devicesStatus/numberOfDevices")?.as_u64()).sum::<u64>()
        });
        self.say(DEVICES.name, "totalCount against the sum over the sites", [against(total, of_sites)]);
    }

    /// A page of two rows has a next one in nearly every account.
    async fn forgotten_parameters(&mut self) -> Result<(), ClientError> {
        let sent = [("max", "2".to_owned()), ("page", "0".to_owned())];
        let query = pairs(&sent);
        let shown = self.look(SITES.path, &query).await?;
        let words = match shown.json().map(|page| self.next(page, SITES.path, &query).0) {
            Some(Next::Leads(next)) => dropped(&sent, &next),
            Some(Next::Nowhere(_)) => vec!["cannot be said: there is no next page"],
            None => vec![shown.word()],
        };
        self.say(SITES.name, "parameters that nextPageUrl drops", words);
        Ok(())
    }

    async fn muted(&mut self) -> Result<(), ClientError> {
        let sent = [("max", "1".to_owned()), ("page", "0".to_owned()), ("muted", "true".to_owned())];
        let query = pairs(&sent);
        let shown = self.look(OPEN.path, &query).await?;
        let word = match &shown {
            Shown::Json(page) => match rows(page, OPEN.array).first().map(|row| row.get("muted")) {
                None => "no rows: none is muted, or none matches",
                Some(Some(Value::Bool(true))) => "a muted row: it filters",
                Some(_) => "a row that is not muted: it has no effect",
            },
            Shown::Other(..) | Shown::Unasked => shown.word(),
        };
        self.say(OPEN.name, "muted=true", [word]);
        if let Some(Next::Leads(next)) = shown.json().map(|page| self.next(page, OPEN.path, &query).0) {
            self.say(OPEN.name, "parameters that nextPageUrl drops", dropped(&sent, &next));
        }
        Ok(())
    }

    /// Finds the last page, by the total where there is one, else page by page.
    async fn last_page(&mut self, list: &'static List, first: Value) -> Result<(), ClientError> {
        let question = "nextPageUrl of the last page";
        let (mut page, mut number) = (first, 0);
        let total = detail(&page, "totalCount").filter(|total| *total > FULL);
        for step in 0..=FURTHER_PAGES {
            let query = numbered(FULL, number);
            let (next, word) = self.next(&page, list.path, &query);
            let Next::Leads(next) = next else {
                self.say(list.name, question, [word]);
                return Ok(());
            };
            if step == FURTHER_PAGES {
                break;
            }
            let is_last_by_total = total.is_none_or(|total| number >= (total - 1) / FULL);
            let (asked, shown) = if is_last_by_total {
                (None, self.look(list.path, &next).await?)
            } else {
                let last = total.map_or(0, |total| (total - 1) / FULL);
                (Some(last), self.look(list.path, &numbered(FULL, last)).await?)
            };
            let Shown::Json(found) = shown else {
                self.say(list.name, question, [word, "the next page:", shown.word()]);
                return Ok(());
            };
            if rows(&found, list.array).is_empty() {
                let (_, empty) = self.next(&found, list.path, &next);
                self.say(list.name, question, ["leads to an empty page"]);
                self.say(list.name, "nextPageUrl of the empty page", [empty]);
                return Ok(());
            }
            number = asked.unwrap_or(number + 1);
            page = found;
        }
        self.say(list.name, question, ["not reached: the list is too long for the probe"]);
        Ok(())
    }

    async fn too_large_page(&mut self, list: &'static List) -> Result<(), ClientError> {
        let shown = self.look(list.path, &numbered(FULL + 1, 0)).await?;
        let word = match &shown {
            Shown::Json(page) => match rows(page, list.array).len() as u64 {
                rows if rows > FULL => "251 rows",
                FULL => "capped at 250 rows, or exactly as many",
                _ => "accepted; the list is too short to show more",
            },
            Shown::Other(..) | Shown::Unasked => shown.word(),
        };
        self.say(list.name, "max=251", [word]);
        if matches!(shown, Shown::Other(..)) {
            self.say(list.name, "error body of max=251", super::error_body(&shown));
        }
        Ok(())
    }
}

fn numbered(max: u64, page: u64) -> Vec<Pair> {
    pairs(&[("max", max.to_string()), ("page", page.to_string())])
}

fn detail(page: &Value, name: &str) -> Option<u64> {
    form::field(page.get("pageDetails")?, name)?.as_u64()
}

fn order_question(name: &str) -> &'static str {
    if name == "resolvedOn" { "order by resolvedOn" } else { "order by timestamp" }
}
