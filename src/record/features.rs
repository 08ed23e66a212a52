//! What a record says of the descriptors and of what made them.

use serde::{Deserialize, Serialize};

use crate::steps::describe::{About, DescriptorStats, Fact, NetworkRecord};

/// The descriptors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeaturesRecord {
    /// The network they were computed with; its keys are absent for a descriptor without one.
    #[serde(flatten)]
    pub network: Option<NetworkRecord>,
    /// Resize filter.
    pub filter: String,
    /// Values of a descriptor.
    pub n_features: usize,
    /// What they are like; its keys stand beside the others.
    #[serde(flatten)]
    pub stats: DescriptorStats,
    /// Images with a value that was NaN or infinite; they are rejected.
    pub n_non_finite: u64,
    /// SHA-256 over everything but the images that decides the descriptors: decoders, preprocessing, descriptor, code.
    pub fingerprint: String,
    /// Name of the descriptor, as in `--descriptor`; records without it are of VGG16.
    #[serde(default = "vgg16")]
    pub descriptor: String,
    /// What it is; absent in records of earlier states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
    /// What there is to know of it, in the order to show it; empty in records of earlier states.
    #[serde(default)]
    pub facts: Vec<Fact>,
}

/// All records of earlier states are of VGG16.
fn vgg16() -> String {
    "vgg16".to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn without_network() -> serde_json::Value {
        json!({
            "filter": "bicubic", "n_features": 147, "zero_ratio": 0.5, "min": 0.0, "max": 1.0, "mean": 0.25,
            "norm_min": 1.0, "norm_mean": 1.0, "norm_max": 1.0, "n_non_finite": 0, "n_constant": 3,
            "fingerprint": "0",
        })
    }

    #[test]
    fn a_record_of_an_earlier_state_is_of_vgg16() {
        let mut old = without_network();
        for (key, value) in [
            ("model_sha256", json!("1")),
            ("model", json!("VGG16")),
            ("model_known", json!(true)),
            ("precision", json!("f32")),
            ("precision_reason", json!("asked for")),
            ("provider", json!("CPUExecutionProvider")),
            ("onnxruntime", json!("1.24.1")),
        ] {
            old[key] = value;
        }
        let read: FeaturesRecord = serde_json::from_value(old.clone()).unwrap();
        assert_eq!(read.descriptor, "vgg16");
        assert_eq!(read.network.as_ref().unwrap().precision, "f32");
        let written = serde_json::to_value(&read).unwrap();
        for (key, value) in old.as_object().unwrap() {
            assert_eq!(&written[key], value, "{key}");
        }
    }

    #[test]
    fn a_descriptor_without_a_network_has_no_keys_of_one() {
        let mut record = without_network();
        record["descriptor"] = json!("colour");
        let read: FeaturesRecord = serde_json::from_value(record).unwrap();
        assert_eq!(read.network, None);
        let written = serde_json::to_value(&read).unwrap();
        assert!(written.get("model_sha256").is_none());
    }
}
