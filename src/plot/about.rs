//! The words of a plot.

/// What a plot says about itself to a reader who cannot see it.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Prefix of the identifiers in the markup; unique in the page, letters and dashes.
    pub id: &'a str,
    /// One line: what is drawn.
    pub title: &'a str,
    /// A few sentences: what there is to see.
    pub description: &'a str,
}
