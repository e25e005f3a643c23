//! Points in time as Datto writes them: epoch milliseconds, epoch seconds with a fraction, or RFC 3339 (datto-rmm-api.md
//! section 7). Read from the decimal text, never through a binary float. Collectors and mappings read times here, so that both
//! see the same.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};

/// The .NET minimum date, Datto's way to say "never".
const NEVER_MS: i64 = -62_135_596_800_000;
/// Numbers of a larger magnitude are milliseconds, others seconds.
const LARGEST_SECONDS: i128 = 9_999_999_999;
/// 2000-01-01 and 2100-01-01: what lies outside is not a time (event-schema.md section 4).
const YEARS: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;
/// More digits than any time has, which keeps the arithmetic below within its type. Further ones of a fraction are cut.
const MAX_DIGITS: usize = 30;

/// What a time token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// This point in time, epoch milliseconds.
    At(i64),
    /// That it never happened.
    Never,
    /// Nothing that could be a time.
    NotATime,
}

/// Reads a token: the text of a JSON number or of a JSON string.
pub fn parse(token: &str) -> Moment {
    let token = token.trim();
    if token.is_empty() || token == "null" {
        return Moment::Never;
    }
    let ms = match Decimal::parse(token) {
        Some(number) => number.to_ms(),
        None => date_ms(token),
    };
    match ms {
        Some(NEVER_MS) => Moment::Never,
        Some(ms) if YEARS.contains(&ms) => Moment::At(ms),
        _ => Moment::NotATime,
    }
}

/// Milliseconds of an RFC 3339 text, or of a date without an offset, taken as UTC.
fn date_ms(text: &str) -> Option<i64> {
    let at = match text.parse::<Timestamp>() {
        Ok(at) => at,
        Err(_) => text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
    };
    Some(at.round(Unit::Millisecond).ok()?.as_millisecond())
}

/// `mantissa` × 10^`exponent`.
struct Decimal {
    mantissa: i128,
    exponent: i32,
}

impl Decimal {
    /// Reads `-12.5e3` and the like; `None` for anything else or for more digits than a time has.
    fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let fraction = fraction.get(..MAX_DIGITS.saturating_sub(whole.len())).unwrap_or(fraction);
        let digits = format!("{whole}{fraction}");
        let unsigned = digits.strip_prefix('-').unwrap_or(&digits);
        let is_number = !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit());
        if whole.trim_start_matches('-').is_empty() || !is_number || unsigned.len() > MAX_DIGITS {
            return None;
        }
        let decimals = i32::try_from(fraction.len()).ok()?;
        Some(Self { mantissa: digits.parse().ok()?, exponent: exponent.checked_sub(decimals)? })
    }

    /// Milliseconds, rounded half away from zero; `None` out of range.
    fn to_ms(&self) -> Option<i64> {
        let whole = self.shifted(0)?;
        let shift = if whole.abs() > LARGEST_SECONDS { 0 } else { 3 };
        i64::try_from(self.shifted(shift)?).ok()
    }

    /// The number × 10^`by`, rounded to an integer.
    fn shifted(&self, by: i32) -> Option<i128> {
        let exponent = self.exponent.checked_add(by)?;
        let factor = 10_i128.checked_pow(exponent.unsigned_abs());
        if exponent >= 0 {
            return self.mantissa.checked_mul(factor?);
        }
        let Some(factor) = factor else { return Some(0) };
        let half = factor.checked_div(2)?.checked_mul(self.mantissa.signum())?;
        self.mantissa.checked_add(half)?.checked_div(factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_that_datto_uses() {
        let cases = [
            ("1795212345000", 1_795_212_345_000),
            ("1795214400.125", 1_795_214_400_125),
            ("1689072497.714", 1_689_072_497_714),
            ("1.689072497714E9", 1_689_072_497_714),
            ("1.795212345E12", 1_795_212_345_000),
            ("1795214400.12349", 1_795_214_400_123),
            ("1795214400.1235", 1_795_214_400_124),
            ("1795214400.9999", 1_795_214_401_000),
            ("1795214800.0", 1_795_214_800_000),
            ("1795214400", 1_795_214_400_000),
            ("2026-11-20T22:05:45Z", 1_795_212_345_000),
            ("2026-11-20T23:05:45.678+01:00", 1_795_212_345_678),
            (" 1795212345000 ", 1_795_212_345_000),
            ("1787643495000.4", 1_787_643_495_000),
            ("4102444799", 4_102_444_799_000),
            ("1689072497.0005", 1_689_072_497_001),
            ("1689072497.00049999999999999999999", 1_689_072_497_000),
            ("2026-08-25T07:26:00", 1_787_642_760_000),
            ("2026-08-25T07:26:00.0006Z", 1_787_642_760_001),
            ("2026-08-25", 1_787_616_000_000),
        ];
        for (token, ms) in cases {
            assert_eq!(parse(token), Moment::At(ms), "{token}");
        }
    }

    #[test]
    fn never_and_nonsense_are_no_times() {
        for token in ["", "null", "-62135596800000", "0001-01-01T00:00:00Z"] {
            assert_eq!(parse(token), Moment::Never, "{token}");
        }
        let long = "9".repeat(400);
        for token in [
            "0",
            "true",
            "soon",
            "1e400",
            "1e-400",
            "-1795212345000",
            "1795212345000000",
            "1.2.3",
            &long,
            "2026",
            "-0",
            "-1",
            "946684799",
            "1e2147483647",
            "1e99999999999",
            "[]",
            "{}",
            "--5",
            ".5",
            "1969-07-20T20:17:00Z",
        ] {
            assert_eq!(parse(token), Moment::NotATime, "{token}");
        }
    }

    proptest::proptest! {
        /// Every millisecond of the century survives both forms of number.
        #[test]
        fn times_survive_their_text(ms in 1_000_000_000_000_i64..4_102_444_800_000) {
            let seconds = format!("{}.{:03}", ms / 1000, ms % 1000);
            proptest::prop_assert_eq!(parse(&ms.to_string()), Moment::At(ms));
            proptest::prop_assert_eq!(parse(&seconds), Moment::At(ms));
        }

        /// No text panics.
        #[test]
        fn any_text_is_read(text in "\\PC{0,40}|[-+.eE0-9TZ: ]{0,40}") {
            let _moment = parse(&text);
        }
    }
}
