//! Runs of `fruits` on several machines: descriptors and PCA by the workers of a cluster, with the bytes of one machine.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::sync::atomic::AtomicBool;
//!
//! use fruits::pipeline::{self, Params};
//! use fruits::source::Source;
//! use fruits_cluster::{Cluster, Secret};
//!
//! let mut params = Params::new(Source::folder("photos")?);
//! params.cache = Some(fruits::place::Place::Folder("/shared/cache".into()));
//! let secret = Secret::read("/shared/secret".as_ref())?;
//! params.engine = Arc::new(Cluster::at("10.0.0.4:50050".parse()?, secret));
//! let outcome = pipeline::run(&params, &mut |_| {}, &AtomicBool::new(false))?;
//! # Ok::<(), fruits::Error>(())
//! ```
//!
//! A run is told of a [`Cluster`] as its engine. Its driver cuts the work into tasks, writes them as orders into the cache,
//! and hands out tickets by way of the [`engine`], which knows nothing of images. A [`Worker`] does the task of a ticket; what
//! comes out lies in the cache, with a receipt that is written last. Nothing else travels.
//!
//! Members know each other by a [`Secret`]: a worker takes no ticket without its mark, and touches nothing out of the
//! [`Scope`] that it was started with.
//!
//! A package of its own, so that what Ballista's generic code becomes is compiled here once, and never without the feature
//! `cluster`. The library knows nothing of it.

mod clock;
mod cluster;
mod driver;
pub mod engine;
mod exchange;
mod jobs;
mod kept;
mod keys;
mod piece;
mod rows;
mod scope;
mod secret;
mod survey;
mod task;
mod tries;
mod worker;

pub use self::cluster::Cluster;
pub use self::scope::Scope;
pub use self::secret::Secret;
pub use self::worker::Worker;
