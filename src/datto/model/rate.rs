//! The account-wide request count, `/v2/system/request_rate` (datto-rmm-api.md section 4).

use serde_json::value::RawValue;

use super::Malformed;
use super::object::Object;

/// Limits outside this range are not believed.
const PLAUSIBLE_LIMITS: std::ops::RangeInclusive<i64> = 1..=1_000_000;

/// What the API counts for the whole account: all keys, all integrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStatus {
    /// Requests in the last 60 s, this one included.
    pub count: Option<u32>,
    /// Most requests in 60 s.
    pub limit: Option<u32>,
}

/// Decodes the count. Values that make no sense are left out.
pub fn decode(raw: &RawValue) -> Result<RateStatus, Malformed> {
    let object = Object::parse(raw)?;
    let limit = object.integer("accountRateLimit").filter(|limit| PLAUSIBLE_LIMITS.contains(limit));
    let count = object.integer("accountCount").filter(|count| *count >= 0);
    Ok(RateStatus {
        count: count.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
        limit: limit.and_then(|limit| u32::try_from(limit).ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(json: &str) -> RateStatus {
        decode(&RawValue::from_string(json.to_owned()).expect("valid JSON")).expect("an object")
    }

    #[test]
    fn only_plausible_counts_are_believed() {
        let usual = rate(r#"{"accountCount":37,"accountRateLimit":600,"accountCutOffRatio":0.9}"#);
        assert_eq!(usual, RateStatus { count: Some(37), limit: Some(600) });
        assert_eq!(rate(r#"{"accountCount":-1,"accountRateLimit":0}"#), RateStatus { count: None, limit: None });
        assert_eq!(rate(r#"{"accountCount":99999999999,"accountRateLimit":null}"#).count, Some(u32::MAX));
    }
}
