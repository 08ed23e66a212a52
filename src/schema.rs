//! Column names and shapes that the steps agree on.

/// Path of an image below its source, with `/` between parts; unique, sorted bytewise.
pub const KEY: &str = "key";
/// Class of an image: the name of one of the folders that hold it.
pub const LABEL: &str = "label";
/// Part of the set that an image is in: the name of the folder above the classes, such as `train`.
pub const SPLIT: &str = "split";
/// Size of the encoded file in bytes, `UInt64`.
pub const SIZE_BYTES: &str = "size_bytes";
/// Names the state of a file when it was listed: the ETag of an object, the SHA-256 of a file in a folder.
pub const ETAG: &str = "etag";
/// Version of an object in a versioned bucket; null elsewhere.
pub const VERSION_ID: &str = "version_id";
/// SHA-256 of the encoded file, lower-case hexadecimal.
pub const SHA256: &str = "sha256";
/// Encoded file, `Binary`.
pub const CONTENT: &str = "content";
/// Width of the image as shown (after EXIF orientation) in pixels, `UInt32`.
pub const WIDTH: &str = "width";
/// Height of the image as shown (after EXIF orientation) in pixels, `UInt32`.
pub const HEIGHT: &str = "height";
/// Colour mode of the file before it became RGB: `rgb8`, `l8`, `cmyk8`, ...
pub const MODE: &str = "mode";
/// EXIF orientation that was applied, 1 (none) to 8, `UInt32`.
pub const ORIENTATION: &str = "orientation";
/// Resized pixels, `Binary` of [`PIXELS_LEN`] bytes: 224 rows x 224 columns x RGB, `u8`.
pub const PIXELS: &str = "pixels";
/// Thumbnail as JPEG, `Binary`.
pub const THUMBNAIL: &str = "thumbnail";
/// Descriptor of an image, `Array(Float32, n_features)`.
pub const FEATURES: &str = "features";
/// Horizontal position in the t-SNE embedding, `Float32`.
pub const TSNE_X: &str = "tsne_x";
/// Vertical position in the t-SNE embedding, `Float32`.
pub const TSNE_Y: &str = "tsne_y";
/// An image's own part of the trustworthiness of t-SNE, 0 to 1, `Float32`; null where it was not measured.
pub const TRUST: &str = "trust";
/// Local outlier factor of an image in PCA space, `Float32`; 1 is as dense as its neighbours.
pub const OUTLIER_SCORE: &str = "outlier_score";
/// Share of an image's nearest others in PCA space that have its label, 0 to 1, `Float32`.
pub const LABEL_AGREEMENT: &str = "label_agreement";
/// Reason code of a rejected file.
pub const REASON: &str = "reason";
/// Why a file was rejected, in words.
pub const MESSAGE: &str = "message";

/// Width and height of the network's input in pixels (Simonyan & Zisserman 2014).
pub const SIDE: usize = 224;
/// Bytes of one resized image: 224 x 224 x 3.
pub const PIXELS_LEN: usize = SIDE * SIDE * 3;
/// Values of one descriptor: VGG16's last pooling layer, 7 x 7 x 512, in that order.
pub const N_FEATURES: usize = 7 * 7 * 512;

/// Name of the score on the `i`-th principal component, counted from 0: `pc1`, `pc2`, ...
#[must_use]
pub fn pc(i: usize) -> String {
    format!("pc{}", i + 1)
}

/// Name of t-SNE among the projections.
pub const TSNE: &str = "tsne";

/// Names of the columns that hold the positions of a projection: `NAME_x`, `NAME_y`, `Float32`.
#[must_use]
pub fn positions(projection: &str) -> [String; 2] {
    [format!("{projection}_x"), format!("{projection}_y")]
}

/// Name of the column that holds an image's own part of the trustworthiness of a projection: `NAME_trust`, and [`TRUST`]
/// of t-SNE.
#[must_use]
pub fn trust(projection: &str) -> String {
    match projection {
        TSNE => TRUST.to_owned(),
        name => format!("{name}_{TRUST}"),
    }
}

/// Whether a column is a score: `pc` and a number.
#[must_use]
pub fn is_pc(name: &str) -> bool {
    name.strip_prefix("pc")
        .is_some_and(|i| i.parse::<usize>().is_ok())
}
