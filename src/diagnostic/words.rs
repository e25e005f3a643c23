//! Durations and sizes as people write them.

use std::time::Duration;

/// A duration in at most two units: `80 ms`, `12 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let two = |(great, name): (u64, &str), (small, small_name): (u64, &str)| match small {
        0 => format!("{great} {name}"),
        _ => format!("{great} {name} {small} {small_name}"),
    };
    match seconds {
        0 if duration.is_zero() => "0 s".to_owned(),
        0 => format!("{} ms", duration.as_millis().max(1)),
        1..60 => format!("{seconds} s"),
        60..3600 => two((seconds / 60, "min"), (seconds % 60, "s")),
        3600..86_400 => two((seconds / 3600, "h"), (seconds % 3600 / 60, "min")),
        _ => two((seconds / 86_400, "d"), (seconds % 86_400 / 3600, "h")),
    }
}

/// A number of bytes with three digits or so: `588 KiB`, `1.5 GiB`, `10 GiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut whole, mut rest, mut unit) = (bytes, 0, "B");
    for larger in UNITS {
        // 1023.9 of a unit would be written as 1024 of it.
        if whole < 1024 {
            break;
        }
        (rest, whole, unit) = (whole % 1024, whole / 1024, larger);
    }
    match rest * 10 / 1024 {
        tenths if tenths > 0 && whole < 10 => format!("{whole}.{tenths} {unit}"),
        _ => format!("{whole} {unit}"),
    }
}

/// `1 record`, `2 records`: a count with its noun.
pub fn count(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_at_most_two_units() {
        for (millis, text) in [
            (0, "0 s"),
            (80, "80 ms"),
            (12_900, "12 s"),
            (60_000, "1 min"),
            (185_000, "3 min 5 s"),
            (7_800_000, "2 h 10 min"),
            (273_600_000, "3 d 4 h"),
            (864_000_000, "10 d"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(duration(Duration::from_nanos(1)), "1 ms");
    }

    #[test]
    fn sizes_are_short() {
        for (size, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (602_112, "588 KiB"),
            (1_610_612_736, "1.5 GiB"),
            (10 << 30, "10 GiB"),
            (1_048_575, "1023 KiB"),
            (u64::MAX, "15 EiB"),
        ] {
            assert_eq!(bytes(size), text, "{size}");
        }
        assert_eq!((count(1, "record"), count(2, "record")), ("1 record".to_owned(), "2 records".to_owned()));
    }
}
