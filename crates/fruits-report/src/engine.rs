//! Where a run is computed, as `--engine` says.

use std::path::Path;
use std::sync::Arc;

use fruits::Result;
use fruits::pipeline::{Engine, ThisProcess};
use fruits::place::EngineName;

/// The engine of a name, which waits for a finished task at most `timeout_s`; its workers know the secret in a file.
#[cfg(feature = "cluster")]
pub fn open(name: &EngineName, timeout_s: f64, secret: Option<&Path>) -> Result<Arc<dyn Engine>> {
    let scheduler = match name {
        EngineName::Local => return Ok(Arc::new(ThisProcess)),
        EngineName::InProcess => None,
        EngineName::Scheduler(endpoint) => Some((endpoint.clone(), known(secret)?)),
    };
    Ok(Arc::new(fruits_cluster::Cluster {
        scheduler,
        timeout_s,
    }))
}

/// What driver and workers know, and nobody else.
#[cfg(feature = "cluster")]
pub fn known(secret: Option<&Path>) -> Result<fruits_cluster::Secret> {
    let path = secret.ok_or_else(|| {
        fruits::Error::Invalid(
            "--secret FILE is missing: driver and workers know each other by it; make one with `(umask 077; head -c 32 \
             /dev/urandom | base64 > FILE)`, and give the same to all of them"
                .to_owned(),
        )
    })?;
    fruits_cluster::Secret::read(path)
}

/// The engine of a name.
#[cfg(not(feature = "cluster"))]
pub fn open(name: &EngineName, _: f64, _: Option<&Path>) -> Result<Arc<dyn Engine>> {
    match name {
        EngineName::Local => Ok(Arc::new(ThisProcess)),
        name => Err(fruits::Error::Invalid(format!(
            "this build has no engine `{name}`; build it with `--features cluster`"
        ))),
    }
}
