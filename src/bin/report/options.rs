//! What a run can be told.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use clap::builder::BoolishValueParser;
use fruits::features::Precision;
use fruits::gates::MostRejected;
use fruits::pca::Solver;
use fruits::pipeline::{DEFAULT_TIMEOUT_S, Engine};
use fruits::place::Address;
use fruits::resize::Filter;

/// What a run can be told. Flags win over `FRUITS_*` variables, these over --config, and that over the defaults.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Folder of images, one folder a class; s3://bucket/prefix is one too
    #[arg(
        long,
        value_name = "DIR",
        env = "FRUITS_INPUT",
        help_heading = "Input and output"
    )]
    pub input: Option<Address>,
    /// Bucket of images, instead of --input
    #[arg(
        long,
        value_name = "NAME",
        env = "FRUITS_BUCKET",
        help_heading = "Input and output"
    )]
    pub bucket: Option<String>,
    /// Folder in the bucket; all of it if absent
    #[arg(
        long,
        value_name = "P",
        env = "FRUITS_PREFIX",
        help_heading = "Input and output"
    )]
    pub prefix: Option<String>,
    /// Folder for the report and its data, here or s3://bucket/prefix
    #[arg(
        long,
        value_name = "DIR",
        env = "FRUITS_OUT",
        default_value = "reports/latest",
        help_heading = "Input and output"
    )]
    pub out: Address,
    /// Take the N classes with the most files
    #[arg(long, value_name = "N", env = "FRUITS_TOP_CLASSES", help_heading = "Input and output", value_parser = positive)]
    pub top_classes: Option<usize>,
    /// Take only these classes, separated by commas
    #[arg(
        long,
        value_name = "A,B",
        env = "FRUITS_CLASSES",
        value_delimiter = ',',
        help_heading = "Input and output"
    )]
    pub classes: Option<Vec<String>>,
    /// Take at most N images, spread evenly over the sorted list
    #[arg(long, value_name = "N", env = "FRUITS_LIMIT", help_heading = "Input and output", value_parser = positive)]
    pub limit: Option<usize>,
    /// Compare with an earlier run: the folder of its report, or the run.json in it; what lies in --out may be it
    #[arg(
        long,
        value_name = "RUN",
        env = "FRUITS_BASELINE",
        help_heading = "Input and output"
    )]
    pub baseline: Option<Address>,

    /// How images are resized to 224 x 224: bicubic or nearest
    #[arg(
        long,
        value_name = "NAME",
        env = "FRUITS_FILTER",
        default_value = "bicubic",
        help_heading = "Descriptors"
    )]
    pub filter: Filter,
    /// Arithmetic of the network: auto, f32 or bf16 (auto takes bf16 where the processor has AMX for it)
    #[arg(
        long,
        value_name = "NAME",
        env = "FRUITS_PRECISION",
        default_value = "auto",
        help_heading = "Descriptors"
    )]
    pub precision: Precision,
    /// An ONNX model of your own instead of VGG16; s3://bucket/key is one too
    #[arg(
        long,
        value_name = "FILE",
        env = "FRUITS_MODEL",
        help_heading = "Descriptors"
    )]
    pub model: Option<Address>,
    /// Folder that keeps computed descriptors, here or s3://bucket/prefix [default: fruits in the user's cache folder]
    #[arg(
        long,
        value_name = "DIR",
        env = "FRUITS_CACHE",
        help_heading = "Descriptors"
    )]
    pub cache: Option<Address>,
    /// Keep no descriptors
    #[arg(long, env = "FRUITS_NO_CACHE", help_heading = "Descriptors", value_parser = BoolishValueParser::new())]
    pub no_cache: bool,

    /// Principal components to keep
    #[arg(long, value_name = "K", env = "FRUITS_COMPONENTS", default_value = "64", help_heading = "PCA and t-SNE", value_parser = positive)]
    pub components: usize,
    /// Keep as many components as explain this share of the variance, such as 0.9, instead of a fixed number
    #[arg(long, value_name = "R", env = "FRUITS_VARIANCE", help_heading = "PCA and t-SNE", value_parser = share)]
    pub variance: Option<f64>,
    /// krylov (streaming, against the total variance) or linfa
    #[arg(
        long,
        value_name = "NAME",
        env = "FRUITS_PCA_SOLVER",
        default_value = "krylov",
        help_heading = "PCA and t-SNE"
    )]
    pub pca_solver: Solver,
    /// Effective number of neighbours of a point; reduced to (n - 1) / 3 on small sets
    #[arg(long, value_name = "P", env = "FRUITS_PERPLEXITY", default_value = "30", help_heading = "PCA and t-SNE", value_parser = perplexity)]
    pub perplexity: f64,
    /// Iterations of t-SNE, of which 250 with early exaggeration
    #[arg(long, value_name = "N", env = "FRUITS_ITERATIONS", default_value = "1000", help_heading = "PCA and t-SNE", value_parser = positive)]
    pub iterations: usize,
    /// Seed of everything that is drawn at random
    #[arg(
        long,
        value_name = "N",
        env = "FRUITS_SEED",
        default_value = "42",
        help_heading = "PCA and t-SNE"
    )]
    pub seed: u64,

    /// Fail if more files than this are rejected, a number or a share such as 1% [exit code 4, report complete]
    #[arg(
        long,
        value_name = "N",
        env = "FRUITS_MAX_REJECTED",
        help_heading = "Gates"
    )]
    pub max_rejected: Option<MostRejected>,
    /// Fail if the kept components explain less of the variance than this share, such as 0.9
    #[arg(long, value_name = "R", env = "FRUITS_MIN_VARIANCE", help_heading = "Gates", value_parser = limit)]
    pub min_variance: Option<f64>,
    /// Fail if the trustworthiness of t-SNE at 10 neighbours is less than this, such as 0.95
    #[arg(long, value_name = "T", env = "FRUITS_MIN_TRUST", help_heading = "Gates", value_parser = limit)]
    pub min_trust: Option<f64>,
    /// Fail if the 10 nearest in PCA space tell the label of less than this share of images, such as 0.9
    #[arg(long, value_name = "R", env = "FRUITS_MIN_KNN_ACCURACY", help_heading = "Gates", value_parser = limit)]
    pub min_knn_accuracy: Option<f64>,

    /// Region of all buckets of the run [default: AWS_REGION, the profile's or the instance's]
    #[arg(
        long,
        value_name = "NAME",
        env = "FRUITS_REGION",
        help_heading = "Buckets"
    )]
    pub region: Option<String>,
    /// Server that speaks S3's protocol, instead of Amazon's
    #[arg(
        long,
        value_name = "URL",
        env = "FRUITS_ENDPOINT_URL",
        help_heading = "Buckets"
    )]
    pub endpoint_url: Option<String>,
    /// Profile of the AWS configuration files to take credentials and region from
    #[arg(
        long,
        value_name = "NAME",
        env = "FRUITS_PROFILE",
        help_heading = "Buckets"
    )]
    pub profile: Option<String>,
    /// Send requests without credentials, for public buckets
    #[arg(long, env = "FRUITS_NO_SIGN_REQUEST", help_heading = "Buckets", value_parser = BoolishValueParser::new())]
    pub no_sign_request: bool,
    /// Confirm that you pay for the requests, for buckets whose owner does not
    #[arg(long, env = "FRUITS_REQUEST_PAYER", help_heading = "Buckets", value_parser = BoolishValueParser::new())]
    pub request_payer: bool,
    /// Encrypt what is written with keys of S3 (AES256) or of KMS (aws:kms) [default: as the bucket does]
    #[arg(
        long,
        value_name = "NAME",
        env = "FRUITS_SSE",
        help_heading = "Buckets"
    )]
    pub sse: Option<Sse>,
    /// Key for --sse aws:kms, as an identifier or ARN
    #[arg(
        long,
        value_name = "ID",
        env = "FRUITS_SSE_KMS_KEY_ID",
        help_heading = "Buckets"
    )]
    pub sse_kms_key_id: Option<String>,
    /// Longest wait for an answer of S3 in seconds; it is then asked again, up to four times
    #[arg(
        long,
        value_name = "S",
        env = "FRUITS_S3_TIMEOUT",
        default_value = "30",
        help_heading = "Buckets", value_parser = seconds)]
    pub s3_timeout: f64,

    /// Worker threads; no number depends on it [default: all cores]
    #[arg(long, value_name = "N", env = "FRUITS_THREADS", help_heading = "Running", value_parser = positive)]
    pub threads: Option<usize>,
    /// Where descriptors and PCA are computed: local, ballista://HOST:PORT (the workers of a scheduler; --cache must be
    /// a place they see), or ballista (by way of the same engine, in this process); no number depends on it
    #[arg(
        long,
        value_name = "ENGINE",
        env = "FRUITS_ENGINE",
        default_value = "local",
        help_heading = "Running"
    )]
    pub engine: Engine,
    /// Longest wait for an engine's workers to finish a task, in seconds; they are then asked again, up to three times
    #[arg(
        long,
        value_name = "S",
        env = "FRUITS_ENGINE_TIMEOUT",
        default_value_t = DEFAULT_TIMEOUT_S,
        help_heading = "Running", value_parser = patience)]
    pub engine_timeout: f64,
    /// TOML file of these options, named as here without dashes in front
    #[arg(
        long,
        value_name = "FILE.toml",
        env = "FRUITS_CONFIG",
        help_heading = "Running"
    )]
    pub config: Option<PathBuf>,
    /// Print the options in force as such a file, with where each came from, and stop
    #[arg(long, help_heading = "Running")]
    pub print_config: bool,
    /// List and count what would be done and read, and stop; writes nothing
    #[arg(long, env = "FRUITS_DRY_RUN", help_heading = "Running", value_parser = BoolishValueParser::new())]
    pub dry_run: bool,
    /// How progress and the end of a run are told: text (a bar on a terminal), or json, an object a line
    #[arg(
        long,
        value_name = "NAME",
        env = "FRUITS_LOG",
        default_value = "text",
        help_heading = "Running"
    )]
    pub log: LogFormat,
    /// Show errors and the final line only
    #[arg(long, env = "FRUITS_QUIET", help_heading = "Running", value_parser = BoolishValueParser::new())]
    pub quiet: bool,
}

/// Server-side encryption, under the names that S3 gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sse {
    S3,
    Kms,
}

impl FromStr for Sse {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "AES256" => Ok(Self::S3),
            "aws:kms" => Ok(Self::Kms),
            _ => Err(format!(
                "no encryption `{text}`; there are AES256 and aws:kms"
            )),
        }
    }
}

/// How progress and errors are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("no format `{text}`; there are text and json")),
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse()
        .map_err(|_| "is no number of seconds, such as 30".to_owned())
}

fn patience(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(s) if (1.0..=86_400.0).contains(&s) => Ok(s),
        _ => Err("must be between 1 and 86400 seconds".to_owned()),
    }
}

pub fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(n) => Ok(n),
        Err(_) => Err("is no whole number".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(r) if r > 0.0 && r < 1.0 => Ok(r),
        _ => Err("must be above 0 and below 1, such as 0.9".to_owned()),
    }
}

fn limit(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(r) if (0.0..=1.0).contains(&r) => Ok(r),
        _ => Err("must be between 0 and 1, such as 0.9".to_owned()),
    }
}

fn perplexity(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(p) if (1.0..=10_000.0).contains(&p) => Ok(p),
        _ => Err("must be between 1 and 10000".to_owned()),
    }
}
