//! What the options of a group have in common, and the heading they stand under in the help.

use super::kind::Kind;
use super::option::{InVerify, Role, RunOption};

pub(super) const INPUT_AND_OUTPUT: RunOption = RunOption {
    name: "",
    value_name: "",
    kind: Kind::Flag,
    default: "",
    help: "",
    group: "Input and output",
    role: Role::Result,
    has_variable: true,
    in_verify: InVerify::Absent,
    from_record: false,
    only_for: None,
    of: None,
};
pub(super) const DESCRIPTORS: RunOption = RunOption {
    group: "Descriptors",
    from_record: true,
    ..INPUT_AND_OUTPUT
};
pub(super) const PCA_AND_TSNE: RunOption = RunOption {
    group: "PCA and t-SNE",
    ..DESCRIPTORS
};
pub(super) const GATES: RunOption = RunOption {
    group: "Gates",
    ..DESCRIPTORS
};
pub(super) const BUCKETS: RunOption = RunOption {
    group: "Buckets",
    ..INPUT_AND_OUTPUT
};
pub(super) const RUNNING: RunOption = RunOption {
    group: "Running",
    role: Role::Work,
    ..INPUT_AND_OUTPUT
};
