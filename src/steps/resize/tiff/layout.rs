//! The tags that are looked at, and parts of an image.

pub(super) mod tag {
    pub const SUBFILE: u16 = 254;
    pub const WIDTH: u16 = 256;
    pub const HEIGHT: u16 = 257;
    pub const BITS: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const FILL_ORDER: u16 = 266;
    pub const STRIPS: u16 = 273;
    pub const SAMPLES: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_BYTES: u16 = 279;
    pub const PLANES: u16 = 284;
    pub const FAX_OPTIONS: u16 = 292;
    pub const PREDICTOR: u16 = 317;
    pub const COLOURS: u16 = 320;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_HEIGHT: u16 = 323;
    pub const TILES: u16 = 324;
    pub const TILE_BYTES: u16 = 325;
    pub const DIRECTORIES: u16 = 330;
    pub const EXTRA: u16 = 338;
    pub const FORMAT: u16 = 339;
    pub const JPEG_TABLES: u16 = 347;
    pub const YCBCR_SAMPLING: u16 = 530;
    pub const XMP: u16 = 700;
    pub const DNG: u16 = 50706;
}

/// Part of the image, and how its rows lie in a strip or tile.
pub(super) struct Place {
    pub left: usize,
    pub top: usize,
    /// Within the image.
    pub width: usize,
    /// Within the image.
    pub rows: usize,
    /// As stored.
    pub stored_width: usize,
}
