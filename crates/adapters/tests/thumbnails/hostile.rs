//! Files made to do harm.

use std::ops::Range;
use std::time::{Duration, Instant};

use portfolio_domain::image::MAX_FILE_SIZE;
use portfolio_domain::ports::RenderError;
use rstest::rstest;

use crate::{corpus, render};

/// Long enough for a slow machine, and a fraction of what a bomb would take.
const SOON: Duration = Duration::from_secs(20);

fn png_chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut hash = crc(u32::MAX, &kind);
    hash = !crc(hash, data);
    let length = u32::try_from(data.len()).unwrap();
    [&length.to_be_bytes()[..], &kind, data, &hash.to_be_bytes()].concat()
}

fn crc(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |hash, byte| {
        (0..8).fold(hash ^ u32::from(*byte), |hash, _| hash >> 1 ^ (0xedb8_8320 * (hash & 1)))
    })
}

pub(crate) fn png(width: u32, height: u32, depth: u8, color: u8, before: &[u8], data: &[u8]) -> Vec<u8> {
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, color, 0, 0, 0]].concat();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    file.extend(png_chunk(*b"IHDR", &head));
    file.extend(before);
    file.extend(png_chunk(*b"IDAT", data));
    file.extend(png_chunk(*b"IEND", b""));
    file
}

/// So many zeros, as zlib writes them.
fn zeros(number: usize) -> Vec<u8> {
    let mut writer = fdeflate::Compressor::new(Vec::new()).unwrap();
    let block = vec![0; 1 << 20];
    let mut left = number;
    while left > 0 {
        let length = left.min(block.len());
        writer.write_data(&block[..length]).unwrap();
        left -= length;
    }
    writer.finish().unwrap()
}

async fn refused(bytes: &[u8], expected: RenderError, what: &str) {
    let start = Instant::now();
    assert_eq!(render(bytes).await.map(|_| ()), Err(expected), "{what}");
    assert!(start.elapsed() < SOON, "{what} took {:?}", start.elapsed());
}

#[tokio::test]
async fn what_is_no_image_of_a_format_that_is_taken_is_refused() {
    let others: [&[u8]; 12] = [
        b"",
        b"\xff",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\x04\0\0\0WEBP",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!doctype html><script>alert(1)</script>",
        b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0\0\0\0\0",
        b"II*\0\x08\0\0\0\0\0",
        b"\0\0\0\x1cftypavif",
        b"%PDF-1.7",
    ];
    for bytes in others {
        refused(bytes, RenderError::NotAnImage, &String::from_utf8_lossy(bytes)).await;
    }
}

#[rstest]
#[tokio::test]
async fn a_file_that_was_cut_short_anywhere_is_refused(
    #[values(
        "RGB.jpg",
        "progressive.jpg",
        "CMYK.jpg",
        "orientation_6.jpg",
        "RGB.png",
        "RGBA_16.png",
        "1.png",
        "interlaced_RGB.png",
        "P.gif",
        "animated.gif",
        "with_transparency.gif",
        "lossy.webp",
        "lossless.webp",
        "lossy_with_alpha.webp",
        "lossless_with_alpha.webp",
        "orientation_6.webp",
        "animated.webp"
    )]
    name: &str,
) {
    let whole = corpus(name);
    let inside = (1..16).map(|parts| whole.len() * parts / 16);
    for length in inside.chain([whole.len() - 2, whole.len() - 1]) {
        refused(&whole[..length], RenderError::NotAnImage, &format!("{length} bytes of {name}")).await;
    }
}

#[rstest]
#[tokio::test]
async fn a_file_with_a_broken_byte_is_rendered_or_refused(
    #[values(
        "RGB.jpg",
        "progressive_CMYK.jpg",
        "P_4.png",
        "interlaced_RGB.png",
        "frame_smaller_than_its_screen.gif",
        "lossless_with_alpha.webp",
        "animated_with_alpha.webp",
        "orientation_6.webp"
    )]
    name: &str,
) {
    let whole = corpus(name);
    for place in (0..whole.len()).step_by(whole.len() / 150 + 1) {
        let mut broken = whole.clone();
        broken[place] ^= 0xff;
        match render(&broken).await {
            Ok(_) | Err(RenderError::NotAnImage | RenderError::TooLarge) => {}
            Err(error) => panic!("{name}, byte {place}: {error}"),
        }
    }
}

#[tokio::test]
async fn more_than_8192_pixels_a_side_are_refused_before_anything_is_decoded() {
    let mut jpeg = corpus("RGB.jpg");
    let frame = jpeg.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9]
        .copy_from_slice(&[60_000_u16.to_be_bytes(), 60_000_u16.to_be_bytes()].concat());
    refused(&jpeg, RenderError::TooLarge, "jpeg").await;
    refused(&png(60_000, 60_000, 8, 2, b"", &zeros(10)), RenderError::TooLarge, "png").await;
    refused(&png(8193, 1, 8, 0, b"", &zeros(10)), RenderError::TooLarge, "one pixel more").await;
    let mut gif = corpus("P.gif");
    gif[6..10].copy_from_slice(&[60_000_u16.to_le_bytes(), 60_000_u16.to_le_bytes()].concat());
    refused(&gif, RenderError::TooLarge, "gif").await;
    let mut webp = corpus("orientation_6.webp");
    webp[24..30].copy_from_slice(&[0x5f, 0xea, 0, 0x5f, 0xea, 0]);
    refused(&webp, RenderError::TooLarge, "webp").await;
}

#[tokio::test]
async fn more_than_128_mib_decoded_are_refused_and_less_is_rendered_in_little_memory() {
    refused(&png(8192, 8192, 8, 2, b"", &zeros(1000)), RenderError::TooLarge, "192 MiB").await;
    let largest = png(8192, 8192, 8, 0, b"", &zeros(8193 * 8192));
    assert_eq!(render(&largest).await.unwrap().mode, "L");
}

#[tokio::test]
async fn an_image_without_a_side_is_refused() {
    refused(&png(0, 5, 8, 0, b"", &zeros(5)), RenderError::NotAnImage, "png").await;
    let mut gif = corpus("P.gif");
    gif[6..10].fill(0);
    // The frame still has a size, and it is the frame that is seen.
    assert_eq!(render(&gif).await.unwrap().width, 78);
}

#[tokio::test]
async fn an_image_whose_data_is_too_short_or_far_too_long_ends_soon() {
    refused(&png(100, 100, 8, 0, b"", &zeros(100)), RenderError::NotAnImage, "too short").await;
    let start = Instant::now();
    let _ = render(&png(100, 100, 8, 0, b"", &zeros(1 << 28))).await;
    assert!(start.elapsed() < SOON);
}

#[rstest]
#[case(*b"iCCP", b"name\0\0")]
#[case(*b"zTXt", b"name\0\0")]
#[case(*b"iTXt", b"name\0\x01\0\0\0")]
#[tokio::test]
async fn a_bomb_in_what_is_no_pixel_does_not_go_off(#[case] kind: [u8; 4], #[case] head: &[u8]) {
    let bomb = png_chunk(kind, &[head, &zeros(1 << 28)].concat());
    let start = Instant::now();
    let rendered = render(&png(10, 10, 8, 0, &bomb, &zeros(110))).await;
    assert_eq!(rendered.unwrap().width, 10);
    assert!(start.elapsed() < SOON);
}

#[tokio::test]
async fn a_chunk_that_fails_its_checksum_is_refused_where_it_matters() {
    let mut file = corpus("RGB.png");
    let data = file.windows(4).position(|bytes| bytes == b"IDAT").unwrap();
    let length = u32::from_be_bytes(file[data - 4..data].try_into().unwrap()) as usize;
    file[data + 4 + length] ^= 1;
    refused(&file, RenderError::NotAnImage, "IDAT").await;
}

/// `file` with what lies in `frames` said so many times instead of once.
fn repeated(file: &[u8], frames: Range<usize>, times: usize) -> Vec<u8> {
    let many = file[frames.clone()].repeat(times);
    [&file[..frames.start], &many, &file[frames.end..]].concat()
}

/// A GIF and a WebP of `frames` frames, and a PNG that says that it has as many.
fn animations(frames: usize) -> [Vec<u8>; 3] {
    let gif = corpus("P.gif");
    let screen = 13 + 3 * (2 << (gif[10] & 7));
    let gif = repeated(&gif, screen..gif.len() - 1, frames);

    let webp = corpus("animated.webp");
    let first = webp.windows(4).position(|bytes| bytes == b"ANMF").unwrap();
    let length = u32::from_le_bytes(webp[first + 4..first + 8].try_into().unwrap()) as usize;
    let frame = first..first + 8 + length.next_multiple_of(2);
    let mut webp = repeated(&webp[..frame.end], frame, frames);
    let length = u32::try_from(webp.len() - 8).unwrap();
    webp[4..8].copy_from_slice(&length.to_le_bytes());

    let control: Vec<u8> = (0..u32::try_from(frames).unwrap())
        .flat_map(|number| png_chunk(*b"fcTL", &[&number.to_be_bytes()[..], &[0; 22]].concat()))
        .collect();
    let said = u32::try_from(frames).unwrap().to_be_bytes();
    let before = [png_chunk(*b"acTL", &[said, [0; 4]].concat()), control].concat();
    [gif, webp, png(10, 10, 8, 0, &before, &zeros(110))]
}

#[tokio::test]
async fn of_a_thousand_frames_one_is_decoded_and_of_more_none() {
    let [gif, webp, _] = animations(1000);
    for (many, one) in [(gif, "P.gif"), (webp, "animated.webp")] {
        assert!(many.len() as u64 <= MAX_FILE_SIZE.0);
        let start = Instant::now();
        assert_eq!(render(&many).await, render(&corpus(one)).await, "{one}");
        assert!(start.elapsed() < SOON);
    }
    for frames in [1001, 5000] {
        for (many, kind) in animations(frames).iter().zip(["gif", "webp", "png"]) {
            refused(many, RenderError::TooManyFrames, &format!("{frames} frames of {kind}")).await;
        }
    }
}

#[tokio::test]
async fn a_progressive_image_of_endless_scans_is_refused() {
    let file = corpus("progressive.jpg");
    let last = file.windows(2).rposition(|bytes| bytes == [0xff, 0xda]).unwrap();
    let scan = &file[last..file.len() - 2];
    let mut endless = file[..file.len() - 2].to_vec();
    for _ in 0..10_000 {
        endless.extend(scan);
    }
    endless.extend([0xff, 0xd9]);
    endless.truncate(usize::try_from(MAX_FILE_SIZE.0).unwrap());
    refused(&endless, RenderError::NotAnImage, "scans").await;
}

#[tokio::test]
async fn a_file_that_is_too_long_is_refused() {
    let mut file = corpus("RGB.jpg");
    file.resize(usize::try_from(MAX_FILE_SIZE.0).unwrap() + 1, 0);
    refused(&file, RenderError::TooLarge, "one byte more").await;
    file.pop();
    // What follows the image is none of it.
    render(&file).await.unwrap();
}

#[tokio::test]
async fn an_image_is_told_by_its_content_and_may_be_followed_by_anything() {
    for kind in ["jpg", "png", "gif", "webp"] {
        let mut image = corpus(&format!("64x65.{kind}"));
        image.extend(b"<html><script>alert(1)</script></html>");
        assert_eq!(render(&image).await.unwrap().format.extension(), kind);
    }
}

/// A directory of so many pointers to others, of which each begins in an entry of the one before, and all have as many
/// entries as a number of two bytes can tell.
fn overlapping_directories(pointers: u16) -> Vec<u8> {
    const ENTRIES: u32 = u16::MAX as u32;
    let entry = |tag: u16, kind: u16, value: u32| {
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &1_u32.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    let mut exif = b"II*\0\x08\0\0\0".to_vec();
    exif.extend((pointers + 1).to_le_bytes());
    let entries = 10 + 12 * (u32::from(pointers) + 1);
    for number in 0..u32::from(pointers) {
        exif.extend(entry(0x8769, 4, entries + 12 * number + 10));
    }
    exif.extend(entry(0x0112, 3, 6));
    exif.extend(entry(9000, 1, 0xffff_0000).repeat((u32::from(pointers) + ENTRIES + 1) as usize));
    exif
}

/// The most memory that this process ever had, in bytes, as Linux tells it; elsewhere nothing is told.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let told = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    told.map_or(0, |told| told.parse::<u64>().unwrap() * 1024)
}

#[tokio::test]
async fn directories_of_exif_that_overlap_are_not_walked() {
    let exif = overlapping_directories(1000);
    let start = Instant::now();
    let rendered = render(&png(10, 20, 8, 0, &png_chunk(*b"eXIf", &exif), &zeros(11 * 20))).await.unwrap();
    // It is turned nevertheless.
    assert_eq!((rendered.width, rendered.height), (20, 10));
    // All tests of this process together have a fraction of that.
    assert!(peak() < 1_000_000_000, "{} bytes", peak());
    assert!(start.elapsed() < SOON);
}

/// A GIF of one pixel that has a zero before its first frame. To a decoder that takes the zero for an extension,
/// the first frame is one of `side` pixels a side, which lies in the data of what others take for the first.
fn two_faced_gif(side: u16) -> Vec<u8> {
    let [low, high] = side.to_le_bytes();
    let mut hidden = vec![0; 33];
    hidden.extend([0, b',', 0, 0, 0, 0, low, high, low, high, 0, 2, 2, 0x44, 1, 0, b';']);
    let mut file = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
    file.extend(b"\0,\0\0\0\0\x01\0\x01\0\0\x02");
    file.push(u8::try_from(hidden.len()).unwrap());
    file.extend(hidden);
    file.extend([0, b';']);
    file
}

#[tokio::test]
async fn a_gif_whose_first_frame_is_another_to_its_decoder_is_refused() {
    for side in [1, 2, u16::MAX] {
        refused(&two_faced_gif(side), RenderError::NotAnImage, &format!("{side}x{side}")).await;
    }
    // Behind the first frame it is filling.
    let mut filled = corpus("P.gif");
    filled.insert(filled.len() - 1, 0);
    assert_eq!(render(&filled).await, render(&corpus("P.gif")).await);
}
