//! What a cluster did, in the section on time.

use super::context::{ClusterSection, Fact, LostRow, WorkerRow};
use super::format::{count, number, seconds};
use crate::error::Result;
use crate::plot::{About, WorkerBar, shown, workers};
use crate::record::{ClusterRecord, Timings, WorkerRecord};

/// Workers and lost tries that the report shows; `timings.json` has all.
const MAX_ROWS: usize = 40;
/// Runs of shard numbers that are written out.
const MAX_RANGES: usize = 12;
/// Stages whose work is done by workers.
const STAGES: [&str; 3] = ["features", "gather", "pca"];

pub(super) fn section(record: &ClusterRecord, timings: &Timings) -> Result<ClusterSection> {
    let wall = |names: &[&str]| -> f64 {
        let stages = timings.stages.iter();
        let these = stages.filter(|stage| names.contains(&stage.name.as_str()));
        these.map(|stage| stage.wall_s).sum()
    };
    let (features_s, passed_s) = (wall(&STAGES[..1]), wall(&STAGES));
    let sum = |of: fn(&WorkerRecord) -> f64| record.workers.iter().map(of).sum::<f64>();
    let shards_s = sum(|worker| worker.features_s);
    let n_all: usize = record.workers.iter().map(n_shards).sum();
    let lost_s: f64 = record.lost.iter().map(|lost| lost.lost_s).sum();
    let speed_up = match features_s > 0.0 && n_all > 0 {
        true => format!("{}\u{A0}x", number(shards_s / features_s)),
        false => "no shard was computed".to_owned(),
    };
    let shown_workers = &record.workers[..record.workers.len().min(MAX_ROWS)];
    let bars: Vec<_> = shown_workers
        .iter()
        .map(|worker| WorkerBar {
            name: &worker.name,
            features_s: worker.features_s,
            reductions_s: worker.reductions_s,
        })
        .collect();
    let about = About {
        id: "workers",
        title: "Seconds at work, by worker",
        description: "A bar a worker: descriptors, and paler behind them reductions. The dashed line is the time that passed while they \
                      worked. A bar that ends well before it belongs to a worker that waited or came late.",
    };
    let chart = match bars.is_empty() || passed_s <= 0.0 {
        true => None,
        false => Some(workers(&about, &bars, passed_s)?),
    };
    let rows = shown_workers.iter().map(|worker| WorkerRow {
        name: shown(&worker.name),
        shards: ranges(&worker.shards),
        n_shards: count(n_shards(worker) as u64),
        images: count(worker.n_images),
        features: seconds(worker.features_s),
        reductions: count(worker.n_reductions),
        reducing: seconds(worker.reductions_s),
    });
    let lost = record.lost.iter().take(MAX_ROWS).map(|lost| LostRow {
        task: shown(&lost.task),
        worker: shown(&lost.worker),
        lost: seconds(lost.lost_s),
        why: match &lost.why {
            Some(why) => shown(why),
            None => "the worker ended or hung".to_owned(),
        },
    });
    Ok(ClusterSection {
        chart,
        facts: vec![
            Fact::new("Engine", shown(&record.engine)),
            Fact::new(
                "Workers that did something",
                count(record.workers.len() as u64),
            ),
            Fact::new("Shards computed", count(n_all as u64)),
            Fact::new("Sum of the shards' times", seconds(shards_s)),
            Fact::new("Time that passed for them", seconds(features_s)),
            Fact::new("Speed-up against the sum", speed_up),
            Fact::new("Tries that gave nothing", count(record.lost.len() as u64)),
            Fact::new("Time lost in them", seconds(lost_s)),
            Fact::new("Jobs", count(record.n_jobs)),
        ],
        workers: rows.collect(),
        n_more_workers: record.workers.len() - shown_workers.len(),
        lost: lost.collect(),
        n_more_lost: record.lost.len().saturating_sub(MAX_ROWS),
    })
}

fn n_shards(worker: &WorkerRecord) -> usize {
    worker
        .shards
        .iter()
        .map(|[first, last]| last - first + 1)
        .sum()
}

/// `0–3, 7, 9–12`, and how many more such runs there are.
fn ranges(shards: &[[usize; 2]]) -> String {
    let word = |[first, last]: &[usize; 2]| match first == last {
        true => first.to_string(),
        false => format!("{first}–{last}"),
    };
    let mut words: Vec<_> = shards.iter().take(MAX_RANGES).map(word).collect();
    if shards.len() > MAX_RANGES {
        words.push(format!("and {} more", shards.len() - MAX_RANGES));
    }
    match words.is_empty() {
        true => "–".to_owned(),
        false => words.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{LostTry, Stage};

    #[test]
    fn tells_who_did_what_and_what_it_gained() {
        let mut one = WorkerRecord::new("one");
        [(0, 128), (1, 128), (4, 20)]
            .into_iter()
            .for_each(|(i, n)| one.add_shard(i, n, 10.0));
        let record = ClusterRecord {
            engine: "ballista://10.0.0.1:50050".to_owned(),
            n_jobs: 9,
            workers: vec![one, WorkerRecord::new("two")],
            lost: vec![LostTry {
                task: "features-00004".to_owned(),
                worker: "<gone>".to_owned(),
                lost_s: 2.5,
                why: None,
            }],
        };
        let stage = Stage {
            name: "features".to_owned(),
            wall_s: 15.0,
            items: 276,
            cache_hits: 0,
            parts: Vec::new(),
        };
        let timings = Timings {
            stages: vec![stage],
            ..Timings::default()
        };
        let section = section(&record, &timings).unwrap();
        assert_eq!(section.workers[0].shards, "0–1, 4");
        assert_eq!(section.workers[0].images, "276");
        assert_eq!(section.workers[1].shards, "–");
        let fact = |name: &str| {
            let found = section.facts.iter().find(|f| f.name == name);
            found.unwrap().value.clone()
        };
        assert_eq!(fact("Speed-up against the sum"), "2.000\u{A0}x");
        assert_eq!(fact("Time lost in them"), "2.50\u{A0}s");
        assert!(section.chart.is_some());
        let many: Vec<_> = (0..20).map(|i| [2 * i, 2 * i]).collect();
        assert!(ranges(&many).ends_with("and 8 more"));
    }
}
