//! Pictures of images and embeddings; the plots are those of the report.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine};
use fruits_maths::Matrix;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use polars::prelude::*;

use super::sentence::Sentence;
use crate::error::{Error, Result};
use crate::frame::{MatrixExt, binaries, strings};
use crate::page::format::{count, counted, percent};
use crate::plot::{
    self, About, CONTACT_EDGE, CONTACT_QUALITY, ClassBar, Legend, Scatter, Variance, escaped,
    shortened,
};
use crate::schema::{CONTENT, KEY, LABEL, PIXELS, PIXELS_LEN, SIDE, THUMBNAIL, TSNE_X, TSNE_Y, pc};
use crate::steps::pca::Pca;
use crate::steps::resize::{self, Filter};
use crate::steps::tsne::Tsne;

/// Cells in a row.
const COLUMNS: usize = 12;
/// Classes on a contact sheet; more would be taller than ten screens.
const MAX_CLASSES: usize = 60;
/// Characters of a key below a picture.
pub(super) const KEY_CHARS: usize = 48;
/// Bytes of an original that a notebook carries as it is; a larger one is shown twice as large as what the network sees.
const MAX_ORIGINAL_BYTES: usize = 100_000;
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

pub(super) fn image(mime: &str, bytes: &[u8], alt: &str) -> String {
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
        let jpeg = plot::contact_sheet(&chosen, COLUMNS, CONTACT_EDGE, CONTACT_QUALITY)?;
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
        let before = original(content, key)?;
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

/// A file as it is, or smaller where it would make the notebook heavy.
fn original(content: &[u8], key: &str) -> Result<String> {
    let mime = SIGNATURES
        .iter()
        .find(|(start, _)| content.starts_with(start));
    match mime {
        Some((_, mime)) if content.len() <= MAX_ORIGINAL_BYTES => Ok(image(mime, content, key)),
        _ => {
            let Ok(decoded) = resize::decode(content) else {
                return Ok("a file that cannot be shown".to_owned());
            };
            let (width, height) = (decoded.width as usize, decoded.height as usize);
            let side = width.max(height).min(2 * SIDE);
            let scaled = |n: usize| (n * side / width.max(height)).max(1);
            let (small_width, small_height) = (scaled(width), scaled(height));
            let rgb = resize::resample(
                &decoded.rgb,
                width,
                height,
                small_width,
                small_height,
                Filter::Bicubic,
            )?;
            let small = png(&rgb, small_width, small_height, ExtendedColorType::Rgb8)?;
            Ok(image("image/png", &small, key))
        }
    }
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

pub(super) fn png(
    pixels: &[u8],
    width: usize,
    height: usize,
    color: ExtendedColorType,
) -> Result<Vec<u8>> {
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
