//! Pictures of images, descriptors and embeddings; the plots are those of the report.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, GrayImage, ImageEncoder, Luma};
use polars::prelude::*;

use super::show::Sentence;
use crate::error::{Error, Result};
use crate::matrix::{Matrix, binaries, strings};
use crate::pca::Pca;
use crate::plot::{self, About, ClassBar, Legend, Scatter, Variance, escaped, shortened};
use crate::report::format::{count, counted, percent};
use crate::schema::{
    CONTENT, FEATURES, KEY, LABEL, N_FEATURES, PIXELS, PIXELS_LEN, SIDE, THUMBNAIL, TSNE_X, TSNE_Y,
    pc,
};
use crate::tsne::Tsne;

/// Edge of a cell of a contact sheet in pixels: thumbnails come no larger.
const CELL: u32 = 64;
/// JPEG quality of a contact sheet, as in the report.
const QUALITY: u8 = 82;
/// Cells in a row.
const COLUMNS: usize = 12;
/// Classes on a contact sheet; more would be taller than ten screens.
const MAX_CLASSES: usize = 60;
/// Characters of a key below a picture.
const KEY_CHARS: usize = 48;
/// VGG16's last layer: 512 channels of 7 x 7 cells.
const MAP: usize = 7;
const N_CHANNELS: usize = N_FEATURES / (MAP * MAP);
/// Channels in a row of the picture of a descriptor.
const CHANNELS_A_ROW: usize = 32;
/// What a browser shows, by the first bytes of a file.
const SIGNATURES: [(&[u8], &str); 5] = [
    (b"\xFF\xD8\xFF", "image/jpeg"),
    (b"\x89PNG", "image/png"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
    (b"BM", "image/bmp"),
];

/// A picture as HTML that needs nothing else, and what there is to see in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub(super) html: String,
    pub(super) description: String,
}

impl Picture {
    /// An SVG document on white, so that it can be read in a dark notebook; as an image, since Jupyter shows no other
    /// SVG before a notebook is trusted.
    fn svg(svg: &str, description: &str) -> Self {
        let paper = "</desc><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>";
        let svg = svg.replacen("</desc>", paper, 1);
        Self {
            html: image("image/svg+xml", svg.as_bytes(), description),
            description: description.to_owned(),
        }
    }
}

fn image(mime: &str, bytes: &[u8], alt: &str) -> String {
    format!(
        "<img alt=\"{}\" src=\"data:{mime};base64,{}\">",
        escaped(alt),
        BASE64_STANDARD.encode(bytes)
    )
}

/// Images of each class as bars. In: `label` String.
///
/// # Errors
/// There is no image, or no column `label`.
pub fn class_bars(images: &DataFrame) -> Result<Picture, Sentence> {
    let classes = Classes::of(images)?;
    let bars: Vec<ClassBar> = classes
        .labels
        .iter()
        .zip(&classes.counts)
        .enumerate()
        .map(|(class, (label, n))| ClassBar {
            label,
            class,
            n: *n,
        })
        .collect();
    let description = format!(
        "{} of {}",
        counted(images.height() as u64, "image", "images"),
        counted(bars.len() as u64, "class", "classes")
    );
    let about = About {
        id: "class-bars",
        title: "Images of each class",
        description: &description,
    };
    Ok(Picture::svg(
        &plot::class_counts(&about, &bars)?,
        &description,
    ))
}

/// Up to `n_each` images of each class, evenly spread over its rows. In: `label`, and `thumbnail` or `content`.
///
/// # Errors
/// A column is missing.
pub fn contact_sheet(images: &DataFrame, n_each: usize) -> Result<Picture, Sentence> {
    let encoded = match images.column(THUMBNAIL) {
        Ok(_) => binaries(images, THUMBNAIL)?,
        Err(_) => binaries(images, CONTENT)?,
    };
    let classes = Classes::of(images)?;
    let mut html = String::new();
    for (class, label) in classes.labels.iter().enumerate().take(MAX_CLASSES) {
        let rows: Vec<usize> = (0..encoded.len())
            .filter(|&i| usize::from(classes.class[i]) == class)
            .collect();
        let n = n_each.min(rows.len());
        let chosen: Vec<&[u8]> = (0..n).map(|i| encoded[rows[i * rows.len() / n]]).collect();
        let jpeg = plot::contact_sheet(&chosen, COLUMNS, CELL, QUALITY)?;
        let title = format!("{} of {} images of {label}", n, count(rows.len() as u64));
        html += &format!(
            "<p>{} ({} of {})<br>{}</p>",
            escaped(&shortened(label, KEY_CHARS)),
            n,
            count(rows.len() as u64),
            image("image/jpeg", &jpeg, &title)
        );
    }
    let hidden = classes.labels.len().saturating_sub(MAX_CLASSES);
    if hidden > 0 {
        html += &format!("<p>and {hidden} more classes</p>");
    }
    Ok(Picture {
        html,
        description: format!(
            "up to {n_each} images of {}",
            counted(classes.labels.len() as u64, "class", "classes")
        ),
    })
}

/// `n` images as they were and as the network sees them, evenly spread over the rows. In: `key` and `content` of
/// `files`; `key` and `pixels` of `images`.
///
/// # Errors
/// A column is missing.
pub fn before_after(files: &DataFrame, images: &DataFrame, n: usize) -> Result<Picture, Sentence> {
    let (keys, pixels) = (strings(images, KEY)?, binaries(images, PIXELS)?);
    let contents: BTreeMap<&str, &[u8]> = strings(files, KEY)?
        .into_iter()
        .zip(binaries(files, CONTENT)?)
        .collect();
    let n = n.min(keys.len());
    let mut pairs = Vec::new();
    for row in (0..n).map(|i| i * keys.len() / n) {
        let (key, rgb) = (keys[row], pixels[row]);
        let content = contents.get(key).copied().unwrap_or_default();
        let mime = SIGNATURES
            .iter()
            .find(|(start, _)| content.starts_with(start));
        let before = mime.map_or("no format that browsers show".to_owned(), |(_, mime)| {
            image(mime, content, key)
        });
        if rgb.len() != PIXELS_LEN {
            let message = format!(
                "column `{PIXELS}` holds {} bytes, not {PIXELS_LEN}",
                rgb.len()
            );
            return Err(Error::Invalid(message).into());
        }
        let after = png(rgb, SIDE, SIDE, ExtendedColorType::Rgb8)?;
        pairs.push(format!(
            "<td>{}<br>{before} {}</td>",
            escaped(&shortened(key, KEY_CHARS)),
            image("image/png", &after, &format!("{key}, 224 x 224"))
        ));
    }
    let rows: String = pairs
        .chunks(2)
        .map(|pair| format!("<tr>{}</tr>", pair.concat()))
        .collect();
    Ok(Picture {
        html: format!("<table>{rows}</table>"),
        description: format!(
            "{} before and after the resize",
            counted(n as u64, "image", "images")
        ),
    })
}

/// The descriptors of `n` images, evenly spread over the rows: each channel of VGG16's last layer as a tile of 7 x 7,
/// white for 0, black for the largest value shown. In: `key`, `features`, and `thumbnail` if there.
///
/// # Errors
/// A column is missing, or a descriptor is not VGG16's.
pub fn descriptors(images: &DataFrame, n: usize) -> Result<Picture, Sentence> {
    let n_images = images.height();
    let n = n.min(n_images);
    let rows: Vec<IdxSize> = (0..n).map(|i| (i * n_images / n) as IdxSize).collect();
    let chosen = images.take(&IdxCa::new("row".into(), rows))?;
    let features = Matrix::from_arrays(&chosen, FEATURES)?;
    if features.n_cols() != N_FEATURES {
        let message = format!(
            "a descriptor of {} values is not VGG16's ({N_FEATURES})",
            features.n_cols()
        );
        return Err(Error::Invalid(message).into());
    }
    let thumbnails = chosen
        .column(THUMBNAIL)
        .is_ok()
        .then(|| binaries(&chosen, THUMBNAIL))
        .transpose()?;
    let largest = features
        .values()
        .iter()
        .copied()
        .fold(f32::MIN_POSITIVE, f32::max);
    let mut cells = Vec::new();
    for (i, key) in strings(&chosen, KEY)?.into_iter().enumerate() {
        let values = features.row(i);
        let zeros = values.iter().filter(|v| **v == 0.0).count() as f64 / N_FEATURES as f64;
        let tiles = tiles(values, largest);
        let size = (tiles.width() as usize, tiles.height() as usize);
        let picture = png(tiles.as_raw(), size.0, size.1, ExtendedColorType::L8)?;
        let thumbnail = thumbnails
            .as_ref()
            .map_or(String::new(), |t| image("image/jpeg", t[i], key));
        let picture = image("image/png", &picture, &format!("512 channels of {key}"));
        let picture = picture.replacen("<img ", "<img width=\"400\" ", 1);
        cells.push(format!(
            "<td>{thumbnail}</td><td style=\"text-align:left\">{}, {} zeros<br>{picture}</td>",
            escaped(&shortened(key, KEY_CHARS)),
            percent(zeros)
        ));
    }
    let rows = cells
        .chunks(2)
        .map(|pair| format!("<tr>{}</tr>", pair.concat()));
    Ok(Picture {
        html: format!("<table>{}</table>", rows.collect::<String>()),
        description: format!(
            "{} of {N_FEATURES} values each",
            counted(n as u64, "descriptor", "descriptors")
        ),
    })
}

/// 512 tiles of 7 x 7, two pixels a value, with a line between tiles. Square roots, so that small values are seen.
fn tiles(values: &[f32], largest: f32) -> GrayImage {
    const SCALE: usize = 2;
    let pitch = MAP * SCALE + 1;
    let n_rows = N_CHANNELS / CHANNELS_A_ROW;
    let size = |n: usize| (n * pitch + 1) as u32;
    let mut picture = GrayImage::from_pixel(size(CHANNELS_A_ROW), size(n_rows), Luma([222]));
    for channel in 0..N_CHANNELS {
        let (left, top) = (
            channel % CHANNELS_A_ROW * pitch + 1,
            channel / CHANNELS_A_ROW * pitch + 1,
        );
        for y in 0..MAP * SCALE {
            for x in 0..MAP * SCALE {
                // Channels come last.
                let value = values[(y / SCALE * MAP + x / SCALE) * N_CHANNELS + channel];
                let grey = 255.0 * (1.0 - (value.max(0.0) / largest).sqrt());
                picture.put_pixel((left + x) as u32, (top + y) as u32, Luma([grey as u8]));
            }
        }
    }
    picture
}

/// Explained variance by component and its sum, as in the report.
///
/// # Errors
/// As [`plot::variance`].
pub fn variance(pca: &Pca) -> Result<Picture, Sentence> {
    let ratios = pca.explained_variance_ratio();
    let description = format!(
        "{} {} of the total variance",
        counted(
            ratios.len() as u64,
            "component explains",
            "components explain"
        ),
        percent(ratios.iter().sum())
    );
    let about = About {
        id: "variance",
        title: "Explained variance by principal component",
        description: &description,
    };
    let svg = plot::variance(&Variance {
        about,
        kept: &ratios,
        further: &pca.further_ratios(),
    })?;
    Ok(Picture::svg(&svg, &description))
}

/// The first two components. In: `pc1`, `pc2`, `label`.
///
/// # Errors
/// A column is missing or holds what is no number.
pub fn pca_scatter(scores: &DataFrame, pca: &Pca) -> Result<Picture, Sentence> {
    let ratios = pca.explained_variance_ratio();
    let axis = |i: usize| match ratios.get(i) {
        Some(ratio) => format!("PC{} ({} of the variance)", i + 1, percent(*ratio)),
        None => format!("PC{} (not computed)", i + 1),
    };
    let title = "Images on the first two principal components";
    let axes = (axis(0), axis(1));
    scatter(
        scores,
        (&pc(0), &pc(1)),
        title,
        (&axes.0, &axes.1),
        Legend::Right,
    )
}

/// The embedding. In: `tsne_x`, `tsne_y`, `label`.
///
/// # Errors
/// A column is missing or holds what is no number.
pub fn tsne_scatter(embedded: &DataFrame) -> Result<Picture, Sentence> {
    let axes = ("t-SNE 1 (no unit)", "t-SNE 2 (no unit)");
    let title = "Images in the t-SNE embedding";
    scatter(embedded, (TSNE_X, TSNE_Y), title, axes, Legend::Right)
}

/// Embeddings beside each other, two in a row, each below its title; colours and markers as in [`tsne_scatter`].
///
/// # Errors
/// As there.
pub fn tsne_grid(embedded: &[(String, Tsne)]) -> Result<Picture, Sentence> {
    let axes = ("t-SNE 1", "t-SNE 2");
    let mut cells = Vec::new();
    let mut words = Vec::new();
    for (title, tsne) in embedded {
        let drawn = scatter(&tsne.frame, (TSNE_X, TSNE_Y), title, axes, Legend::None)?;
        let narrow = drawn.html.replacen("<img ", "<img width=\"440\" ", 1);
        cells.push(format!(
            "<td style=\"text-align:left;vertical-align:top\"><b>{}</b><br>{narrow}</td>",
            escaped(title)
        ));
        words.push(drawn.description);
    }
    let rows = cells
        .chunks(2)
        .map(|pair| format!("<tr>{}</tr>", pair.concat()));
    Ok(Picture {
        html: format!("<table>{}</table>", rows.collect::<String>()),
        description: words.join("\n"),
    })
}

fn scatter(
    frame: &DataFrame,
    (x, y): (&str, &str),
    title: &str,
    (x_label, y_label): (&str, &str),
    legend: Legend,
) -> Result<Picture, Sentence> {
    let classes = Classes::of(frame)?;
    let values = |name: &str| Ok::<_, Error>(Matrix::from_columns(frame, &[name])?.into_values());
    let description = format!(
        "{title}: {} of {}",
        counted(frame.height() as u64, "point", "points"),
        counted(classes.labels.len() as u64, "class", "classes")
    );
    let drawn = plot::scatter(&Scatter {
        about: About {
            id: "scatter",
            title,
            description: &description,
        },
        x: &values(x)?,
        y: &values(y)?,
        class: &classes.class,
        labels: &classes.labels,
        x_label,
        y_label,
        legend,
    })?;
    Ok(Picture::svg(&drawn.svg, &description))
}

/// Classes by name, as the report numbers them.
struct Classes<'a> {
    labels: Vec<&'a str>,
    counts: Vec<u64>,
    /// Class of each row.
    class: Vec<u16>,
}

impl<'a> Classes<'a> {
    fn of(frame: &'a DataFrame) -> Result<Self> {
        let rows = strings(frame, LABEL)?;
        let mut counts = BTreeMap::<&str, u64>::new();
        for label in &rows {
            *counts.entry(label).or_default() += 1;
        }
        if counts.len() > usize::from(u16::MAX) {
            let message = format!(
                "{} classes are more than a plot can tell apart",
                counts.len()
            );
            return Err(Error::Invalid(message));
        }
        let number: BTreeMap<&str, u16> = counts.keys().copied().zip(0..).collect();
        Ok(Self {
            class: rows.iter().map(|label| number[label]).collect(),
            labels: counts.keys().copied().collect(),
            counts: counts.into_values().collect(),
        })
    }
}

fn png(pixels: &[u8], width: usize, height: usize, color: ExtendedColorType) -> Result<Vec<u8>> {
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(pixels, width as u32, height as u32, color)
        .map_err(|error| Error::Internal(format!("a picture could not be encoded: {error}")))?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_shows_its_channel() {
        let mut values = vec![0.0; N_FEATURES];
        // Row 2, column 3 of channel 33: the second row of tiles, second tile.
        values[(2 * MAP + 3) * N_CHANNELS + 33] = 4.0;
        let picture = tiles(&values, 4.0);
        assert_eq!(
            (picture.width(), picture.height()),
            (32 * 15 + 1, 16 * 15 + 1)
        );
        let black: Vec<(u32, u32)> = picture
            .enumerate_pixels()
            .filter(|(_, _, p)| p[0] == 0)
            .map(|(x, y, _)| (x, y))
            .collect();
        let (x, y) = (15 + 1 + 2 * 3, 15 + 1 + 2 * 2);
        assert_eq!(black, [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)]);
    }

    #[test]
    fn classes_are_numbered_by_name() {
        let labels = ["plum", "apple", "plum"];
        let frame = DataFrame::new(3, vec![Column::new(LABEL.into(), labels)]).unwrap();
        let classes = Classes::of(&frame).unwrap();
        assert_eq!(classes.labels, ["apple", "plum"]);
        assert_eq!((classes.counts, classes.class), (vec![1, 2], vec![1, 0, 1]));
        let picture = class_bars(&frame).unwrap();
        assert_eq!(picture.description, "3 images of 2 classes");
        assert!(
            picture
                .html
                .starts_with("<img alt=\"3 images of 2 classes\" src=\"data:image/svg+xml;base64,")
        );
    }
}
