//! The scaling curves of a `results.json` as pictures.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use fruits::atomic;
use fruits::plot::{About, Curve, Scaling, scaling};
use serde::Deserialize;
use serde_json::json;

use crate::{Failure, Measured, Outcome};

#[derive(Deserialize)]
struct Results {
    scaling: Vec<Measurements>,
}

/// One thing measured at several sizes.
#[derive(Deserialize)]
struct Measurements {
    /// `features`, `run`, `pca`, `tsne`; what is measured of one step shares its plots.
    step: String,
    name: String,
    points: Vec<Point>,
}

#[derive(Deserialize)]
struct Point {
    n: f64,
    elapsed_s: f64,
    peak_rss_bytes: Option<f64>,
}

/// Writes `STEP-time.svg` and `STEP-memory.svg` for each step.
pub fn plot(results: &Path, folder: &Path) -> Outcome {
    let began = Instant::now();
    let results: Results = serde_json::from_slice(&std::fs::read(results)?)?;
    let mut steps: BTreeMap<&str, Vec<&Measurements>> = BTreeMap::new();
    for measurements in &results.scaling {
        steps
            .entry(&measurements.step)
            .or_default()
            .push(measurements);
    }
    std::fs::create_dir_all(folder)?;
    let mut n_plots = 0;
    for (step, measured) in steps {
        let time = |point: &Point| Some((point.n, point.elapsed_s));
        let memory = |point: &Point| Some((point.n, point.peak_rss_bytes? / 1e6));
        n_plots += draw(step, "time", "seconds", &measured, time, folder)?;
        n_plots += draw(step, "memory", "peak memory, MB", &measured, memory, folder)?;
    }
    Ok(Measured {
        elapsed_s: began.elapsed().as_secs_f64(),
        n_items: n_plots,
        values: json!({}),
    })
}

/// One plot, unless nothing of it was measured.
fn draw(
    step: &str,
    what: &str,
    y_label: &str,
    measured: &[&Measurements],
    value: impl Fn(&Point) -> Option<(f64, f64)>,
    folder: &Path,
) -> Result<usize, Failure> {
    let points: Vec<(&str, Vec<(f64, f64)>)> = measured
        .iter()
        .map(|m| {
            (
                m.name.as_str(),
                m.points.iter().filter_map(&value).collect(),
            )
        })
        .filter(|(_, points): &(_, Vec<_>)| !points.is_empty())
        .collect();
    let curves: Vec<Curve> = points
        .iter()
        .map(|(name, points)| Curve { name, points })
        .collect();
    if curves.is_empty() {
        return Ok(0);
    }
    let svg = scaling(&Scaling {
        about: About {
            id: &format!("{step}-{what}"),
            title: &format!("{what} of {step} over the number of images"),
            description: "Both axes are logarithmic: a power is a straight line.",
        },
        x_label: "images",
        y_label,
        curves: &curves,
    })?;
    atomic::write(&folder.join(format!("{step}-{what}.svg")), svg.as_bytes())?;
    Ok(1)
}
