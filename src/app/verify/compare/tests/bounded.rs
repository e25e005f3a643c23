//! The memory of a comparison does not grow with the journal or the topic. Each size is compared in a process of its own, since the
//! peak of a process never falls.

use std::process::Command;

use super::*;

/// What it prints before its peak in KiB.
const PEAK: &str = "peak KiB ";

/// The most memory that this process ever had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A record of the journal, a message of each but the last hundred, and as many messages that nobody knows, of a topic that is cut.
fn compare(records: u64) {
    let mut all = Comparison::new([ACCOUNT.to_owned()].into(), MessageTime::Logged, 1).unwrap();
    for seq in 1..=records {
        let received_at = Millis(i64::try_from(seq).unwrap() * 1000);
        let id = Uuid::from_u128(u128::from(seq).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        let entry = Entry { id, partition: partition(), seq, alert: Some(seq), received_at, is_wanted: true };
        all.know(&entry).unwrap();
    }
    for seq in 1..=records {
        let spread =
            |n: u64| Some(Uuid::from_u128(u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)));
        let offset = i64::try_from(seq).unwrap();
        let known = Seen { id: spread(seq), offset, ..message(seq, offset) };
        if seq <= records - 100 {
            all.see(&known).unwrap();
        }
        all.see(&Seen { id: spread(records + seq), account: None, ..known }).unwrap();
    }
    let ranges: Vec<_> = (0..records / 10_000).map(|n| range(n * 10_000 + 1, (n + 1) * 10_000, 10_000, 0, 0)).collect();
    let report = report(&all, &ranges, &all.remains(&topic(40)).unwrap());
    assert_eq!((report.found, report.lost, report.foreign, report.out_of_order), (records - 100, 100, records, 0));
    println!("{PEAK}{}", peak());
}

#[test]
#[ignore = "the last test runs it in a process of its own"]
fn compare_100_000_records() {
    compare(100_000);
}

#[test]
#[ignore = "the last test runs it in a process of its own"]
fn compare_200_000_records() {
    compare(200_000);
}

#[test]
#[cfg(target_os = "linux")]
fn twice_as_many_records_take_no_more_memory() {
    let compared = |records: &str| {
        let name = format!("app::verify::compare::tests::bounded::compare_{records}_records");
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", &name, "--ignored", "--nocapture"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let peak = text.lines().find_map(|line| line.split_once(PEAK)).unwrap_or_else(|| panic!("{text}"));
        peak.1.trim().parse::<u64>().unwrap()
    };
    let (few, many) = (compared("100_000"), compared("200_000"));
    // In memory they took about 300 bytes each.
    assert!(many < few + 6 * 1024, "{few} KiB for 100,000 records, {many} KiB for 200,000");
}
