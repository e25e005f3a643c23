//! Items that are small on the wire and large once they are decoded.

/// Bytes that a page may have beyond its own items; the usual limit of a body is 32 MiB.
const USUAL_BYTES: usize = 29 << 20;

/// Empty objects with commas between them.
pub(crate) fn tiny_items(bytes: Option<usize>) -> Vec<u8> {
    let count = bytes.unwrap_or(USUAL_BYTES) / 3;
    let mut items = b"{},".repeat(count.max(1));
    items.pop();
    items
}

/// A member whose value is an object with many keys.
pub(crate) fn keys(bytes: Option<usize>) -> Vec<u8> {
    [b"\"more\":".as_slice(), &object_of_keys(bytes)].concat()
}

/// A member whose value is lists in each other.
pub(crate) fn nested(bytes: Option<usize>) -> Vec<u8> {
    let depth = bytes.unwrap_or(USUAL_BYTES) / 2;
    [b"\"deep\":".to_vec(), b"[".repeat(depth), b"]".repeat(depth)].concat()
}

/// A member `details` whose value is a text with many keys.
pub(crate) fn details(bytes: Option<usize>) -> Vec<u8> {
    // Its quotes take two bytes each.
    let inside = bytes.unwrap_or(USUAL_BYTES) / 4 * 3;
    let object = String::from_utf8_lossy(&object_of_keys(Some(inside))).replace('"', "\\\"");
    format!("\"details\":\"{object}\"").into_bytes()
}

fn object_of_keys(bytes: Option<usize>) -> Vec<u8> {
    let bytes = bytes.unwrap_or(USUAL_BYTES);
    let mut object = Vec::with_capacity(bytes.saturating_add(32));
    object.push(b'{');
    let mut number: u64 = 0;
    while object.len() < bytes {
        object.extend_from_slice(format!("\"key{number:x}\":{},", number % 10).as_bytes());
        number = number.saturating_add(1);
    }
    object.pop();
    object.push(b'}');
    object
}
