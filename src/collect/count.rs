//! Whether a list that was read to its end is as long as the API says it is.
//!
//! A list may show only a part: the cause is not known, but a user whose visibility was cut and pages that shifted would both explain
//! it (datto-rmm-api.md section 3). Two kinds of counts speak of it, and they weigh differently:
//!
//! - `totalCount` counts the rows of this very list. Fewer distinct rows than the smallest `totalCount` that its pages gave means
//!   that rows were not seen. Things that come or go while the pages are read do not: what leaves lowers the last page's count by
//!   as many rows as its shift can hide, what comes is not in the first page's count. Absence from such a list proves nothing, and
//!   neither does a look-up that answers 404: the right that hides a row may hide the thing too.
//! - `numberOfDevices` of the account and of the sites may count other devices than the list shows (deleted ones, for one), now or
//!   for ever. It is worth a warning. If it stopped anything, one device that is counted and never listed would keep every other
//!   one from being reported as gone. So it stops that only where the list is empty: no device at all and a count of some
//!   cannot both be right.

use serde::{Deserialize, Serialize};

/// A list that is compared with the API's counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountedList {
    /// `/v2/account/sites`.
    Sites,
    /// `/v2/account/devices`.
    Devices,
    /// `/v2/account/alerts/open`.
    OpenAlerts,
}

/// One whole reading of a list, and what the API says about its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListCount {
    /// Which list.
    pub list: CountedList,
    /// Distinct rows that were read.
    pub rows: u64,
    /// Smallest `totalCount` of its pages; `None` if they gave none.
    pub total_count: Option<u64>,
    /// Of the device list: the smaller of the account's `numberOfDevices` before and after the reading.
    pub account_devices: Option<u64>,
    /// Of the device list: the sum of `numberOfDevices` over all sites but "Deleted Devices"; `None` if one does not say.
    pub site_devices: Option<u64>,
}

impl CountedList {
    /// The name in metrics and in `status --json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sites => "sites",
            Self::Devices => "devices",
            Self::OpenAlerts => "open_alerts",
        }
    }

    /// The name in a message.
    pub fn title(self) -> &'static str {
        match self {
            Self::Sites => "site list",
            Self::Devices => "device list",
            Self::OpenAlerts => "open alert list",
        }
    }
}

impl ListCount {
    /// A list of which only the pages say how long it is.
    pub fn of_pages(list: CountedList, rows: u64, total_count: Option<u64>) -> Self {
        Self { list, rows, total_count, account_devices: None, site_devices: None }
    }

    /// The same with the number of devices that the account gave before and after the reading, and with that of the sites. Sites are
    /// read before the devices, so devices that left meanwhile, by the account's numbers, are taken off theirs.
    #[must_use]
    pub fn with_devices(self, (before, after): (Option<u64>, Option<u64>), of_sites: Option<u64>) -> Self {
        let left = before.zip(after).map_or(0, |(before, after)| before.saturating_sub(after));
        let account_devices = before.zip(after).map(|(before, after)| before.min(after)).or(before).or(after);
        Self { account_devices, site_devices: of_sites.map(|sites| sites.saturating_sub(left)), ..self }
    }

    /// Rows that the list lacks by the largest of the counts; 0 if it is as long as all of them.
    pub fn missing(&self) -> u64 {
        let counts = [self.total_count, self.account_devices, self.site_devices];
        let most = counts.into_iter().flatten().max().unwrap_or(0);
        most.saturating_sub(self.rows)
    }

    /// Whether absence from the list may mean that a thing is gone.
    pub fn may_prove_absence(&self) -> bool {
        let is_cut = self.total_count.is_some_and(|total| total > self.rows);
        let is_empty_against_all = self.rows == 0 && self.missing() > 0;
        !is_cut && !is_empty_against_all
    }

    /// The numbers of a list that is short, for a person; `None` if it is not.
    pub fn shortage(&self) -> Option<String> {
        if self.missing() == 0 {
            return None;
        }
        let counts = [
            ("totalCount", self.total_count),
            ("account counts", self.account_devices),
            ("sites count", self.site_devices),
        ];
        let counts = counts.into_iter().filter_map(|(name, count)| count.map(|count| format!(", {name} {count}")));
        Some(format!("{} is short: {} rows{}", self.list.title(), self.rows, counts.collect::<String>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(rows: u64, total: Option<u64>, account: Option<u64>, sites: Option<u64>) -> ListCount {
        let (account_devices, site_devices) = (account, sites);
        ListCount { account_devices, site_devices, ..ListCount::of_pages(CountedList::Devices, rows, total) }
    }

    #[test]
    fn a_list_as_long_as_every_count_is_whole() {
        for list in [
            devices(140, Some(140), Some(140), Some(140)),
            devices(140, None, None, None),
            devices(141, Some(140), Some(139), None),
            devices(0, Some(0), Some(0), Some(0)),
        ] {
            assert_eq!((list.missing(), list.may_prove_absence(), list.shortage()), (0, true, None), "{list:?}");
        }
    }

    #[test]
    fn devices_that_come_or_go_while_the_list_is_read_make_no_shortage() {
        let counted = |rows, before, after, sites| {
            ListCount::of_pages(CountedList::Devices, rows, None).with_devices((before, after), Some(sites)).missing()
        };
        assert_eq!(counted(147, Some(150), Some(147), 150), 0, "three went");
        assert_eq!(counted(150, Some(150), Some(152), 150), 0, "two came");
        assert_eq!(counted(140, Some(150), Some(150), 150), 10);
        assert_eq!(counted(140, None, Some(150), 0), 10);
        assert_eq!(counted(140, None, None, 150), 10);
    }

    /// Safety: absence from a list that is shorter than its own count proves nothing.
    #[test]
    fn fewer_rows_than_the_list_itself_counts_prove_no_absence() {
        let cut = devices(140, Some(150), Some(151), None);
        assert_eq!((cut.missing(), cut.may_prove_absence()), (11, false));
        assert_eq!(
            cut.shortage().as_deref(),
            Some("device list is short: 140 rows, totalCount 150, account counts 151")
        );
        assert!(!devices(0, Some(1), None, None).may_prove_absence());
        assert!(!devices(u64::MAX - 1, Some(u64::MAX), None, None).may_prove_absence());
    }

    /// An account that counts deleted devices too must not keep every other device from being reported as gone, for ever.
    #[test]
    fn the_counts_of_account_and_sites_warn_and_stop_nothing_unless_no_row_is_left() {
        for list in [devices(140, Some(140), Some(150), None), devices(140, None, None, Some(141))] {
            assert!(list.missing() > 0 && list.shortage().is_some() && list.may_prove_absence(), "{list:?}");
        }
        assert!(!devices(0, Some(0), Some(9), None).may_prove_absence());
        assert!(!devices(0, None, None, Some(9)).may_prove_absence());
    }
}
