//! What this machine has for a run: threads and memory.

use std::path::Path;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// More threads than cores of any machine. Where the system has no room for the stacks, starting them aborts the process.
const MAX_THREADS: usize = 1024;

/// Refuses more threads than can be started.
pub fn check_threads(n_threads: usize) -> Result<()> {
    match n_threads {
        0..=MAX_THREADS => Ok(()),
        n => Err(Error::Invalid(format!(
            "{n} threads are more than a machine has cores; take at most {MAX_THREADS} with --threads"
        ))),
    }
}

/// A pool of so many threads.
pub fn pool(n_threads: usize) -> Result<ThreadPool> {
    check_threads(n_threads)?;
    let pool = ThreadPoolBuilder::new().num_threads(n_threads).build();
    pool.map_err(|e| {
        Error::Invalid(format!(
            "this machine does not start {n_threads} threads: {e}; take fewer with --threads"
        ))
    })
}

/// Memory in bytes that this process can have without others being swapped out, within the limits of its control groups (of a
/// container, of a unit of systemd); absent where the system does not tell.
#[must_use]
pub fn available_bytes() -> Option<u64> {
    let of_machine = kibibytes("/proc/meminfo", "MemAvailable:");
    of_machine.into_iter().chain(left_in_groups()).min()
}

/// What the control groups of this process leave it, each that has a limit.
fn left_in_groups() -> Vec<u64> {
    let text = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // Version 2 has one line for all kinds of limits; in version 1 memory has its own.
    let groups = text.lines().filter_map(|line| {
        let (kinds, path) = line.split_once(':')?.1.split_once(':')?;
        let (root, limit, used) = match kinds {
            "" => ("/sys/fs/cgroup", "memory.max", "memory.current"),
            _ if kinds.split(',').any(|kind| kind == "memory") => (
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
            ),
            _ => return None,
        };
        Some((Path::new(root).to_owned(), path.to_owned(), limit, used))
    });
    let left = groups.flat_map(|(root, path, limit, used)| {
        // A container sees its own group as the root, whatever it is called outside.
        let own = root.join(path.trim_start_matches('/'));
        let upwards: Vec<_> = own.ancestors().map(Path::to_owned).collect();
        upwards
            .into_iter()
            .take_while(move |group| group.starts_with(&root))
            .filter_map(move |group| {
                let number = |name| {
                    std::fs::read_to_string(group.join(name))
                        .ok()?
                        .trim()
                        .parse()
                        .ok()
                };
                let (limit, used): (u64, u64) = (number(limit)?, number(used)?);
                // Files that were read count as used, and go first.
                let files = figure(&group.join("memory.stat"), "inactive_file").unwrap_or(0);
                Some(limit.saturating_sub(used.saturating_sub(files)))
            })
    });
    left.collect()
}

/// Largest resident memory of this process so far in bytes, 0 where the system does not tell.
#[must_use]
pub fn peak_rss_bytes() -> u64 {
    kibibytes("/proc/self/status", "VmHWM:").unwrap_or(0)
}

/// A figure that the kernel gives in kibibytes, in bytes.
fn kibibytes(file: &str, name: &str) -> Option<u64> {
    Some(figure(Path::new(file), name)? * 1024)
}

fn figure(file: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let figure = text.lines().find_map(|line| line.strip_prefix(name))?;
    figure.split_whitespace().next()?.parse().ok()
}
