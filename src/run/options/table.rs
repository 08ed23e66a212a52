//! The table.

use std::fmt;

use super::groups::{BUCKETS, DESCRIPTORS, GATES, INPUT_AND_OUTPUT, PCA_AND_TSNE, RUNNING};
use super::kind::{Kind, LIMIT, PATIENCE, PERPLEXITY, POSITIVE, SECONDS, SHARE};
use super::option::{InVerify, Role, RunOption};
use super::value::Value;
use crate::record::GateName;
use crate::steps::describe::{DescriptorName, Precision};
use crate::steps::load::LabelRule;
use crate::steps::pca::{Keep, Solver};
use crate::steps::resize::Filter;
use crate::storage::place::{Address, EngineName};

/// The option of a name, without dashes.
#[must_use]
pub fn find(name: &str) -> Option<&'static RunOption> {
    OPTIONS.iter().find(|option| option.name == name)
}

/// Every option of a run, in the order of the help and of the record.
pub static OPTIONS: [RunOption; 42] = [
    RunOption {
        name: "input",
        value_name: "DIR",
        kind: Kind::parsed::<Address>(),
        help: "Folder of images, one folder a class; s3://bucket/prefix is one too",
        in_verify: InVerify::Now(
            "Where the images are now, if not where they were; s3://bucket/prefix is a folder, too",
        ),
        of: Some(|p| text(&p.input)),
        ..INPUT_AND_OUTPUT
    },
    RunOption {
        name: "bucket",
        value_name: "NAME",
        kind: Kind::Text,
        help: "Bucket of images, instead of --input",
        ..INPUT_AND_OUTPUT
    },
    RunOption {
        name: "prefix",
        value_name: "P",
        kind: Kind::Text,
        help: "Folder in the bucket; all of it if absent",
        ..INPUT_AND_OUTPUT
    },
    RunOption {
        name: "out",
        value_name: "DIR",
        kind: Kind::parsed::<Address>(),
        default: "reports/latest",
        help: "Folder for the report and its data, here or s3://bucket/prefix",
        role: Role::Work,
        ..INPUT_AND_OUTPUT
    },
    RunOption {
        name: "label",
        value_name: "RULE",
        kind: Kind::parsed::<LabelRule>(),
        default: "first",
        help: "Which folder is the class: first (the first below the input, or below train, test, val ... where all first ones are such) or parent (the one that holds the image)",
        from_record: true,
        of: Some(|p| text(p.load.label)),
        ..INPUT_AND_OUTPUT
    },
    RunOption {
        name: "top-classes",
        value_name: "N",
        kind: POSITIVE,
        help: "Take the N classes with the most images",
        from_record: true,
        of: Some(|p| whole(p.load.top_classes?)),
        ..INPUT_AND_OUTPUT
    },
    RunOption {
        name: "classes",
        value_name: "A,B",
        kind: Kind::Texts,
        help: "Take only these classes, separated by commas",
        from_record: true,
        of: Some(|p| p.load.classes.clone().map(Value::Texts)),
        ..INPUT_AND_OUTPUT
    },
    RunOption {
        name: "limit",
        value_name: "N",
        kind: POSITIVE,
        help: "Take at most N images, spread evenly over the sorted list",
        from_record: true,
        of: Some(|p| whole(p.load.limit?)),
        ..INPUT_AND_OUTPUT
    },
    RunOption {
        name: "baseline",
        value_name: "RUN",
        kind: Kind::parsed::<Address>(),
        help: "Compare with an earlier run: the folder of its report, or the run.json in it; what lies in --out may be it",
        role: Role::Work,
        ..INPUT_AND_OUTPUT
    },
    RunOption {
        name: "descriptor",
        value_name: "NAME",
        kind: Kind::parsed::<DescriptorName>(),
        default: "vgg16",
        help: DescriptorName::HELP,
        of: Some(|p| text(p.descriptor_name())),
        ..DESCRIPTORS
    },
    RunOption {
        name: "filter",
        value_name: "NAME",
        kind: Kind::parsed::<Filter>(),
        default: "bicubic",
        help: "How images are resized to 224 x 224: bicubic or nearest",
        of: Some(|p| text(p.filter)),
        ..DESCRIPTORS
    },
    RunOption {
        name: "precision",
        value_name: "NAME",
        kind: Kind::parsed::<Precision>(),
        default: "auto",
        help: "Arithmetic of VGG16: auto, f32 or bf16 (auto takes bf16 where the processor has AMX for it)",
        from_record: false,
        only_for: Some(DescriptorName::Vgg16),
        of: Some(|p| text(p.precision)),
        ..DESCRIPTORS
    },
    RunOption {
        name: "model",
        value_name: "FILE",
        kind: Kind::parsed::<Address>(),
        help: "An ONNX model of your own instead of VGG16; s3://bucket/key is one too",
        in_verify: InVerify::Now("Where the model is now, if not where it was"),
        from_record: false,
        only_for: Some(DescriptorName::Vgg16),
        of: Some(|p| text(p.model.as_ref()?.display())),
        ..DESCRIPTORS
    },
    RunOption {
        name: "cache",
        value_name: "DIR",
        kind: Kind::parsed::<Address>(),
        help: "Folder that keeps computed descriptors, here or s3://bucket/prefix [default: fruits in the user's cache folder]",
        role: Role::Work,
        from_record: false,
        ..DESCRIPTORS
    },
    RunOption {
        name: "no-cache",
        help: "Keep no descriptors",
        role: Role::Work,
        from_record: false,
        ..DESCRIPTORS
    },
    RunOption {
        name: "components",
        value_name: "K",
        kind: POSITIVE,
        default: "64",
        help: "Principal components to keep",
        of: Some(|p| match p.pca.keep {
            Keep::Components(n) => whole(n),
            Keep::Variance(_) => None,
        }),
        ..PCA_AND_TSNE
    },
    RunOption {
        name: "variance",
        value_name: "R",
        kind: SHARE,
        help: "Keep as many components as explain this share of the variance, such as 0.9, instead of a fixed number",
        of: Some(|p| match p.pca.keep {
            Keep::Components(_) => None,
            Keep::Variance(share) => Some(Value::Number(share)),
        }),
        ..PCA_AND_TSNE
    },
    RunOption {
        name: "pca-solver",
        value_name: "NAME",
        kind: Kind::parsed::<Solver>(),
        default: "krylov",
        help: "krylov (streaming, against the total variance) or linfa",
        of: Some(|p| text(p.pca.solver)),
        ..PCA_AND_TSNE
    },
    RunOption {
        name: "perplexity",
        value_name: "P",
        kind: PERPLEXITY,
        default: "30",
        help: "Effective number of neighbours of a point; reduced to (n - 1) / 3 on small sets",
        of: Some(|p| Some(Value::Number(p.tsne.perplexity))),
        ..PCA_AND_TSNE
    },
    RunOption {
        name: "iterations",
        value_name: "N",
        kind: POSITIVE,
        default: "1000",
        help: "Iterations of t-SNE, of which 250 with early exaggeration",
        of: Some(|p| whole(p.tsne.n_iter)),
        ..PCA_AND_TSNE
    },
    RunOption {
        name: "seed",
        value_name: "N",
        kind: Kind::Whole { least: 0 },
        default: "42",
        help: "Seed of everything that is drawn at random",
        of: Some(|p| Some(Value::Whole(p.pca.seed))),
        ..PCA_AND_TSNE
    },
    RunOption {
        name: GateName::MaxRejected.option(),
        value_name: "N",
        kind: Kind::Files,
        help: "Fail if more files than this are rejected, a number or a share such as 1% [exit code 4, report complete]",
        ..GATES
    },
    RunOption {
        name: GateName::MinVariance.option(),
        value_name: "R",
        kind: LIMIT,
        help: "Fail if the kept components explain less of the variance than this share, such as 0.9",
        ..GATES
    },
    RunOption {
        name: GateName::MinTrust.option(),
        value_name: "T",
        kind: LIMIT,
        help: "Fail if the trustworthiness of t-SNE at 10 neighbours is less than this, such as 0.95",
        ..GATES
    },
    RunOption {
        name: GateName::MinKnnAccuracy.option(),
        value_name: "R",
        kind: LIMIT,
        help: "Fail if the 10 nearest in PCA space tell the label of less than this share of images, such as 0.9",
        ..GATES
    },
    RunOption {
        name: "region",
        value_name: "NAME",
        kind: Kind::Text,
        help: "Region of all buckets of the run [default: AWS_REGION, the profile's or the instance's]",
        in_verify: InVerify::Same,
        ..BUCKETS
    },
    RunOption {
        name: "endpoint-url",
        value_name: "URL",
        kind: Kind::Text,
        help: "Server that speaks S3's protocol, instead of Amazon's",
        in_verify: InVerify::Same,
        ..BUCKETS
    },
    RunOption {
        name: "profile",
        value_name: "NAME",
        kind: Kind::Text,
        help: "Profile of the AWS configuration files to take credentials and region from",
        role: Role::Work,
        in_verify: InVerify::Same,
        ..BUCKETS
    },
    RunOption {
        name: "no-sign-request",
        help: "Send requests without credentials, for public buckets",
        in_verify: InVerify::Same,
        from_record: true,
        ..BUCKETS
    },
    RunOption {
        name: "request-payer",
        help: "Confirm that you pay for the requests, for buckets whose owner does not",
        in_verify: InVerify::Same,
        ..BUCKETS
    },
    RunOption {
        name: "sse",
        value_name: "NAME",
        kind: Kind::Choice(&["AES256", "aws:kms"]),
        help: "Encrypt what is written with keys of S3 (AES256) or of KMS (aws:kms) [default: as the bucket does]",
        role: Role::Work,
        ..BUCKETS
    },
    RunOption {
        name: "sse-kms-key-id",
        value_name: "ID",
        kind: Kind::Text,
        help: "Key for --sse aws:kms, as an identifier or ARN",
        role: Role::Work,
        ..BUCKETS
    },
    RunOption {
        name: "s3-timeout",
        value_name: "S",
        kind: SECONDS,
        default: "30",
        help: "Longest wait for an answer of S3 in seconds; it is then asked again, up to four times",
        role: Role::Work,
        in_verify: InVerify::Same,
        ..BUCKETS
    },
    RunOption {
        name: "threads",
        value_name: "N",
        kind: POSITIVE,
        help: "Worker threads; no number depends on it [default: all cores]",
        in_verify: InVerify::Same,
        ..RUNNING
    },
    RunOption {
        name: "engine",
        value_name: "ENGINE",
        kind: Kind::parsed::<EngineName>(),
        default: "local",
        help: "Where descriptors and PCA are computed: local, ballista://HOST:PORT (the workers of a scheduler; --cache must be a place they see), or ballista (by way of the same engine, in this process); no number depends on it",
        ..RUNNING
    },
    RunOption {
        name: "engine-timeout",
        value_name: "S",
        kind: PATIENCE,
        default: "300",
        help: "Longest wait for an engine's workers to finish a task, in seconds; they are then asked again, up to three times",
        ..RUNNING
    },
    RunOption {
        name: "secret",
        value_name: "FILE",
        kind: Kind::Text,
        help: "File with the secret that the workers of the engine know; others do not work for this run, nor they for others",
        role: Role::Call,
        ..RUNNING
    },
    RunOption {
        name: "config",
        value_name: "FILE.toml",
        kind: Kind::Text,
        help: "TOML file of these options, named as here without dashes in front",
        role: Role::Call,
        ..RUNNING
    },
    RunOption {
        name: "print-config",
        help: "Print the options in force as such a file, with where each came from, and stop",
        role: Role::Call,
        has_variable: false,
        ..RUNNING
    },
    RunOption {
        name: "dry-run",
        help: "List and count what would be done and read, and stop; writes nothing",
        role: Role::Call,
        ..RUNNING
    },
    RunOption {
        name: "log",
        value_name: "NAME",
        kind: Kind::Choice(&["text", "json"]),
        default: "text",
        help: "How progress and the end of a run are told: text (a bar on a terminal), or json, an object a line",
        in_verify: InVerify::As(
            "How progress and findings are told: text, or json, an object a line",
        ),
        ..RUNNING
    },
    RunOption {
        name: "quiet",
        help: "Show errors and the final line only",
        in_verify: InVerify::As("Show what differs, errors and the final line only"),
        ..RUNNING
    },
];

/// `Option`, as the parameters of a run may have none.
fn text(value: impl fmt::Display) -> Option<Value> {
    Some(Value::Text(value.to_string()))
}

fn whole(n: usize) -> Option<Value> {
    Some(Value::Whole(n as u64))
}

#[cfg(test)]
mod tests;
