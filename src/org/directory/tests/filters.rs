//! The account's filter, as intake applies it.

use super::*;

fn filtered(filter: Filter) -> Directory {
    let mut policy = Policy::default();
    policy.accounts.insert("acme".into(), AccountPolicy { user_activity_org: None, filter });
    let deleted = Site { site_type: SiteType::Deleted, ..site("a1", "s3", "Deleted Devices") };
    let sites = vec![site("a1", "s1", "Zu\u{308}rich"), site("a1", "s2", "Lab 7"), deleted];
    Directory::new(1, Arc::new(policy), vec![account("a1", "acme")], sites)
}

fn taken(directory: &Directory, severity: Option<u8>) -> Vec<&'static str> {
    let refs = [("s1", uid("s1")), ("s2", uid("s2")), ("s3", uid("s3")), ("none", SiteRef::None)];
    let take = |site| directory.intake(&AccountUid::new("a1"), site, severity) == Intake::Take;
    refs.iter().filter(|(_, site)| take(site)).map(|(name, _)| *name).collect()
}

#[test]
fn site_filters_stop_sites_but_never_records_without_one() {
    let include = |globs: &[&str]| Filter {
        include_sites: Some(globs.iter().map(|g| (*g).to_owned()).collect()),
        ..Filter::default()
    };
    assert_eq!(taken(&filtered(Filter::default()), None), ["s1", "s2", "s3", "none"]);
    assert_eq!(taken(&filtered(include(&["Z\u{fc}*", "s2"])), None), ["s1", "s2", "none"]);
    let exclude = Filter { exclude_sites: vec!["Lab ?".into()], ..Filter::default() };
    assert_eq!(taken(&filtered(exclude), None), ["s1", "s3", "none"]);
    let types = Filter { site_types: Some(vec![SiteType::Managed]), ..Filter::default() };
    assert_eq!(taken(&filtered(types), None), ["s1", "s2", "none"]);
}

#[test]
fn min_severity_applies_to_alerts_not_told_before() {
    let directory = filtered(Filter { min_severity: Some(3), ..Filter::default() });
    let intake = |severity| directory.intake(&AccountUid::new("a1"), &uid("s1"), severity);
    assert_eq!(intake(None), Intake::Take);
    assert_eq!(intake(Some(2)), Intake::Drop(DropReason::Filtered));
    assert_eq!(intake(Some(3)), Intake::Take);
    assert_eq!(intake(Some(0)), Intake::Take, "a priority that nobody knows cannot be judged");
    assert_eq!(intake(Some(99)), Intake::Take);
}

#[test]
fn an_unknown_site_is_held_by_filters_that_need_its_name() {
    let filter = Filter {
        include_sites: Some(vec!["Contoso*".into()]),
        exclude_sites: vec!["bad-*".into()],
        ..Filter::default()
    };
    let directory = filtered(filter);
    let intake = |site: &SiteRef| directory.intake(&AccountUid::new("a1"), site, None);
    assert_eq!(intake(&uid("later")), Intake::Hold);
    assert_eq!(intake(&uid("bad-1")), Intake::Drop(DropReason::Filtered));
}
