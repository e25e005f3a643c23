//! The one tolerant reading of time (datto-rmm-api.md section 7), from the decimal text and never through a binary float.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};
use serde_json::value::RawValue;

use super::object::text_of;
use crate::clock::Millis;

/// Numbers above this are milliseconds, others seconds.
const LARGEST_SECONDS: i128 = 9_999_999_999;
/// Numbers are read to the millionth.
const SCALE: u32 = 6;
/// The .NET minimum date in milliseconds: no time.
const DOTNET_NONE: &str = "-62135596800000";
/// 2000-01-01T00:00:00Z and 2101-01-01T00:00:00Z: what lies outside is not a time.
const FIRST_MS: i128 = 946_684_800_000;
const END_MS: i128 = 4_133_980_800_000;

/// What a value says about time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Null, empty, or the .NET minimum date.
    Absent,
    /// A point in time, rounded to the millisecond.
    At(Millis),
    /// Something else, or outside the years 2000 to 2100.
    NotATime,
}

/// Reads a JSON value: a number or numeric text (milliseconds or seconds by magnitude), or RFC 3339 text; a date without
/// an offset is UTC.
pub fn read(value: &RawValue) -> Reading {
    let json = value.get();
    if json == "null" {
        return Reading::Absent;
    }
    let text = match text_of(json) {
        Some(text) => text,
        None if json.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => json.into(),
        None => return Reading::NotATime,
    };
    read_text(text.trim())
}

fn read_text(text: &str) -> Reading {
    if text.is_empty() || text == DOTNET_NONE || text.starts_with("0001-01-01") {
        return Reading::Absent;
    }
    let ms = if text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E')) {
        number_ms(text).or_else(|| date_ms(text))
    } else {
        date_ms(text)
    };
    match ms {
        Some(ms) if (FIRST_MS..END_MS).contains(&ms) => {
            i64::try_from(ms).map_or(Reading::NotATime, |ms| Reading::At(Millis(ms)))
        }
        Some(_) | None => Reading::NotATime,
    }
}

/// Milliseconds of a decimal number, by its magnitude.
fn number_ms(text: &str) -> Option<i128> {
    let scaled = decimal(text)?;
    let is_seconds = scaled.checked_abs()? <= LARGEST_SECONDS.checked_mul(10_i128.pow(SCALE))?;
    let unit = if is_seconds { 10_i128.pow(SCALE.checked_sub(3)?) } else { 10_i128.pow(SCALE) };
    let half = unit.checked_div(2)?;
    scaled.checked_add(half)?.checked_div_euclid(unit)
}

/// A decimal number such as `1689072497.714` or `1.7e12`, times 10^6; further digits are cut. `None` for another text and
/// for numbers far outside any time.
fn decimal(text: &str) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if whole.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_add(i32::try_from(SCALE).ok()?)?;
    let significant = digits.trim_start_matches('0');
    let zeros = i32::try_from(digits.len().checked_sub(significant.len())?).ok()?;
    let Ok(length) = usize::try_from(point.checked_sub(zeros)?) else { return Some(0) };
    if significant.is_empty() {
        return Some(0);
    }
    if length > 30 {
        return None;
    }
    let kept: String = significant.chars().chain(std::iter::repeat('0')).take(length).collect();
    let value: i128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    Some(if negative { value.checked_neg()? } else { value })
}

/// Milliseconds of an RFC 3339 text, or of a date without an offset, taken as UTC.
fn date_ms(text: &str) -> Option<i128> {
    let at = match text.parse::<Timestamp>() {
        Ok(at) => at,
        Err(_) => text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
    };
    Some(i128::from(at.round(Unit::Millisecond).ok()?.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(json: &str) -> Reading {
        read(&RawValue::from_string(json.to_owned()).expect("valid JSON"))
    }

    fn at(json: &str) -> i64 {
        match reading(json) {
            Reading::At(Millis(ms)) => ms,
            other @ (Reading::Absent | Reading::NotATime) => panic!("{json} reads as {other:?}"),
        }
    }

    #[test]
    fn numbers_are_milliseconds_or_seconds_by_magnitude() {
        assert_eq!(at("1787643495000"), 1_787_643_495_000);
        assert_eq!(at("1787643495"), 1_787_643_495_000);
        assert_eq!(at("\"1787643495000\""), 1_787_643_495_000);
        assert_eq!(at("1.787643495e12"), 1_787_643_495_000);
        assert_eq!(at("1787643495000.4"), 1_787_643_495_000);
        assert_eq!(at("4102444799"), 4_102_444_799_000);
    }

    #[test]
    fn fractions_of_seconds_come_from_the_decimal_text() {
        assert_eq!(at("1689072497.714"), 1_689_072_497_714);
        assert_eq!(at("1787645215.44"), 1_787_645_215_440);
        assert_eq!(at("1689072497.0005"), 1_689_072_497_001);
        assert_eq!(at("1689072497.00049999999999999999999"), 1_689_072_497_000);
        assert_eq!(at("\"1689072497.714\""), 1_689_072_497_714);
    }

    #[test]
    fn dates_may_have_an_offset() {
        assert_eq!(at("\"2026-08-25T07:26:00Z\""), 1_787_642_760_000);
        assert_eq!(at("\"2026-08-25T09:26:00+02:00\""), 1_787_642_760_000);
        assert_eq!(at("\"2026-08-25T07:26:00\""), 1_787_642_760_000);
        assert_eq!(at("\"2026-08-25T07:26:00.0006Z\""), 1_787_642_760_001);
        assert_eq!(at("\"2026-08-25\""), 1_787_616_000_000);
    }

    #[test]
    fn no_time_is_not_a_wrong_time() {
        for json in ["null", "\"\"", "\" \"", "-62135596800000", "\"-62135596800000\"", "\"0001-01-01T00:00:00Z\""] {
            assert_eq!(reading(json), Reading::Absent, "{json}");
        }
    }

    #[test]
    fn what_lies_outside_this_century_is_not_a_time() {
        for json in [
            "0",
            "-1",
            "946684799",
            "4133980800000",
            "1e99",
            "1e-99",
            "-0",
            "1e2147483647",
            "1e99999999999",
            "true",
            "[]",
            "{}",
            "\"soon\"",
            "\"1.2.3\"",
            "\"--5\"",
            "\".5\"",
            "\"1969-07-20T20:17:00Z\"",
            "99999999999999999999999999999999999999999999",
        ] {
            assert_eq!(reading(json), Reading::NotATime, "{json}");
        }
    }

    proptest::proptest! {
        /// Every millisecond of the century survives both forms of number.
        #[test]
        fn times_survive_their_text(ms in 1_000_000_000_000_i64..4_102_444_800_000) {
            let seconds = format!("{}.{:03}", ms / 1000, ms % 1000);
            proptest::prop_assert_eq!(at(&ms.to_string()), ms);
            proptest::prop_assert_eq!(at(&seconds), ms);
        }

        /// No text panics.
        #[test]
        fn any_text_is_read(text in "[-+.eE0-9TZ: ]{0,40}") {
            let _reading = read_text(&text);
        }
    }
}
