//! Tasks for workers on other machines, by Apache DataFusion Ballista. It knows nothing of images.
//!
//! A task is a short text. A worker calls one function of its own with it; what that did lies in storage both sides see,
//! so nothing comes back but the end of the job. Ballista is used for what it is good at: knowing which workers live,
//! handing a task to a free one, and handing it out again when that one dies.
//!
//! A job is a union of one-row projections, a partition each, of a function that is known to workers by name. So a job
//! needs no file that scheduler and workers would both have to reach, and the plan has one stage and no shuffle. Scheduler and
//! workers take no other plan, and serve no files.

mod client;
mod executor;
mod plan;
mod scheduler;
mod session;
#[cfg(test)]
mod stranger;

pub use self::client::{Client, JobStatus};
pub use self::executor::{WorkerParams, serve_worker};
pub use self::scheduler::{SchedulerParams, serve_scheduler};
pub use self::session::Kernel;

/// Tasks that a worker has at once: one computes while the next is read and decoded.
pub const DEFAULT_SLOTS: usize = 2;
