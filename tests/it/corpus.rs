//! Small files of every kind that is read or refused, against Pillow (`tests/fixtures/corpus/make.py` makes them and says
//! what Pillow sees).

use std::collections::BTreeSet;
use std::fs;

use fruits::resize::decode;
use fruits::source::local::hex;
use sha2::{Digest, Sha256};

use crate::run::{json, project};

const CORPUS: &str = "tests/fixtures/corpus";

#[test]
fn each_file_has_the_pixels_of_pillow_or_a_reason() {
    let expected = json(project().join(CORPUS).join("expected.json"));
    let expected = expected["files"].as_object().expect("files");
    let mut wrong = Vec::new();
    for (name, right) in expected {
        let bytes = fs::read(project().join(CORPUS).join("files").join(name)).expect(name);
        match (decode(&bytes), right["refused"].as_str()) {
            (Ok(image), None) => {
                let size = [image.width, image.height].map(u64::from);
                let said = [&right["width"], &right["height"]].map(|v| v.as_u64().unwrap_or(0));
                let turned = right["orientation"].as_u64();
                if size != said
                    || turned != Some(u64::from(image.orientation))
                    || right["rgb"] != hex(&Sha256::digest(&image.rgb))
                {
                    wrong.push(format!("{name}: {size:?}, turned {}", image.orientation));
                }
            }
            (Err(fault), Some(reason)) if fault.reason.code() == reason => {}
            (Ok(_), Some(reason)) => wrong.push(format!("{name}: accepted, not {reason}")),
            (Err(fault), _) => wrong.push(format!("{name}: {}: {}", fault.reason, fault.message)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let on_disk = fs::read_dir(project().join(CORPUS).join("files")).expect("the corpus");
    let on_disk: BTreeSet<_> = on_disk
        .map(|e| {
            e.expect("readable")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    assert_eq!(on_disk, expected.keys().cloned().collect());
    assert!(on_disk.len() >= 150, "{} files are few", on_disk.len());
}

#[test]
fn what_is_refused_is_named_with_a_remedy() {
    let said = |name: &str| {
        let bytes = fs::read(project().join(CORPUS).join("files").join(name)).expect(name);
        decode(&bytes).expect_err(name).message
    };
    for (name, words) in [
        ("other-heic-called.jpg", "HEIC"),
        ("other-avif-called.jpg", "AVIF"),
        ("other-avif-mif1.avif", "AVIF"),
        ("other-jpeg-xl.jxl", "JPEG XL"),
        ("other-photoshop.psd", "PSD"),
        ("other-drawing.svg", "SVG"),
        ("other-paper.pdf", "PDF"),
        ("other-pointer.jpg", "git lfs pull"),
        ("other-page-saved-as.jpg", "web page"),
        ("other-film.mp4", "film"),
        ("raw-camera.dng", "DNG"),
        ("raw-camera.nef", "raw file"),
        ("raw-camera.cr2", "CR2"),
        ("raw-camera.cr3", "CR3"),
        ("refused-tiff-float.tif", "floating-point"),
        ("refused-tiff-zstd-rgb.tif", "Zstandard"),
        ("refused-jpeg-12-bits.jpg", "8-bit JPEG"),
    ] {
        let message = said(name);
        assert!(message.contains(words), "{name}: {message}");
        assert!(message.contains("; "), "{name} has no remedy: {message}");
    }
}
