//! What a page costs on the disk: `cargo test -- --ignored --nocapture write_amplification`.

use serde_json::value::RawValue;

use super::support::{Place, look, page, site, uid};
use crate::journal::Page;
use crate::journal::seen::key;
use crate::journal::sqlite::Journal;

const COMMITS: u32 = 200;
const RECORDS: u32 = 250;

/// Bytes that this process gave to the file system.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).unwrap();
    line.parse().unwrap()
}

/// An alert of about the size and repetitiveness that the API shows.
fn source(uid: &str) -> Box<RawValue> {
    let id = |part: &str| format!("{:032x}", u128::from_be_bytes(key(&[uid, part])));
    let text = format!(
        r#"{{"alertUid":"{uid}","priority":"High","diagnostics":"disk {0} is nearly full, {1} left","resolved":false,"resolvedBy":null,
"resolvedOn":null,"muted":false,"ticketNumber":null,"timestamp":1795212345678,"alertMonitorInfo":{{"sendsEmails":true,"createsTicket":false}},
"alertContext":{{"@class":"perf_disk_usage_ctx","diskName":"{0}","totalVolume":512.0,"freeSpace":12.5,"unitType":"GB","diskNameDesignation":null}},
"alertSourceInfo":{{"deviceUid":"{2}","deviceName":"HOST-{0}","siteUid":"{3}","siteName":"Contoso Headquarters"}},
"responseActions":[{{"actionTime":1795212345678,"actionType":"EMAIL_SENT","description":"mail to {1}@example.com","actionReference":null,
"actionReferenceInt":null}}],"autoresolveMins":null,"some":{{"a":"{4}","b":"{5}"}}}}"#,
        &id("disk")[..4],
        &id("left")[..6],
        id("device"),
        id("site"),
        id("a"),
        id("b"),
    );
    RawValue::from_string(text.replace('\n', "")).unwrap()
}

#[tokio::test]
#[ignore = "a measurement, not a test"]
async fn write_amplification_of_alert_pages() {
    let place = Place::new();
    let journal: Journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    let before = written();
    let started = tokio::time::Instant::now();
    let mut bytes = 0;
    for n in 0..COMMITS {
        let alerts = (0..RECORDS).map(|m| {
            let name = format!("{:032x}", u128::from_be_bytes(key(&[&n.to_string(), &m.to_string()])));
            let mut look = look(&name, 1, "a", None);
            look.records[0].source = source(&name);
            look.told.digests = vec![7; 9 * 16];
            look
        });
        let alerts: Vec<_> = alerts.collect();
        bytes += alerts.iter().map(|look| serde_json::to_vec(&look.records[0]).unwrap().len() as u64).sum::<u64>();
        journal.commit(Page { alerts, ..page() }).await.unwrap();
    }
    let took = started.elapsed();
    journal.close().await.unwrap();
    let (written, size) = (written() - before, place.path().metadata().unwrap().len());
    let times = |n: u64| n as f64 / bytes as f64;
    println!("{COMMITS} commits of {RECORDS} alerts, {bytes} bytes of NDJSON, in {took:?}");
    println!("written {written} bytes ({:.2} times), file {size} bytes ({:.2} times)", times(written), times(size));
}
