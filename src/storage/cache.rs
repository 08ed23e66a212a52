//! The upkeep of a cache: is what lies in it whole, and what of it can no run of this program use?
//!
//! A cache may be written to by anybody. Only names that this program gives are looked at; what has another name, or is a
//! link, is neither read nor removed.

mod check;
mod files;
mod names;
mod prune;

use std::fs::File;
use std::io;

use self::files::Files;
use crate::error::{Error, Result};
use crate::storage::lock;
use crate::storage::place::Place;

pub use self::check::{Checked, Found, State};
pub use self::files::Object;
pub use self::names::{CLUSTER, is_part};
pub use self::prune::{Removal, Why, plan};

/// A cache that is looked after.
#[derive(Debug)]
pub struct Cache {
    place: Place,
    files: Files,
}

/// That no run is known to be under way in a cache.
#[derive(Debug)]
pub struct Quiet {
    /// As long as it is open, no run begins. None where runs cannot be known: in a bucket, and on a drive without locks.
    held: Option<File>,
}

impl Quiet {
    /// Whether it is certain.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.held.is_some()
    }
}

impl Cache {
    /// Opens a cache that is there; nothing is written.
    ///
    /// # Errors
    /// [`Error::Storage`] if there is no such folder.
    pub fn open(place: &Place) -> Result<Self> {
        Ok(Self {
            place: place.clone(),
            files: Files::open(place)?,
        })
    }

    /// Keeps runs away from a folder, as far as they can be known.
    ///
    /// # Errors
    /// [`Error::Storage`], which names the process, if a run is under way.
    pub fn quiet(&self) -> Result<Quiet> {
        let Place::Folder(folder) = &self.place else {
            return Ok(Quiet { held: None });
        };
        let fault = Error::storage("remove anything from cache", folder);
        match lock::alone(folder) {
            Ok(lock::Alone::Yes(file)) => Ok(Quiet { held: Some(file) }),
            Ok(lock::Alone::Unknown) => Ok(Quiet { held: None }),
            Ok(lock::Alone::No(holders)) => Err(fault(io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!("it is in use by {holders}; wait until that has ended"),
            ))),
            Err(error) => Err(fault(error)),
        }
    }
}
