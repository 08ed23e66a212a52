//! A model loaded into ONNX Runtime.

use std::thread;

use ort::environment::Environment;
use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider};
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use ort::value::{TensorRef, ValueType};

use super::model::Model;
use super::runtime::{Arithmetic, RuntimeFolder};
use crate::error::{Error, Result};
use crate::schema::{PIXELS_LEN, SIDE};

/// Images per call of the network. A call always has this many: the last batch of a shard is filled up, so that a
/// descriptor does not depend on its place in a shard. 8 is where throughput stops growing (FACTS: any batch for
/// f32, 8 for bf16).
pub const BATCH: usize = 8;

/// Channel means of ImageNet in blue, green, red, subtracted without scaling ('caffe' mode of Keras).
const MEAN_BGR: [f32; 3] = [103.939, 116.779, 123.68];

/// Most batches that bf16 computes side by side, on a share of the threads each. With all threads on one batch every layer
/// ends with a wait for the slowest: on two cores with AMX whose neighbours were busy OpenVINO took 1.6 to 1.8 times as long
/// so; on two idle cores both take the same. A stream takes 280 MB, which is why there are no more.
const MAX_STREAMS: usize = 2;

/// Where ONNX Runtime looks for weights that are not in the model itself. It is given a place that holds none, since the SHA-256
/// of a model would not cover them.
const EXTERNAL_WEIGHTS: &str = "session.model_external_initializers_file_folder_path";
const NO_FOLDER: &str = "/dev/null";

/// Sessions that compute side by side, on a share of the threads each.
fn n_streams(arithmetic: Arithmetic, threads: usize) -> usize {
    match arithmetic {
        Arithmetic::F32 => 1,
        Arithmetic::Bf16 => threads.clamp(1, MAX_STREAMS),
    }
}

/// Images that one [`Network::run`] takes: a batch, or several that are computed side by side.
pub(super) fn capacity(arithmetic: Arithmetic, threads: usize) -> usize {
    BATCH * n_streams(arithmetic, threads)
}

/// VGG16 (or a model of the same input) ready to compute.
#[derive(Debug)]
pub(super) struct Network {
    streams: Vec<Stream>,
    n_features: usize,
}

/// A session that computes a batch while others compute theirs.
#[derive(Debug)]
struct Stream {
    session: Session,
    input: Vec<f32>,
}

impl Network {
    pub fn new(
        runtime: &RuntimeFolder,
        model: &Model,
        arithmetic: Arithmetic,
        threads: usize,
    ) -> Result<Self> {
        let environment = runtime.environment()?;
        let n_streams = n_streams(arithmetic, threads);
        let streams = thread::scope(|scope| {
            let load = |stream: usize| {
                let share = threads / n_streams + usize::from(stream < threads % n_streams);
                scope.spawn(move || Stream::new(environment, model, arithmetic, share.max(1)))
            };
            let loading: Vec<_> = (0..n_streams).map(load).collect();
            loading.into_iter().map(joined).collect::<Result<Vec<_>>>()
        })?;
        let mut network = Self {
            streams,
            n_features: 0,
        };
        // The width of the output may be symbolic; one call tells it, and warms the library up.
        let black: &[u8] = &vec![0; PIXELS_LEN];
        let n_images = capacity(arithmetic, threads);
        network.n_features = network.run(&vec![black; n_images])?.len() / n_images;
        Ok(network)
    }

    /// Values of one descriptor.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// Descriptors of 1 to [`capacity`] images (224 x 224 x 3 bytes of RGB each), one after the other.
    ///
    /// # Errors
    /// [`Error::Invalid`] for more images or other sizes, [`Error::Runtime`] if the network fails.
    pub fn run(&mut self, images: &[&[u8]]) -> Result<Vec<f32>> {
        let capacity = BATCH * self.streams.len();
        if images.len() > capacity || images.iter().any(|image| image.len() != PIXELS_LEN) {
            return Err(Error::Invalid(format!(
                "the network takes at most {capacity} images of {PIXELS_LEN} bytes (224 x 224 x 3) each at once"
            )));
        }
        let mut batches = self.streams.iter_mut().zip(images.chunks(BATCH));
        thread::scope(|scope| {
            // This thread computes the first batch.
            let first = batches.next();
            let others: Vec<_> = batches
                .map(|(stream, batch)| scope.spawn(|| stream.run(batch)))
                .collect();
            let mut values = match first {
                Some((stream, batch)) => stream.run(batch)?,
                None => Vec::new(),
            };
            for other in others {
                values.extend(joined(other)?);
            }
            Ok(values)
        })
    }
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    let died = |_| Error::Internal("a thread of the network died".to_owned());
    thread.join().map_err(died)?
}

impl Stream {
    fn new(
        environment: &Environment,
        model: &Model,
        arithmetic: Arithmetic,
        threads: usize,
    ) -> Result<Self> {
        let refused = |e: ort::Error| {
            let path = model.path.display();
            let message = format!(
                "ONNX Runtime refuses the model `{path}` on {}",
                arithmetic.provider()
            );
            let mut why = e.to_string();
            if why.contains(NO_FOLDER) || why.contains("xternal") {
                why += "; its weights lie in another file, which its SHA-256 does not cover: save it with all of them inside";
            }
            Error::runtime(message, why)
        };
        let builder = Session::builder(environment).map_err(refused)?;
        let builder = match arithmetic {
            Arithmetic::F32 => builder
                .with_intra_threads(threads)
                .map_err(ort::Error::from),
            Arithmetic::Bf16 => openvino_bf16(builder, threads),
        }
        .map_err(refused)?;
        let session = builder
            .with_config_entry(EXTERNAL_WEIGHTS, NO_FOLDER)
            .map_err(ort::Error::from)
            .and_then(|mut builder| builder.commit_from_memory(&model.bytes))
            .map_err(refused)?;
        check_input(&session, model)?;
        Ok(Self {
            session,
            input: vec![0.0; BATCH * PIXELS_LEN],
        })
    }

    /// Descriptors of 1 to [`BATCH`] images.
    fn run(&mut self, images: &[&[u8]]) -> Result<Vec<f32>> {
        for (image, planes) in images.iter().zip(self.input.chunks_exact_mut(PIXELS_LEN)) {
            to_bgr_planes(image, planes);
        }
        self.input[images.len() * PIXELS_LEN..].fill(0.0);
        let failed = |e: ort::Error| Error::runtime("the network failed on a batch", e.to_string());
        let shape = [BATCH, 3, SIDE, SIDE];
        let input = TensorRef::from_array_view((shape, self.input.as_slice())).map_err(failed)?;
        let outputs = self.session.run(ort::inputs![input]).map_err(failed)?;
        let (_, values) = outputs[0].try_extract_tensor::<f32>().map_err(failed)?;
        if values.is_empty() || values.len() % BATCH != 0 {
            return Err(Error::Runtime {
                message: format!("the model gives {} values for {BATCH} images", values.len()),
                source: None,
            });
        }
        Ok(values[..values.len() / BATCH * images.len()].to_vec())
    }
}

impl Arithmetic {
    /// Loads the provider and asks it for a session, without a network: a moment.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the library or the provider does not load.
    pub fn check(self, runtime: &RuntimeFolder) -> Result<()> {
        let builder = Session::builder(runtime.environment()?);
        let builder = builder.and_then(|builder| match self {
            Self::F32 => Ok(builder),
            Self::Bf16 => openvino_bf16(builder, 1),
        });
        let refused = |e: ort::Error| {
            Error::runtime(format!("{} does not load", self.provider()), e.to_string())
        };
        builder.map(|_| ()).map_err(refused)
    }
}

/// bf16 on the OpenVINO provider alone: a part it does not take is an error, not a silent fall-back.
fn openvino_bf16(builder: SessionBuilder, threads: usize) -> ort::Result<SessionBuilder> {
    // Pinned, the threads of all streams would be on the same cores.
    let config = serde_json::json!({
        "CPU": {
            "INFERENCE_PRECISION_HINT": "bf16",
            "INFERENCE_NUM_THREADS": threads.to_string(),
            "ENABLE_CPU_PINNING": "NO",
        }
    });
    let provider = ep::OpenVINO::default()
        .with_device_type("CPU")
        .with_arbitrary_config("load_config", config.to_string())
        .build()
        .error_on_failure();
    let builder = builder.with_disable_cpu_fallback()?;
    Ok(builder.with_execution_providers([provider])?)
}

fn check_input(session: &Session, model: &Model) -> Result<()> {
    let shapes: Vec<_> = session.inputs().iter().map(|input| input.dtype()).collect();
    let side = SIDE as i64;
    let fits = match shapes.as_slice() {
        [ValueType::Tensor { shape, .. }] => {
            matches!(&shape[..], [n, 3, h, w] if (*n < 0 || *n == BATCH as i64) && *h == side && *w == side)
        }
        _ => false,
    };
    if fits && session.outputs().len() == 1 {
        return Ok(());
    }
    Err(Error::Runtime {
        message: format!(
            "the model `{}` takes {shapes:?}; it must take one float32 tensor [N, 3, 224, 224] (blue, green, red, \
             ImageNet mean subtracted) and give one output",
            model.path.display()
        ),
        source: None,
    })
}

/// RGB bytes, pixel after pixel, to three planes of `f32`: blue, green, red, minus the means.
fn to_bgr_planes(rgb: &[u8], planes: &mut [f32]) {
    let (blue, rest) = planes.split_at_mut(SIDE * SIDE);
    let (green, red) = rest.split_at_mut(SIDE * SIDE);
    for (((pixel, b), g), r) in rgb.chunks_exact(3).zip(blue).zip(green).zip(red) {
        *b = f32::from(pixel[2]) - MEAN_BGR[0];
        *g = f32::from(pixel[1]) - MEAN_BGR[1];
        *r = f32::from(pixel[0]) - MEAN_BGR[2];
    }
}
