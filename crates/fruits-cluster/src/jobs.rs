//! Jobs: the missing tasks of a run, handed out to the workers of an engine and watched to their end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use fruits::{Error, Result};

use crate::engine::{Client, JobStatus};
use crate::exchange::Exchange;
use crate::keys::Key;
use crate::secret::Secret;
use crate::task::{MAX_TRIES, Order, Reach, Task, Ticket};

/// Tasks of a job: a plan of 40 kB, which the engine sends with each task it hands out.
const JOB_TASKS: usize = 64;
/// Jobs that the scheduler has at once, so that workers are not idle at the end of one.
const JOBS_AT_ONCE: usize = 4;
/// How often a job is asked for at first, and later: a pass over few images takes a fraction of a second.
const LOOK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));
/// How long a scheduler may be silent: the time to start it anew, or for a network to come back.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a scheduler may not know a job that it was just given.
const UNKNOWN: Duration = Duration::from_secs(5);
/// How often receipts are counted, in a folder and in a bucket, where it takes a listing.
const COUNT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// The jobs of a run.
pub struct Jobs<'a> {
    client: Client,
    cache: Exchange<'a>,
    secret: Secret,
    /// Address of the cache, for workers.
    address: String,
    reach: Option<Reach>,
    /// What all orders have in common.
    order: Order,
    /// Longest time without a receipt.
    patience: Duration,
    n_jobs: u64,
    silent_since: Option<Instant>,
}

/// A job of the engine, and where the order of its tasks lies.
struct Job {
    name: String,
    order: Key,
    handed_out: Instant,
}

impl<'a> Jobs<'a> {
    pub fn new(
        client: Client,
        cache: Exchange<'a>,
        secret: Secret,
        address: String,
        reach: Option<Reach>,
        order: Order,
        patience: Duration,
    ) -> Self {
        Self {
            client,
            cache,
            secret,
            address,
            reach,
            order,
            patience,
            n_jobs: 0,
            silent_since: None,
        }
    }

    /// How many there were.
    pub fn n_jobs(&self) -> u64 {
        self.n_jobs
    }

    /// Runs jobs of the missing tasks to their end, or until no receipt came for too long.
    pub fn submit(
        &mut self,
        missing: &[&Task],
        count: &dyn Fn() -> Result<usize>,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<()> {
        let mut waiting: VecDeque<_> = missing.chunks(JOB_TASKS).collect();
        let mut jobs: Vec<Job> = Vec::new();
        let outcome = self.watch(&mut waiting, &mut jobs, count, progress);
        for job in &jobs {
            if self.silent_since.is_none() {
                self.client.cancel(&job.name);
            }
            self.cache.discard(&job.order)?;
        }
        outcome
    }

    fn watch(
        &mut self,
        waiting: &mut VecDeque<&[&Task]>,
        jobs: &mut Vec<Job>,
        count: &dyn Fn() -> Result<usize>,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<()> {
        let began = Instant::now();
        let (mut counted, mut n_done) = (began, 0);
        let mut last_receipt = began;
        let is_here = self.cache.store.bucket().is_none();
        let every = if is_here { COUNT.0 } else { COUNT.1 };
        let every = every.min(self.patience / 4);
        loop {
            if !progress(n_done) {
                return Err(Error::Cancelled);
            }
            if jobs.len() < JOBS_AT_ONCE
                && let Some(chunk) = waiting.front()
                && let Some(job) = self.hand_out(chunk)?
            {
                jobs.push(job);
                waiting.pop_front();
                continue;
            }
            self.look_at(jobs)?;
            if jobs.is_empty() && waiting.is_empty() {
                return Ok(());
            }
            if counted.elapsed() >= every {
                counted = Instant::now();
                let now = count()?;
                if now > n_done {
                    (n_done, last_receipt) = (now, counted);
                }
                if last_receipt.elapsed() >= self.patience {
                    return Ok(());
                }
            }
            let is_new = began.elapsed() < 8 * LOOK.1;
            std::thread::sleep(if is_new { LOOK.0 } else { LOOK.1 });
        }
    }

    /// Lets go of the jobs that ended.
    fn look_at(&mut self, jobs: &mut Vec<Job>) -> Result<()> {
        let mut i = 0;
        while i < jobs.len() {
            let status = match self.client.status(&jobs[i].name) {
                Ok(status) => status,
                Err(fault) => return self.bear(fault),
            };
            self.silent_since = None;
            let ended = match status {
                JobStatus::Running => false,
                JobStatus::Done | JobStatus::Failed(_) => true,
                // Not begun yet, or of a scheduler that was started anew: then the receipts tell what is left to do.
                JobStatus::Unknown => jobs[i].handed_out.elapsed() >= UNKNOWN,
            };
            if !ended {
                i += 1;
                continue;
            }
            let job = jobs.remove(i);
            self.cache.discard(&job.order)?;
            match status {
                JobStatus::Failed(why) => return self.after_failure(why),
                _ => self.client.forget(&job.name),
            }
        }
        Ok(())
    }

    /// Takes a scheduler that does not answer, for a while.
    fn bear(&mut self, fault: Error) -> Result<()> {
        let since = *self.silent_since.get_or_insert_with(Instant::now);
        match since.elapsed() >= SILENCE.min(self.patience) {
            true => Err(fault),
            false => Ok(()),
        }
    }

    /// Writes the order of some tasks, and asks for them; nothing if the scheduler is silent.
    fn hand_out(&mut self, chunk: &[&Task]) -> Result<Option<Job>> {
        let order = Order {
            tasks: chunk.iter().map(|&task| task.clone()).collect(),
            ..self.order.clone()
        };
        let (bytes, digest) = order.sealed()?;
        let key = Order::key(&digest)?;
        let order_bytes = bytes.len() as u64;
        self.cache.put(&key, bytes)?;
        let ticket = |index: usize| {
            let ticket = Ticket {
                cache: self.address.clone(),
                s3: self.reach.clone(),
                run: self.order.run.clone(),
                order: digest.clone(),
                order_bytes,
                index,
            };
            ticket.seal(&self.secret)
        };
        let tickets = (0..chunk.len()).map(ticket).collect::<Result<Vec<_>>>()?;
        match self.client.submit(&tickets) {
            Ok(name) => {
                self.n_jobs += 1;
                self.silent_since = None;
                Ok(Some(Job {
                    name,
                    order: key,
                    handed_out: Instant::now(),
                }))
            }
            Err(fault) => {
                self.cache.discard(&key)?;
                // At first it is the address that is wrong.
                match self.n_jobs {
                    0 => Err(fault),
                    _ => self.bear(fault).map(|()| None),
                }
            }
        }
    }

    /// A job that failed because its workers died is tried again while there are workers; one that a worker refused is
    /// not.
    fn after_failure(&self, why: String) -> Result<()> {
        if why.starts_with("worker ") {
            return Err(Error::Engine {
                message: "a worker of the cluster refused its task".to_owned(),
                source: why.into(),
            });
        }
        let at = self.client.endpoint();
        let message = match self.client.n_workers() {
            Some(0) => format!(
                "the scheduler at {at} has no worker left; start workers and run the same command again, which does what \
                 is missing"
            ),
            Some(_) => return Ok(()),
            None => format!(
                "the scheduler at {at} does not answer; start `report scheduler` there, and run the same command again, \
                 which does what is missing"
            ),
        };
        Err(Error::Engine {
            message,
            source: why.into(),
        })
    }

    /// What to say when nobody does anything.
    pub fn stalled(&self) -> Error {
        let workers = match self.client.n_workers() {
            Some(0) => "it has no worker".to_owned(),
            Some(n) => format!("it has {n} workers, which answer but do not finish a task"),
            None => "it does not say which workers it has".to_owned(),
        };
        Error::Engine {
            message: format!(
                "the missing tasks were handed out {MAX_TRIES} times in a row and no receipt came, within {:.0} s each at \
                 most; start `report worker --scheduler {}`, or give slow ones more time with --engine-timeout, and run the \
                 same command again, which does what is missing",
                self.patience.as_secs_f64(),
                self.client.endpoint()
            ),
            source: format!(
                "the scheduler at {} answers: {workers}",
                self.client.endpoint()
            )
            .into(),
        }
    }
}
