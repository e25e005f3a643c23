//! The account itself, `/v2/account` (datto-rmm-api.md section 8.2).

use serde_json::value::RawValue;

use super::Malformed;
use super::object::Object;
use crate::record::AccountUid;

/// What `/v2/account` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountInfo {
    /// `uid`.
    pub uid: AccountUid,
    /// `name`: the MSP's name; empty if there is none.
    pub display_name: String,
    /// `devicesStatus.numberOfDevices`. Which devices it counts (deleted ones, for one) is not known.
    pub devices: Option<u64>,
}

/// Decodes the account.
pub fn decode(raw: &RawValue) -> Result<AccountInfo, Malformed> {
    let object = Object::parse(raw)?;
    let uid = object.own_id("uid")?;
    let display_name = object.text("name").unwrap_or_default();
    Ok(AccountInfo { uid: AccountUid::new(&uid), display_name, devices: number_of_devices(&object) })
}

/// `devicesStatus.numberOfDevices` of an account or a site.
pub(super) fn number_of_devices(object: &Object<'_>) -> Option<u64> {
    object.object("devicesStatus")?.integer("numberOfDevices")?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_needs_its_uid_only() {
        let raw = |json: &str| RawValue::from_string(json.to_owned()).expect("valid JSON");
        let info = decode(&raw(r#"{"id":1,"uid":"ab1c0002","name":null,"descriptor":null}"#)).expect("an account");
        assert_eq!(info, AccountInfo { uid: AccountUid::new("ab1c0002"), display_name: String::new(), devices: None });
        let counted = decode(&raw(r#"{"uid":"a","devicesStatus":{"numberOfDevices":848}}"#)).expect("an account");
        assert_eq!(counted.devices, Some(848));
        for odd in ["-1", "null", "\"many\"", "1.5"] {
            let odd = decode(&raw(&format!(r#"{{"uid":"a","devicesStatus":{{"numberOfDevices":{odd}}}}}"#)));
            assert_eq!(odd.expect("an account").devices, None);
        }
        assert_eq!(decode(&raw("{}")), Err(Malformed::NoId("uid")));
    }
}
