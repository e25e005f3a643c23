//! Words that the world is made of: fictional companies, people, products and texts, awkward on purpose.

use fastrand::Rng;

use crate::sim::dice::pick;

/// Site names. Umlauts and accents, one of them decomposed, punctuation, surrounding white space, near twins.
const SITES: &[&str] = &[
    "Contoso Ltd",
    "Müller Präzision GmbH",
    "Café Noir S.A.R.L.",
    "Fabrikam HQ",
    "Fabrikam Warehouse",
    "Nordlys Ålesund AS",
    "O'Brien & Daughters Ltd",
    "Cafe\u{301} Noir Lyon",
    "Lab 1",
    "Smith, Jones and Partners",
    "Łódź Logistyka Sp. z o.o.",
    "Proseware \"North\"",
    " Tailspin Toys ",
    "株式会社サンプル",
    "contoso ltd",
    "Wide World Importers",
    "Zahnarztpraxis Dr. Weiß",
    "Northwind Traders (managed)",
    "Blue Yonder Airlines",
    "École du Château",
];

const CITIES: &[&str] = &["Bristol", "Köln", "Malmö", "Aveiro", "Sète", "Leeds", "Žilina", "Utrecht", "Cork", "Graz"];

/// First names, last names, user names.
const PEOPLE: &[(&str, &str, &str)] = &[
    ("Ada", "Quist", "ada.quist"),
    ("Björn", "Åkesson", "bjorn.akesson"),
    ("Chloé", "Dupré", "chloe.dupre"),
    ("Dmitri", "Orlov", "dmitri.orlov"),
    ("Elif", "Yıldız", "elif.yildiz"),
    ("Femi", "O'Neil", "femi.oneil"),
];

/// The numeric id of the first of [`people`].
const FIRST_PERSON: i64 = 41_001;

/// Someone who works at the service provider.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    pub(crate) id: i64,
    pub(crate) first: &'static str,
    pub(crate) last: &'static str,
    pub(crate) login: &'static str,
}

impl Person {
    /// Their mail address.
    pub(crate) fn email(&self) -> String {
        format!("{}@msp.example", self.login)
    }
}

/// Everybody who has a portal account.
pub(crate) fn people() -> impl Iterator<Item = Person> {
    PEOPLE.iter().zip(FIRST_PERSON..).map(|((first, last, login), id)| Person { id, first, last, login })
}

/// Someone from [`people`].
pub(crate) fn person(rng: &mut Rng) -> Person {
    rng.choice(people().collect::<Vec<_>>()).unwrap_or(Person {
        id: FIRST_PERSON,
        first: "Ada",
        last: "Quist",
        login: "ada.quist",
    })
}

/// The name of the n-th ordinary site.
pub(crate) fn site_name(n: usize) -> String {
    let base = SITES.iter().cycle().nth(n).copied().unwrap_or("Site");
    match n / SITES.len() {
        0 => base.to_owned(),
        round => format!("{} {} {round}", base.trim(), CITIES.iter().cycle().nth(n).copied().unwrap_or("Leeds")),
    }
}

/// A host name in upper case, as Windows shows it, with the odd exception.
pub(crate) fn hostname(rng: &mut Rng, prefix: &str, n: u64) -> String {
    match rng.u8(0..20) {
        0 => format!("{}-{n}.lan.example", prefix.to_lowercase()),
        1 => format!("BÜRO {prefix} {n}"),
        _ => format!("{prefix}-{n:05}"),
    }
}

/// An address of a staff member's workplace, from the documentation ranges.
pub(crate) fn address(rng: &mut Rng) -> String {
    match rng.u8(0..6) {
        0 => format!("2001:db8::{:x}", rng.u16(1..)),
        _ => format!("203.0.113.{}", rng.u8(1..255)),
    }
}

/// A diagnostics text: often missing, sometimes long, with several lines or unusual characters.
pub(crate) fn diagnostics(rng: &mut Rng) -> Option<String> {
    match rng.u8(0..10) {
        0..=3 => None,
        4 => Some(String::new()),
        5 => Some("Process list:\r\n  1  sqlservr.exe\t41 %\r\n  2  chrome.exe\t17 %\r\n".repeat(rng.usize(1..40))),
        6 => Some("Überprüfung fehlgeschlagen – Datenträger „D:“ nicht lesbar \u{1F4BE}\nRückgabewert: −1".to_owned()),
        7 => Some("C:\\Windows\\System32>sc query \"Spooler\"\n\"STATE\" : 1  STOPPED\u{0}\u{1b}[31m".to_owned()),
        _ => Some(
            pick(rng, &["threshold exceeded", "no reply within 30 s", "{\"not\": \"parsed\"}", "<b>x</b>"]).to_owned(),
        ),
    }
}
