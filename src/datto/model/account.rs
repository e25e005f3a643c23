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
}

/// Decodes the account.
pub fn decode(raw: &RawValue) -> Result<AccountInfo, Malformed> {
    let object = Object::parse(raw)?;
    let uid = object.id("uid").ok_or(Malformed::NoId("uid"))?;
    Ok(AccountInfo { uid: AccountUid::new(&uid), display_name: object.text("name").unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_needs_its_uid_only() {
        let raw = |json: &str| RawValue::from_string(json.to_owned()).expect("valid JSON");
        let info = decode(&raw(r#"{"id":1,"uid":"ab1c0002","name":null,"descriptor":null}"#)).expect("an account");
        assert_eq!(info, AccountInfo { uid: AccountUid::new("ab1c0002"), display_name: String::new() });
        assert_eq!(decode(&raw("{}")), Err(Malformed::NoId("uid")));
    }
}
