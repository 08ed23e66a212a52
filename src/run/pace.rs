//! How fast a stage goes, and when it is time to say so again.

use std::time::{Duration, Instant};

/// Counts the seconds of a stage for whoever prints its progress as lines.
#[derive(Debug, Clone)]
pub struct Pace {
    every: Duration,
    began: Instant,
    said: Instant,
    /// Where the stage was when it first told: what came from the cache took no time.
    n_first: Option<u64>,
}

/// How fast a stage goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Images or iterations a second.
    pub per_s: f64,
    /// Seconds left; absent while nobody knows.
    pub left_s: Option<f64>,
}

impl Pace {
    /// A stage that begins now and is told of `every` so often.
    #[must_use]
    pub fn new(every: Duration) -> Self {
        let now = Instant::now();
        Self {
            every,
            began: now,
            said: now,
            n_first: None,
        }
    }

    /// Waits `every` so long from now on.
    pub fn wait(&mut self, every: Duration) {
        self.every = every;
    }

    /// The rate after `n_done` of `n_total` (0: nobody knows), if it is time to tell it.
    pub fn due(&mut self, n_done: u64, n_total: u64) -> Option<Rate> {
        let n_first = *self.n_first.get_or_insert(n_done);
        if self.said.elapsed() < self.every {
            return None;
        }
        self.said = Instant::now();
        let n_new = n_done.saturating_sub(n_first) as f64;
        let per_s = n_new / self.began.elapsed().as_secs_f64();
        let left = n_total.saturating_sub(n_done) as f64 / per_s;
        Some(Rate {
            per_s,
            left_s: (n_new > 0.0 && n_total > 0).then_some(left),
        })
    }
}

impl Rate {
    /// One line on `stage`.
    #[must_use]
    pub fn line(&self, stage: &str, n_done: u64, n_total: u64) -> String {
        let Self { per_s, left_s } = self;
        match (n_total, left_s) {
            (0, _) if n_done == 0 => format!("{stage}: waiting for an answer"),
            (0, _) => format!("{stage}: {n_done}, {per_s:.1}/s"),
            (_, Some(left_s)) => {
                format!("{stage}: {n_done}/{n_total}, {per_s:.1}/s, {left_s:.0} s left")
            }
            (_, None) => format!("{stage}: {n_done}/{n_total}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_when_it_is_time_and_does_not_count_what_was_there() {
        let mut patient = Pace::new(Duration::from_secs(3600));
        assert_eq!(patient.due(5, 10), None);
        let mut pace = Pace::new(Duration::ZERO);
        let first = pace.due(100, 200).unwrap();
        assert_eq!((first.per_s, first.left_s), (0.0, None));
        assert_eq!(first.line("features", 100, 200), "features: 100/200");
        std::thread::sleep(Duration::from_millis(20));
        let rate = pace.due(110, 200).unwrap();
        let left_s = rate.left_s.unwrap();
        assert!(rate.per_s > 0.0 && rate.per_s < 500.0, "{rate:?}");
        assert!((left_s - 90.0 / rate.per_s).abs() < 1e-9);
        assert!(rate.line("features", 110, 200).ends_with("s left"));
        assert_eq!(pace.due(7, 0).unwrap().left_s, None);
        assert_eq!(first.line("list", 0, 0), "list: waiting for an answer");
    }
}
