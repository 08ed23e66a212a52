//! What sections are made of: rows, cards, facts, pictures.

use std::borrow::Cow;

use serde::Serialize;

/// Number, id and title of a section.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Heading {
    pub(super) id: String,
    pub(super) number: usize,
    pub(super) title: String,
}

/// One figure of the first screen.
#[derive(Debug, Serialize)]
pub(super) struct Card {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) note: String,
    pub(super) section: &'static str,
}

/// One thing that such a report should hold, or a limit that a run is held to.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) state: CheckState,
    pub(super) name: Cow<'static, str>,
    pub(super) finding: String,
    pub(super) section: Cow<'static, str>,
}

/// Whether it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CheckState {
    /// Yes.
    Met,
    /// No.
    Missed,
}

/// A parameter.
#[derive(Debug, Serialize)]
pub(super) struct ParameterRow {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) origin: &'static str,
}

/// A name and what it is: a row of a table of facts.
#[derive(Debug, Serialize)]
pub(super) struct Fact {
    pub(super) name: Cow<'static, str>,
    pub(super) value: String,
    /// Whether the value is a digest or an identifier.
    pub(super) code: bool,
}

impl Fact {
    /// A fact in words.
    pub(super) fn new(name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            code: false,
        }
    }

    /// A digest or an identifier.
    pub(super) fn code(name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            code: true,
        }
    }
}

/// An image in the text.
#[derive(Debug, Serialize)]
pub(super) struct Thumb {
    /// Base64 of a JPEG; absent if there is no thumbnail.
    pub(super) jpeg: Option<String>,
    pub(super) key: String,
    pub(super) label: String,
    pub(super) note: String,
}

/// A class.
#[derive(Debug, Serialize)]
pub(super) struct ClassRow {
    pub(super) marker: String,
    pub(super) label: String,
    pub(super) n: String,
    pub(super) share: String,
}

/// A value and how many images have it.
#[derive(Debug, Serialize)]
pub(super) struct ShareRow {
    pub(super) name: String,
    pub(super) n: String,
    pub(super) share: String,
}

/// A name and some figures.
#[derive(Debug, Serialize)]
pub(super) struct SpaceRow {
    pub(super) name: String,
    pub(super) values: Vec<String>,
}

/// The images at one end of an axis.
#[derive(Debug, Serialize)]
pub(super) struct AxisEnd {
    pub(super) name: String,
    pub(super) thumbs: Vec<Thumb>,
}

/// Images of one class that are taken for another.
#[derive(Debug, Serialize)]
pub(super) struct PairRow {
    pub(super) label: String,
    pub(super) predicted: String,
    pub(super) n: String,
}

/// An image that stands out, and its nearest.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) image: Thumb,
    pub(super) near: Vec<Thumb>,
}
