//! What Pillow says of each file of the corpus, held against what the thumbnailer says.

use std::collections::BTreeMap;

use portfolio_domain::image::{ImageFormat, THUMBNAIL_BOXES};
use serde::Deserialize;

use crate::decoded::Decoded;
use crate::{corpus, folder, render};

/// As `scripts/thumbnail-corpus` writes it.
#[derive(Deserialize)]
struct Described {
    width: u32,
    height: u32,
    mode: String,
    thumbnails: Vec<[usize; 2]>,
    fields: String,
}

fn described() -> BTreeMap<String, Described> {
    serde_json::from_slice(&corpus("pillow.json")).unwrap()
}

#[tokio::test]
async fn every_file_is_what_pillow_says_it_is() {
    for (name, expected) in described() {
        let rendering = render(&corpus(&name)).await.unwrap();
        assert_eq!(
            (rendering.width, rendering.height, &rendering.mode),
            (expected.width, expected.height, &expected.mode),
            "{name}"
        );
        assert_eq!(name.rsplit('.').next().unwrap(), rendering.format.extension());
        let boxes: Vec<_> = rendering.thumbnails.iter().map(|thumbnail| thumbnail.box_side).collect();
        assert_eq!(boxes, THUMBNAIL_BOXES, "{name}");
        for (thumbnail, [width, height]) in rendering.thumbnails.iter().zip(expected.thumbnails) {
            let decoded = Decoded::of(thumbnail);
            let off = decoded.width.abs_diff(width).max(decoded.height.abs_diff(height));
            assert!(off <= 1, "{name} in {}: {}x{}", thumbnail.box_side, decoded.width, decoded.height);
        }
    }
}

#[tokio::test]
async fn every_thumbnail_has_the_colours_of_pillows_at_every_place() {
    for (name, expected) in described() {
        // Fewer pixels are too coarse for JPEG, and for fields.
        if expected.thumbnails[0].iter().min() < Some(&16) {
            continue;
        }
        let rendering = render(&corpus(&name)).await.unwrap();
        let fields: Vec<f64> = (0..expected.fields.len() / 2)
            .map(|n| u8::from_str_radix(&expected.fields[2 * n..2 * n + 2], 16).unwrap().into())
            .collect();
        for thumbnail in &rendering.thumbnails {
            let decoded = Decoded::of(thumbnail).fields(4);
            for (field, (ours, pillows)) in decoded.as_flattened().iter().zip(&fields).enumerate() {
                let off = (ours - pillows).abs();
                assert!(off <= 10.0, "{name} in {}, {field}: {ours} and {pillows}", thumbnail.box_side);
            }
        }
    }
}

#[tokio::test]
async fn thumbnails_are_like_pillows_to_the_eye() {
    for file in std::fs::read_dir(folder("corpus/references")).unwrap() {
        let reference = file.unwrap().path();
        // The name of a file, and the side of a box.
        let (name, side) = reference.file_stem().unwrap().to_str().unwrap().rsplit_once('.').unwrap();
        let rendering = render(&corpus(name)).await.unwrap();
        let thumbnail = rendering.thumbnails.iter().find(|thumbnail| thumbnail.box_side.to_string() == side);
        let pillows = Decoded::png(&std::fs::read(&reference).unwrap());
        let likeness = Decoded::of(thumbnail.unwrap()).likeness(&pillows);
        assert!(likeness >= 0.98, "{name} in {side}: {likeness}");
    }
}

#[tokio::test]
async fn a_thumbnail_is_a_png_where_the_image_has_transparency_and_a_jpeg_elsewhere() {
    for (name, expected) in described() {
        let transparent = ["RGBA", "LA"].contains(&expected.mode.as_str()) || name.contains("transparen");
        let format = if transparent { ImageFormat::Png } else { ImageFormat::Jpeg };
        for thumbnail in render(&corpus(&name)).await.unwrap().thumbnails {
            assert_eq!(thumbnail.format, format, "{name}");
        }
    }
}

#[tokio::test]
async fn thumbnails_have_no_metadata() {
    for name in ["orientation_6.jpg", "orientation_6.png", "orientation_6.webp"] {
        for thumbnail in render(&corpus(name)).await.unwrap().thumbnails {
            let holds = |what: &[u8]| thumbnail.bytes.windows(what.len()).any(|bytes| bytes == what);
            assert!(!holds(b"Exif") && !holds(b"eXIf"), "{name}");
        }
    }
}
