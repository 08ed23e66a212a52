//! The model file, known by its content.

use std::path::{Path, PathBuf};

use super::runtime::RuntimeFolder;
use crate::error::{Error, Result};
use crate::storage::digest;

/// SHA-256 of the `vgg16-notop.onnx` that set-up writes after it has checked each of the 26 ImageNet tensors
/// (`setup/vgg16_tensors.csv`).
pub const KNOWN_MODEL_SHA256: &str =
    "7182e5aa9884f96b58bac76e7fa8f126ceac5a074baf93dc8193ae0c2a843089";

/// A model file in memory.
#[derive(Debug, Clone)]
pub struct Model {
    /// Where it was read from.
    pub path: PathBuf,
    /// ONNX.
    pub bytes: Vec<u8>,
    /// SHA-256 of `bytes`, lower-case hexadecimal.
    pub sha256: String,
}

impl Model {
    /// Reads the user's own model, or the one that set-up made.
    ///
    /// # Errors
    /// [`Error::Runtime`] if it cannot be read, or if the file that should be set-up's is another one.
    pub fn read(own: Option<&Path>, runtime: &RuntimeFolder) -> Result<Self> {
        let path = own.map_or_else(|| runtime.model(), Path::to_path_buf);
        let remedy = match own {
            Some(_) => "name an ONNX file with --model",
            None => "run `make setup`, or name a model with --model",
        };
        let bytes = std::fs::read(&path).map_err(|e| {
            Error::runtime(
                format!("cannot read the model `{}`; {remedy}", path.display()),
                e,
            )
        })?;
        let sha256 = digest::of(&bytes);
        if own.is_none() && sha256 != KNOWN_MODEL_SHA256 {
            return Err(Error::Runtime {
                message: format!(
                    "the model `{}` is not the ImageNet VGG16 that set-up makes (SHA-256 {sha256}, not \
                     {KNOWN_MODEL_SHA256}); run `make setup` again, or name it with --model if it is your own",
                    path.display()
                ),
                source: None,
            });
        }
        Ok(Self {
            path,
            bytes,
            sha256,
        })
    }

    /// Whether the weights are the known ImageNet ones.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.sha256 == KNOWN_MODEL_SHA256
    }

    /// What the model is, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        if self.is_known() {
            "VGG16 without its top, ImageNet weights of the Oxford Visual Geometry Group".to_owned()
        } else {
            let name = self.path.file_name().unwrap_or_default().to_string_lossy();
            format!("a model of the user's own: {name}")
        }
    }
}
