//! Sections that are tables of numbers: parameters, features, time, provenance.

use super::cluster;
use super::context::{
    Fact, Features, Glossary, LibraryRow, OutputRow, ParameterRow, PartRow, ProvenanceSection,
    StageRow, Timing,
};
use super::format::{bytes, count, number, percent, seconds};
use crate::error::Result;
use crate::plot::shown;
use crate::record::{Origin, Parameter, Part, Run, S3Record, Stage, Timings};

pub(super) fn parameters(parameters: &[Parameter]) -> Vec<ParameterRow> {
    let row = |parameter: &Parameter| ParameterRow {
        name: shown(&parameter.name),
        value: shown(&parameter.typed()),
        origin: match parameter.origin {
            Origin::Default => "default",
            Origin::File => "file",
            Origin::Environment => "environment",
            Origin::Flag => "flag",
            Origin::Code => "code",
        },
    };
    parameters.iter().map(row).collect()
}

pub(super) fn features(run: &Run) -> Option<Features> {
    let f = run.features.as_ref()?;
    let about = f.about.as_ref();
    let meaning = about.map_or(String::new(), |a| format!(": {}", shown(&a.meaning)));
    let told = f.facts.iter().map(|fact| {
        let (name, value) = (shown(&fact.name), shown(&fact.value));
        match is_digest(&value) {
            true => Fact::code(name, value),
            false => Fact::new(name, value),
        }
    });
    let own = [
        Fact::new(
            "Output",
            format!(
                "{} × {}, float32",
                count(run.images.accepted),
                count(f.n_features as u64)
            ),
        ),
        Fact::code("Fingerprint", shown(&f.fingerprint)),
    ];
    Some(Features {
        sentence: format!(
            "Every image became {} numbers{meaning}.",
            count(f.n_features as u64)
        ),
        facts: told.chain(own).collect(),
        statistics: vec![
            Fact::new("Exact zeros", percent(f.stats.zero_ratio)),
            Fact::new("Smallest value", number(f.stats.min)),
            Fact::new("Mean value", number(f.stats.mean)),
            Fact::new("Largest value", number(f.stats.max)),
            Fact::new("Smallest norm", number(f.stats.norm_min)),
            Fact::new("Mean norm", number(f.stats.norm_mean)),
            Fact::new("Largest norm", number(f.stats.norm_max)),
            Fact::new("NaN or infinite", count(f.n_non_finite)),
            Fact::new(
                "Features with one value in all images",
                format!(
                    "{} ({})",
                    count(f.stats.n_constant),
                    percent(f.stats.n_constant as f64 / f.n_features.max(1) as f64)
                ),
            ),
        ],
    })
}

/// Whether a text is a SHA-256.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

pub(super) fn glossary(run: &Run) -> Glossary {
    let about = run.features.as_ref().and_then(|f| f.about.as_ref());
    let here = about.map_or(String::new(), |a| format!(": here {}", shown(&a.short)));
    let decided_by = about.map_or("descriptor, preprocessing, code".to_owned(), |a| {
        shown(&a.decided_by)
    });
    Glossary {
        descriptor: format!("The numbers that stand for an image{here}."),
        fingerprint: format!(
            "A digest of all that decides the descriptors of a given image: {decided_by}."
        ),
    }
}

pub(super) fn timing(timings: &Timings) -> Result<Timing> {
    // What comes from the cache is not computed: a rate of both would tell of neither.
    let rate = |stage: &Stage| match stage.items.saturating_sub(stage.cache_hits) {
        n if n > 0 && stage.wall_s > 0.0 => number(n as f64 / stage.wall_s),
        _ => "–".into(),
    };
    let speed = |stage: &Stage| match stage.items.saturating_sub(stage.cache_hits) {
        0 => "all descriptors came from the cache".to_owned(),
        _ => format!("{} descriptors a second were computed", rate(stage)),
    };
    let share = |elapsed_s: f64| match timings.total_s > 0.0 {
        true => percent(elapsed_s / timings.total_s),
        false => "–".into(),
    };
    let part = |part: &Part| PartRow {
        name: shown(&part.name),
        busy: seconds(part.busy_s),
        share: share(part.busy_s),
    };
    let features = timings.stages.iter().find(|stage| stage.name == "features");
    let stages = timings.stages.iter().map(|stage| StageRow {
        name: shown(&stage.name),
        wall: seconds(stage.wall_s),
        share: share(stage.wall_s),
        items: count(stage.items),
        rate: rate(stage),
        cache_hits: count(stage.cache_hits),
        parts: stage.parts.iter().map(part).collect(),
    });
    let stages_s: f64 = timings.stages.iter().map(|stage| stage.wall_s).sum();
    let other_s = (timings.total_s - stages_s).max(0.0);
    let other = StageRow {
        name: "between the stages".to_owned(),
        wall: seconds(other_s),
        share: share(other_s),
        items: "–".to_owned(),
        rate: "–".to_owned(),
        cache_hits: "–".to_owned(),
        parts: Vec::new(),
    };
    let cluster = timings.cluster.as_ref();
    let cluster = cluster.map(|record| cluster::section(record, timings));
    Ok(Timing {
        total: seconds(timings.total_s),
        rate: features.map(speed),
        stages: stages.chain([other]).collect(),
        facts: vec![
            Fact::new("Peak memory", bytes(timings.peak_rss_bytes)),
            Fact::new("Threads", timings.threads.to_string()),
        ],
        s3: timings.s3.as_ref().map(|s3| requests(s3, &timings.stages)),
        cluster: cluster.transpose()?,
        options: parameters(&timings.options),
    })
}

/// Requests to S3, and how fast the answers came.
fn requests(s3: &S3Record, stages: &[Stage]) -> Vec<Fact> {
    let reading = |stage: &&Stage| ["features", "gather"].contains(&stage.name.as_str());
    let reading_s: f64 = stages
        .iter()
        .filter(reading)
        .map(|stage| stage.wall_s)
        .sum();
    let mean_ms = match s3.gets {
        0 => "–".to_owned(),
        n => format!("{} ms", number(1000.0 * s3.get_s / n as f64)),
    };
    let rate = match reading_s > 0.0 {
        true => format!("{}/s", bytes((s3.received_bytes as f64 / reading_s) as u64)),
        false => "–".to_owned(),
    };
    vec![
        Fact::new("Objects read", count(s3.gets)),
        Fact::new("Pages of listings", count(s3.lists)),
        Fact::new("Objects written", count(s3.puts)),
        Fact::new("Objects removed", count(s3.deletes)),
        Fact::new("Requests sent again", count(s3.retries)),
        Fact::new("Received", bytes(s3.received_bytes)),
        Fact::new("Sent", bytes(s3.sent_bytes)),
        Fact::new("Mean time of a read", mean_ms),
        Fact::new("Received while the stages that read ran", rate),
    ]
}

pub(super) fn provenance(run: &Run) -> ProvenanceSection {
    let p = &run.provenance;
    ProvenanceSection {
        command: shown(&p.command),
        facts: vec![
            Fact::new("fruits", shown(&p.version)),
            Fact::code("Git commit", shown(&p.git_commit)),
            Fact::new("Compiler", shown(&p.rustc)),
            Fact::code("Lock file SHA-256", shown(&p.lock_sha256)),
            Fact::new("Processor", shown(&p.cpu)),
            Fact::new("Instruction sets", shown(&p.cpu_features.join(", "))),
            Fact::code("Input manifest SHA-256", shown(&p.manifest_sha256)),
            Fact::new("Layout of run.json", shown(&run.schema)),
        ],
        libraries: p
            .libraries
            .iter()
            .map(|library| LibraryRow {
                name: shown(&library.name),
                version: shown(&library.version),
            })
            .collect(),
        outputs: p
            .outputs
            .iter()
            .map(|output| OutputRow {
                name: shown(&output.name),
                size: bytes(output.size_bytes),
                sha256: shown(&output.sha256),
            })
            .collect(),
    }
}
