//! A cluster as the engine of a run.

use std::sync::Arc;
use std::time::Duration;

use fruits::features::Precision;
use fruits::pca::Solver;
use fruits::pipeline::descriptor::Chosen;
use fruits::pipeline::{DEFAULT_TIMEOUT_S, Engine, Gathered, Job, Workers};
use fruits::place::Endpoint;
use fruits::record::{ClusterRecord, Part};
use fruits::s3::Connection;
use fruits::source::Source;
use fruits::storage::digest::hex;
use fruits::store::{Receipt, Shard};
use fruits::{Error, Result};

use crate::clock::now_ms;
use crate::driver::Driver;
use crate::engine::{Client, DEFAULT_SLOTS};
use crate::exchange::{Exchange, absolute};
use crate::jobs::Jobs;
use crate::rows::Remote;
use crate::scope::Scope;
use crate::secret::{Secret, random};
use crate::task::{Order, Reach, SCHEMA, model_key};
use crate::tries::Tries;
use crate::worker::Worker;

/// The workers of a scheduler.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Where the scheduler is, and the secret that its workers know; none has scheduler and worker in this process, which is
    /// what a cluster does, on one machine.
    pub scheduler: Option<(Endpoint, Secret)>,
    /// Longest time in seconds without a task finished, 1 to 86400; then the missing ones are handed out again, three times
    /// at most. [`DEFAULT_TIMEOUT_S`] has the reason for its number.
    pub timeout_s: f64,
}

impl Cluster {
    /// The workers of the scheduler at `endpoint` that know `secret`, with [`DEFAULT_TIMEOUT_S`].
    #[must_use]
    pub fn at(endpoint: Endpoint, secret: Secret) -> Self {
        Self {
            scheduler: Some((endpoint, secret)),
            timeout_s: DEFAULT_TIMEOUT_S,
        }
    }

    /// As in `--engine`.
    fn name(&self) -> String {
        match &self.scheduler {
            None => "ballista".to_owned(),
            Some((endpoint, _)) => format!("ballista://{endpoint}"),
        }
    }
}

impl Engine for Cluster {
    fn open<'a>(&self, job: Job<'a>) -> Result<Box<dyn Workers + 'a>> {
        if !(1.0..=86_400.0).contains(&self.timeout_s) {
            return Err(Error::Invalid(format!(
                "the timeout of an engine must be between 1 and 86400 seconds, not {}",
                self.timeout_s
            )));
        }
        if job.pca.solver != Solver::Krylov {
            return Err(Error::Invalid(
                "an engine computes the PCA with krylov; take --pca-solver krylov, or --engine local".to_owned(),
            ));
        }
        if job.descriptor.is_own() {
            return Err(Error::Invalid(format!(
                "workers do not have the descriptor `{}`; describe images by it in this process, without an engine",
                job.descriptor.name()
            )));
        }
        let cache = Exchange::of(job.store);
        let address = cache.address()?;
        let input = input(&job)?;
        let connection = connection(&job);
        let (client, secret) = match &self.scheduler {
            None => {
                let secret = Secret::of_this_process()?;
                let scope = Scope {
                    cache: address.parse()?,
                    input: input.parse()?,
                    endpoint_url: connection.and_then(|c| c.params().endpoint_url.clone()),
                    secret: secret.clone(),
                };
                let worker = Worker::new("in-process", job.threads, scope, |_| {})?;
                let kernel = Arc::new(move |ticket: &str| worker.run(ticket));
                (Client::in_process(DEFAULT_SLOTS, kernel)?, secret)
            }
            Some((endpoint, secret)) => (Client::new(endpoint.clone())?, secret.clone()),
        };
        // Other drivers on the same cache have other names.
        let run = format!("{}-{}", now_ms(), hex(&random::<8>()?));
        let order = order(&job, run.clone(), input)?;
        let reach = connection.map(|c| Reach::of(c.params(), c.region()));
        let tries = Tries::of(cache, &run)?;
        let patience = Duration::from_secs_f64(self.timeout_s);
        let jobs = Jobs::new(client, cache, secret, address, reach, order, patience);
        Ok(Box::new(Spread {
            driver: Driver::new(cache, jobs, tries, job.stop),
            engine: self.name(),
            run,
            job,
        }))
    }
}

/// The connection to S3, if images or cache are there.
fn connection<'a>(job: &Job<'a>) -> Option<&'a Connection> {
    match (job.input, job.store.bucket()) {
        (Source::Bucket(prefix), _) | (_, Some(prefix)) => Some(prefix.connection()),
        _ => None,
    }
}

/// Where the images are, for another process.
fn input(job: &Job) -> Result<String> {
    match job.input {
        Source::Folder(folder) => absolute(folder.root()),
        Source::Bucket(prefix) => Ok(prefix.to_string()),
    }
}

/// What all orders of a run have in common. A model of the user's own goes to the cache.
fn order(job: &Job, run: String, input: String) -> Result<Order> {
    let descriptor = job.descriptor;
    let model = descriptor.own_model()?.map(|model| {
        let key = model_key(&model.sha256)?;
        Exchange::of(job.store).put(&key, model.bytes)?;
        Ok::<_, Error>(key)
    });
    Ok(Order {
        schema: SCHEMA.to_owned(),
        build: Chosen::build(),
        run,
        recipe: job.recipe.to_owned(),
        input,
        filter: job.filter.to_string(),
        descriptor: descriptor.name().to_owned(),
        precision: descriptor
            .precision()
            .unwrap_or(Precision::Auto.to_string()),
        model: model.transpose()?,
        tasks: Vec::new(),
    })
}

/// A run on a cluster.
struct Spread<'a> {
    driver: Driver<'a>,
    engine: String,
    run: String,
    job: Job<'a>,
}

impl Workers for Spread<'_> {
    fn describe(
        &mut self,
        missing: &[Shard],
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(Vec<Receipt>, Vec<Part>)> {
        Ok((self.driver.shards(missing, progress)?, Vec::new()))
    }

    fn gather<'a>(
        &'a mut self,
        receipts: &'a [Receipt],
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Gathered<'a>> {
        let mut rows = Remote::new(&mut self.driver, &self.run, self.job.shards, receipts)?;
        let (images, stats) = rows.survey(progress)?;
        Ok(Gathered {
            images,
            stats,
            rows: Box::new(rows),
        })
    }

    fn record(self: Box<Self>) -> Option<ClusterRecord> {
        Some(self.driver.record(self.engine))
    }
}

#[cfg(test)]
mod tests;
