//! A value of an OCSF enumeration with the caption that stands beside it.

use std::borrow::Cow;

use super::captions::Captions;

/// Text of an event: a slice of the source where it can be one.
pub(crate) type Text<'a> = Cow<'a, str>;

/// "Other": the caption beside it is the source's own word.
pub(crate) const OTHER: u32 = 99;

/// A number of an enumeration and its caption. Made from the schema's captions, so that the two cannot disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice<'a> {
    pub(crate) id: u32,
    pub(crate) caption: Text<'a>,
}

impl<'a> Choice<'a> {
    /// A value that the schema names; one that it does not name is `Unknown`.
    pub(crate) fn of(captions: Captions, id: u32) -> Self {
        match caption(captions, id) {
            Some(caption) => Self { id, caption: Cow::Borrowed(caption) },
            None => Self { id: 0, caption: Cow::Borrowed("Unknown") },
        }
    }

    /// A value that the schema does not know, under the source's own word.
    pub(crate) fn other(word: Text<'a>) -> Self {
        Self { id: OTHER, caption: word }
    }
}

/// The caption of `id`.
pub(crate) fn caption(captions: Captions, id: u32) -> Option<&'static str> {
    captions.iter().find(|(known, _)| *known == id).map(|(_, caption)| *caption)
}
