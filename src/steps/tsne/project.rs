//! t-SNE as one of the projections of a run.

use fruits_maths::neighbors::Space;
use fruits_maths::tsne::{Embedding, TsneParams, embed_in};

use crate::error::Result;
use crate::schema::TSNE;
use crate::steps::projection::{
    Figure, FigureValue, Project, Projected, ProjectionRecord, TsneRecord,
};

/// t-SNE as people write it.
pub(crate) const TITLE: &str = "t-SNE";

/// Largest difference of the divergence between computations whose last digits differ: 0.017 was seen on 40 images, 0.004
/// on 180, 0.001 on 512 (f32 against bf16).
const DIVERGENCE_TOLERANCE: f64 = 0.05;

impl Project for TsneParams {
    fn name(&self) -> &'static str {
        TSNE
    }

    fn recipe(&self) -> String {
        format!(
            "perplexity {}, {} iterations, {} of them with exaggeration {}, theta {}, seed {}",
            self.perplexity,
            self.n_iter,
            self.early_exaggeration_iter,
            self.early_exaggeration,
            self.theta,
            self.seed
        )
    }

    fn check(&self) -> Result<()> {
        Ok(self.check()?)
    }

    fn n_neighbors(&self, n_samples: usize) -> usize {
        self.n_neighbors(n_samples)
    }

    fn n_iter(&self) -> usize {
        self.n_iter
    }

    fn parts(&self) -> Vec<(usize, &'static str)> {
        vec![
            (1, "affinities, first step"),
            (self.early_exaggeration_iter, "early exaggeration"),
            (self.n_iter, "descent"),
            (usize::MAX, "divergence"),
        ]
    }

    fn project(
        &self,
        space: &Space,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Projected> {
        let Embedding {
            positions,
            kl_divergence,
            perplexity,
            init,
        } = embed_in(space, self, progress)?;
        let mut warnings = Vec::new();
        if perplexity < self.perplexity {
            warnings.push(format!(
                "perplexity {} was asked for, but {} images allow at most (n - 1) / 3: {perplexity:.2} is used",
                self.perplexity,
                positions.n_rows()
            ));
        }
        let record = TsneRecord {
            perplexity,
            perplexity_requested: self.perplexity,
            seed: self.seed,
            n_iter: self.n_iter,
            kl_divergence,
            init: init.to_string(),
        };
        Ok(Projected {
            positions,
            record: projection_record(&record),
            warnings,
            note: format!("KL divergence {kl_divergence:.4}"),
            tsne: Some(record),
        })
    }
}

/// t-SNE in the words that any projection has, without its quality.
pub(crate) fn projection_record(tsne: &TsneRecord) -> ProjectionRecord {
    let text = |name, text: String| Figure::set(name, FigureValue::Text(text));
    let perplexity = match tsne.perplexity == tsne.perplexity_requested {
        true => tsne.perplexity.to_string(),
        false => format!(
            "{} ({} asked for)",
            tsne.perplexity, tsne.perplexity_requested
        ),
    };
    let divergence = Figure::measured(
        "Kullback-Leibler divergence",
        tsne.kl_divergence,
        DIVERGENCE_TOLERANCE,
    );
    ProjectionRecord {
        name: TSNE.to_owned(),
        title: TITLE.to_owned(),
        hint: "Read neighbours, not distances: how far apart clusters lie, and how large they are, means little in \
               t-SNE; who is next to whom means much."
            .to_owned(),
        rearranges: true,
        figures: vec![
            text("Perplexity", perplexity),
            Figure::set("Iterations", FigureValue::Count(tsne.n_iter as u64)).brief("iterations"),
            text("Start", tsne.init.clone()),
            text("Seed", tsne.seed.to_string()),
            // A divergence is measured against neighbourhoods whose size is the perplexity.
            divergence.brief("divergence").at(tsne.perplexity),
        ],
        quality: None,
    }
}
