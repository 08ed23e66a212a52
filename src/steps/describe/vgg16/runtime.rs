//! The shared library of ONNX Runtime, where it is, and what the processor can do with it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::environment::Environment;

use crate::error::{Error, Result};
use crate::storage::place::{path_in, user_folder};

/// Stands for the folder of a user without a home: nothing is ever loaded from the current folder.
const NOWHERE: &str = "/nonexistent/fruits/runtime";

/// The folder that set-up fills: `lib/libonnxruntime.so`, its providers and `vgg16-notop.onnx`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeFolder {
    path: PathBuf,
}

impl RuntimeFolder {
    /// Finds the folder: `$FRUITS_RUNTIME`, else `runtime` beside the program, else `fruits/runtime` in the user's data
    /// folder (`$XDG_DATA_HOME`, `~/.local/share`).
    #[must_use]
    pub fn find() -> Self {
        if let Some(path) = path_in("FRUITS_RUNTIME") {
            return Self { path };
        }
        let program = std::env::current_exe()
            .ok()
            .and_then(|p| p.parent().map(Path::to_path_buf));
        if let Some(path) = program.map(|p| p.join("runtime")).filter(|p| p.is_dir()) {
            return Self { path };
        }
        let data = user_folder("XDG_DATA_HOME", ".local/share");
        Self {
            path: data.map_or_else(
                || PathBuf::from(NOWHERE),
                |data| data.join("fruits/runtime"),
            ),
        }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The shared library.
    #[must_use]
    pub fn library(&self) -> PathBuf {
        self.path.join("lib/libonnxruntime.so")
    }

    /// The VGG16 model.
    #[must_use]
    pub fn model(&self) -> PathBuf {
        self.path.join("vgg16-notop.onnx")
    }

    /// Loads the library once for the process.
    ///
    /// # Errors
    /// [`Error::Runtime`] if it is missing, is no ONNX Runtime of at least version 1.24, or another one is loaded.
    pub fn environment(&self) -> Result<&'static Environment> {
        static LOADED: OnceLock<(PathBuf, Environment)> = OnceLock::new();
        static LOADING: Mutex<()> = Mutex::new(());
        let library = self.library();
        let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
        if LOADED.get().is_none() {
            let environment = load(&library)?;
            let _ = LOADED.set((library.clone(), environment));
        }
        match LOADED.get() {
            Some((path, environment)) if *path == library => Ok(environment),
            Some((path, _)) => Err(Error::Runtime {
                message: format!(
                    "`{}` cannot be loaded: this process already uses `{}`; start a new one",
                    library.display(),
                    path.display()
                ),
                source: None,
            }),
            None => Err(Error::Internal(
                "ONNX Runtime was loaded and lost".to_owned(),
            )),
        }
    }
}

fn load(library: &Path) -> Result<Environment> {
    if !library.is_absolute() {
        return Err(Error::Runtime {
            message: format!(
                "FRUITS_RUNTIME is `{}`; give the whole path of the folder, from `/`",
                library.display()
            ),
            source: None,
        });
    }
    if !library.is_file() {
        let message = match library.starts_with(NOWHERE) {
            true => "ONNX Runtime is not found without HOME; set FRUITS_RUNTIME to the folder that `make setup` made"
                .to_owned(),
            false => format!(
                "ONNX Runtime is not at `{}`; run `make setup`, or set FRUITS_RUNTIME to the folder it made",
                library.display()
            ),
        };
        return Err(Error::Runtime {
            message,
            source: None,
        });
    }
    let refused = format!(
        "`{}` cannot be used as ONNX Runtime 1.24 or later; run `make setup` again",
        library.display()
    );
    let builder =
        ort::init_from(library).map_err(|e| Error::runtime(refused.clone(), e.to_string()))?;
    let environment = builder
        .with_telemetry(false)
        .build()
        .map_err(|e| Error::runtime(refused, e.to_string()))?;
    environment.set_log_level(ort::logging::LogLevel::Error);
    Ok(environment)
}

/// Version of the loaded ONNX Runtime, as its build information gives it.
#[must_use]
pub fn onnxruntime_version() -> String {
    let info = ort::info();
    let branch = info
        .split("git-branch=")
        .nth(1)
        .and_then(|rest| rest.split(',').next());
    branch.map_or_else(
        || info.to_owned(),
        |b| b.trim_start_matches("rel-").to_owned(),
    )
}

/// What the user asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// [`Arithmetic::Bf16`] where the processor has AMX for it, else [`Arithmetic::F32`].
    #[default]
    Auto,
    /// 32-bit floats.
    F32,
    /// bfloat16 products summed in 32 bits.
    Bf16,
}

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// 32-bit floats on ONNX Runtime's own CPU provider.
    F32,
    /// bfloat16 products summed in 32 bits, on the OpenVINO provider.
    Bf16,
}

impl Precision {
    /// What to compute on this processor, and why.
    ///
    /// # Errors
    /// [`Error::Runtime`] if bf16 is asked of a processor without it: the library would compute f32 and not say so.
    pub fn resolve(self, cpu: &Cpu) -> Result<(Arithmetic, &'static str)> {
        match self {
            Self::F32 => Ok((Arithmetic::F32, "asked for")),
            Self::Auto if cpu.amx_bf16 => {
                Ok((Arithmetic::Bf16, "auto: this processor has AMX-BF16"))
            }
            Self::Auto => Ok((Arithmetic::F32, "auto: this processor has no AMX-BF16")),
            Self::Bf16 if cpu.amx_bf16 || cpu.avx512_bf16 => Ok((Arithmetic::Bf16, "asked for")),
            Self::Bf16 => Err(Error::Runtime {
                message:
                    "precision bf16 needs a processor with AMX-BF16 or AVX512-BF16; use f32 or auto"
                        .to_owned(),
                source: None,
            }),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            _ => Err(Error::Invalid(format!(
                "no precision `{text}`; there are auto, f32 and bf16"
            ))),
        }
    }
}

impl Arithmetic {
    /// `f32` or `bf16`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// Execution provider of ONNX Runtime that computes it.
    #[must_use]
    pub fn provider(self) -> &'static str {
        match self {
            Self::F32 => "CPUExecutionProvider",
            Self::Bf16 => "OpenVINOExecutionProvider",
        }
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The processor, as far as it decides speed or numbers here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpu {
    /// Model name.
    pub name: String,
    /// Matrix tiles with bfloat16 products.
    pub amx_bf16: bool,
    /// Vector instructions with bfloat16 products.
    pub avx512_bf16: bool,
    /// 512-bit vectors.
    pub avx512f: bool,
    /// 256-bit vectors with fused multiply-add.
    pub avx2_fma: bool,
}

/// Whether the operating system saves the tiles of AMX when it switches threads: without that a processor that has them must
/// not use them. Linux names only what it saves.
#[cfg(target_arch = "x86_64")]
fn system_keeps_tiles() -> bool {
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = known.lines().find(|line| line.starts_with("flags"));
    flags.is_some_and(|line| line.split_whitespace().any(|flag| flag == "amx_tile"))
}

impl Cpu {
    /// Asks the processor, and of AMX the operating system, too.
    #[cfg(target_arch = "x86_64")]
    #[must_use]
    pub fn detect() -> Self {
        let cpuid = raw_cpuid::CpuId::new();
        let name = cpuid
            .get_processor_brand_string()
            .map(|b| b.as_str().trim().to_owned());
        let extended = cpuid.get_extended_feature_info();
        Self {
            name: name.unwrap_or_else(|| "unknown".to_owned()),
            amx_bf16: extended
                .as_ref()
                .is_some_and(|f| f.has_amx_bf16() && f.has_amx_tile())
                && system_keeps_tiles(),
            avx512_bf16: is_x86_feature_detected!("avx512bf16"),
            avx512f: is_x86_feature_detected!("avx512f"),
            avx2_fma: is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
        }
    }

    /// Nothing is known of another architecture.
    #[cfg(not(target_arch = "x86_64"))]
    #[must_use]
    pub fn detect() -> Self {
        let name = std::env::consts::ARCH.to_owned();
        Self {
            name,
            amx_bf16: false,
            avx512_bf16: false,
            avx512f: false,
            avx2_fma: false,
        }
    }

    /// Names of what is present.
    #[must_use]
    pub fn features(&self) -> Vec<String> {
        let all = [
            ("avx2+fma", self.avx2_fma),
            ("avx512f", self.avx512f),
            ("avx512_bf16", self.avx512_bf16),
            ("amx_bf16", self.amx_bf16),
        ];
        all.iter()
            .filter(|(_, has)| *has)
            .map(|(name, _)| (*name).to_owned())
            .collect()
    }
}
