//! What a run is told, as the program uses it.

use std::path::PathBuf;

use fruits::features::{DescriptorName, Precision};
use fruits::gates::{Gates, MostRejected};
use fruits::load::LabelRule;
use fruits::pca::{Keep, Solver};
use fruits::place::{Address, EngineName};
use fruits::resize::Filter;
use fruits::{Error, Result};

use crate::settings::Settings;

/// The options of a run.
#[derive(Debug, Clone)]
pub struct Options {
    pub input: Option<Address>,
    pub bucket: Option<String>,
    pub prefix: Option<String>,
    pub out: Address,
    pub label: LabelRule,
    pub top_classes: Option<usize>,
    pub classes: Option<Vec<String>>,
    pub limit: Option<usize>,
    pub baseline: Option<Address>,

    pub descriptor: DescriptorName,
    pub filter: Filter,
    pub precision: Precision,
    pub model: Option<Address>,
    pub cache: Option<Address>,
    pub no_cache: bool,

    pub keep: Keep,
    pub pca_solver: Solver,
    pub perplexity: f64,
    pub iterations: usize,
    pub seed: u64,

    pub gates: Gates,

    pub region: Option<String>,
    pub endpoint_url: Option<String>,
    pub profile: Option<String>,
    pub no_sign_request: bool,
    pub request_payer: bool,
    pub sse: Option<Sse>,
    pub sse_kms_key_id: Option<String>,
    pub s3_timeout: f64,

    pub threads: Option<usize>,
    pub engine: EngineName,
    pub engine_timeout: f64,
    pub secret: Option<PathBuf>,
    pub print_config: bool,
    pub dry_run: bool,
    pub log: LogFormat,
    pub quiet: bool,
}

/// Server-side encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sse {
    S3,
    Kms,
}

/// How progress and errors are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl Options {
    pub fn of(said: &Settings) -> Result<Self> {
        Ok(Self {
            input: said.parsed("input")?,
            bucket: said.text("bucket"),
            prefix: said.text("prefix"),
            out: needed(said.parsed("out")?)?,
            label: needed(said.parsed("label")?)?,
            top_classes: said.count("top-classes"),
            classes: said.texts("classes"),
            limit: said.count("limit"),
            baseline: said.parsed("baseline")?,

            descriptor: needed(said.parsed("descriptor")?)?,
            filter: needed(said.parsed("filter")?)?,
            precision: said.parsed("precision")?.unwrap_or_default(),
            model: said.parsed("model")?,
            cache: said.parsed("cache")?,
            no_cache: said.is_up("no-cache"),

            keep: match said.number("variance") {
                Some(share) => Keep::Variance(share),
                None => Keep::Components(needed(said.count("components"))?),
            },
            pca_solver: needed(said.parsed("pca-solver")?)?,
            perplexity: needed(said.number("perplexity"))?,
            iterations: needed(said.count("iterations"))?,
            seed: needed(said.whole("seed"))?,

            gates: Gates {
                max_rejected: said.parsed::<MostRejected>("max-rejected")?,
                min_variance: said.number("min-variance"),
                min_trust: said.number("min-trust"),
                min_knn_accuracy: said.number("min-knn-accuracy"),
            },

            region: said.text("region"),
            endpoint_url: said.text("endpoint-url"),
            profile: said.text("profile"),
            no_sign_request: said.is_up("no-sign-request"),
            request_payer: said.is_up("request-payer"),
            sse: said.text("sse").map(|name| match name.as_str() {
                "aws:kms" => Sse::Kms,
                _ => Sse::S3,
            }),
            sse_kms_key_id: said.text("sse-kms-key-id"),
            s3_timeout: needed(said.number("s3-timeout"))?,

            threads: said.count("threads"),
            engine: needed(said.parsed("engine")?)?,
            engine_timeout: needed(said.number("engine-timeout"))?,
            secret: said.text("secret").map(PathBuf::from),
            print_config: said.is_up("print-config"),
            dry_run: said.is_up("dry-run"),
            log: match said.text("log").as_deref() {
                Some("json") => LogFormat::Json,
                _ => LogFormat::Text,
            },
            quiet: said.is_up("quiet"),
        })
    }
}

/// The value of an option that has a default.
fn needed<T>(value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::Internal("an option has neither value nor default".to_owned()))
}
