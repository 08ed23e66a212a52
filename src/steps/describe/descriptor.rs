//! The joint between prepared images and all that works on their descriptors.

use super::words::{About, Fact, NetworkRecord};
use crate::error::Result;

/// What a descriptor takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// Images that one call takes at most.
    pub n_images: usize,
    /// Width and height of an image in pixels.
    pub side: usize,
    /// Bytes of a pixel: red, green, blue.
    pub channels: usize,
    /// What the descriptor does to the pixels before anything else, in words.
    pub preprocessing: &'static str,
}

impl Input {
    /// Bytes of an image.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        self.side * self.side * self.channels
    }
}

/// Turns prepared images into descriptors.
///
/// All but [`n_features`](Self::n_features) and [`describe`](Self::describe) is known before anything is loaded, so a run
/// that finds its descriptors in the cache never loads a network.
pub trait Descriptor: Send {
    /// The name in the record, and on the command line if it is there.
    fn name(&self) -> &'static str;

    /// All that decides a value for given pixels, the same text for the same values; it goes into the fingerprint.
    fn recipe(&self) -> String;

    /// What it takes.
    fn input(&self) -> Input;

    /// What it is, for sentences of those who do not know it.
    fn about(&self) -> About;

    /// What record, report and comparison show of it, a row each.
    fn facts(&self) -> Vec<Fact>;

    /// The network it computes with, for the fields that a record has of one.
    fn network(&self) -> Option<NetworkRecord> {
        None
    }

    /// Loads what it computes with; nothing if that is done.
    ///
    /// # Errors
    /// [`crate::Error::Runtime`] if it does not load.
    fn load(&mut self) -> Result<()> {
        Ok(())
    }

    /// Lets go of what was loaded, which may be half of a run's memory; it is loaded again when it is needed.
    fn unload(&mut self) {}

    /// Values of one descriptor; 0 as long as nothing is loaded.
    fn n_features(&self) -> usize;

    /// Descriptors of 1 to [`Input::n_images`] images of [`Input::n_bytes`] bytes each (rows of pixels of red, green,
    /// blue), one after the other: `n_features` values each. An image has the same values whatever lies beside it.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for more images or other sizes, [`crate::Error::Runtime`] if it cannot compute.
    fn describe(&mut self, images: &[&[u8]]) -> Result<Vec<f32>>;
}
