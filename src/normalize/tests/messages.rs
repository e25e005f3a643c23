//! What analysts read: `message` of every kind of event is a sentence that names the one device it is about.

use serde_json::Value;

use super::pairs::all;

/// The host of the one device that an event is about.
fn host(event: &Value) -> Option<&str> {
    let of = |pointer| event.pointer(pointer).and_then(Value::as_str);
    of("/device/hostname").or_else(|| of("/entity/device/hostname"))
}

/// What is wrong with a sentence.
fn faults(message: &str, host: Option<&str>) -> Vec<&'static str> {
    let words: Vec<&str> = message.split(' ').collect();
    let follows = |test: &dyn Fn(&str, &str) -> bool| words.windows(2).any(|pair| test(pair[0], pair[1]));
    let begins_with_vowel = |word: &str| word.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O']);
    let has = [
        ("it does not name its host", host.is_some_and(|host| !message.contains(host))),
        ("a word is missing", message.contains("  ") || message.trim() != message || message.ends_with(": ")),
        ("a word is doubled", follows(&|one, two| one == two && one.chars().all(char::is_alphabetic))),
        ("an article does not fit", follows(&|one, two| one == "a" && begins_with_vowel(two))),
        ("an article does not fit", follows(&|one, two| one == "an" && !begins_with_vowel(two))),
        ("it is a bare number", message.chars().all(|c| c.is_ascii_digit() || c == '-')),
    ];
    has.into_iter().filter_map(|(fault, is_so)| is_so.then_some(fault)).collect()
}

#[test]
fn messages_are_sentences_that_name_their_host() {
    for pair in all() {
        let event = pair.event();
        let message = event["message"].as_str().unwrap();
        assert_eq!(faults(message, host(&event)), Vec::<&str>::new(), "{}: {message}", pair.name);
    }
}

#[test]
fn faults_are_found() {
    assert_eq!(faults("-2147467259", Some("SRV-1")), ["it does not name its host", "it is a bare number"]);
    assert_eq!(faults("ada opened a session session to SRV-1", Some("SRV-1")), ["a word is doubled"]);
    assert_eq!(faults("ada opened a event remote session ", None), ["a word is missing", "an article does not fit"]);
}
