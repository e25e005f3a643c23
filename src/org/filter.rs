//! The account's filter: what is not collected at all (`[accounts.<name>.filter]`, contract.md section 2).

use wildmatch::WildMatch;

use crate::inventory::{Site, SiteType};
use crate::org::{Filter, names};

/// Least and greatest severity id that stand on the scale; 0 (unknown) and 99 (the source's own word) do not.
const SCALE: std::ops::RangeInclusive<u8> = 1..=5;

/// A [`Filter`] with its globs compiled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compiled {
    include: Option<Vec<WildMatch>>,
    exclude: Vec<WildMatch>,
    site_types: Option<Vec<SiteType>>,
    min_severity: Option<u8>,
}

impl Compiled {
    pub(crate) fn new(filter: &Filter) -> Self {
        Self {
            include: filter.include_sites.as_deref().map(globs),
            exclude: globs(&filter.exclude_sites),
            site_types: filter.site_types.clone(),
            min_severity: filter.min_severity,
        }
    }

    /// Whether it stops the records of a known site.
    pub(crate) fn stops_site(&self, site: &Site) -> bool {
        let name = names::key(&site.name);
        let hit = |globs: &[WildMatch]| globs.iter().any(|glob| glob.matches(&name) || glob.matches(&site.uid));
        let included = self.include.as_deref().is_none_or(hit);
        let type_fits = self.site_types.as_ref().is_none_or(|types| types.contains(&site.site_type));
        !included || hit(&self.exclude) || !type_fits
    }

    /// Whether it stops the records of a site of which only the uid is known. What the name or the type would decide
    /// stays open, and so stops nothing: a record that is dropped for want of a site list would be lost.
    pub(crate) fn stops_unknown(&self, uid: &str) -> bool {
        self.exclude.iter().any(|glob| glob.matches(uid))
    }

    /// Whether it stops an alert of this severity id. One that is not on the scale cannot be judged, and passes.
    pub(crate) fn stops_severity(&self, severity: u8) -> bool {
        self.min_severity.is_some_and(|least| SCALE.contains(&severity) && severity < least)
    }
}

fn globs(patterns: &[String]) -> Vec<WildMatch> {
    patterns.iter().map(|pattern| WildMatch::new(&names::key(pattern))).collect()
}
