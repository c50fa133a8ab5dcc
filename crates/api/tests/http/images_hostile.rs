//! Uploads that are made to do harm, several at once.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use portfolio_testkit::{Kind, Server, Site};

use crate::PROGRAM;
use crate::images::{IMAGES, file};
use crate::stage::Stage;
use crate::wire::{Reply, exchange, request};

const TOO_LARGE: &str = r#"{"f":["The image is too large: at most 8192 pixels a side."]}"#;
const NO_IMAGE: &str =
    r#"{"f":["Upload a valid image. The file you uploaded was either not an image or a corrupted image."]}"#;

/// A server that keeps its temporary files in a folder of the site, so that what is left there can be seen.
fn stage() -> Stage {
    let site = Site::new(PROGRAM, Kind::Sqlite).demo();
    let key = site.key("uploader", &["--admin"]);
    let temporary = site.folder().join("temporary");
    fs::create_dir(&temporary).unwrap();
    let mut command = site.command(&["serve", "--bind", "127.0.0.1:0"]);
    let server = Server::start(command.env("LOG_FORMAT", "json").env("TMPDIR", temporary));
    server.wait_until_ready();
    Stage { server, site, key }
}

/// Fails unless the files of `images` images are all that uploads have left.
#[track_caller]
fn assert_only_files_of(stage: &Stage, images: usize) {
    assert_eq!(stage.files().len(), 5 * images);
    let temporary: Vec<_> = fs::read_dir(stage.site.folder().join("temporary")).unwrap().collect();
    assert!(temporary.is_empty(), "{temporary:?}");
}

/// A PNG of black pixels, red, green and blue; its data is as long as that of so many `rows`.
fn png(width: u32, height: u32, rows: u32) -> Vec<u8> {
    let mut data = ZlibEncoder::new(Vec::new(), Compression::fast());
    let row = vec![0; 1 + width as usize * 3];
    (0..rows).for_each(|_| data.write_all(&row).unwrap());
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [(b"IHDR", head), (b"IDAT", data.finish().unwrap()), (b"IEND", Vec::new())] {
        let mut checksum = Crc::new();
        checksum.update(kind);
        checksum.update(&data);
        file.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        file.extend([&kind[..], &data, &checksum.sum().to_be_bytes()].concat());
    }
    file
}

/// A progressive JPEG of three components, all grey: one scan, of one bit a block. To decode it takes more
/// memory than any other image of its size.
fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let blocks = usize::from(width.div_ceil(8)) * usize::from(height.div_ceil(8)) * 3;
    let mut file = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    file.extend([1; 64]);
    file.extend([0xff, 0xc2, 0, 17, 8]);
    file.extend([height.to_be_bytes(), width.to_be_bytes()].concat());
    file.extend([3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    // One code, of one bit: no difference to the block before.
    file.extend([0xff, 0xc4, 0, 20, 0, 1]);
    file.extend([0; 16]);
    file.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 0, 0]);
    // Of one that is too large, a part will do.
    file.resize(file.len() + blocks.div_ceil(8).min(1 << 20), 0);
    file.extend([0xff, 0xd9]);
    file
}

/// A lossless WebP with alpha: five codes of one value each, so that its pixels take no bit at all.
fn webp(width: u32, height: u32) -> Vec<u8> {
    let head = (width - 1) | (height - 1) << 14 | 1 << 28;
    let mut file = b"RIFF\x1c\0\0\0WEBPVP8L\x10\0\0\0\x2f".to_vec();
    file.extend(head.to_le_bytes());
    // No transformation, no cache, no groups (a bit each), and five times 1000, from the lowest bit up.
    file.extend([0b1000_1000, 0b1000_1000, 0b1000, 0, 0, 0, 0, 0, 0, 0, 0]);
    file
}

/// A GIF of one pixel, so many times.
fn gif(frames: usize) -> Vec<u8> {
    let mut file = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
    file.extend(b",\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0".repeat(frames));
    file.push(b';');
    file
}

/// The most memory that the server ever had, in bytes, as Linux tells it.
fn peak(stage: &Stage) -> u64 {
    let status = fs::read_to_string(Path::new("/proc").join(stage.server.pid().to_string()).join("status"));
    let status = status.unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn eight_of_the_largest_images_and_bombs_at_once_stay_below_400_mb_and_leave_nothing() {
    let stage = stage();
    let many_frames = r#"{"f":["The image has too many frames: at most 1000."]}"#;
    let uploads = [
        (jpeg(8192, 5461), None),
        (png(8192, 5461, 5461), None),
        (webp(8192, 4096), None),
        (jpeg(5461, 8192), None),
        (png(60_000, 60_000, 1000), Some(TOO_LARGE)),
        (jpeg(60_000, 60_000), Some(TOO_LARGE)),
        (png(8192, 5461, 100), Some(NO_IMAGE)),
        (gif(5000), Some(many_frames)),
    ];
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let send = |content| stage.upload(&[(&file("a.png"), content)]);
        let started: Vec<_> = uploads.iter().map(|(content, _)| scope.spawn(move || send(content))).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for ((_, refusal), reply) in uploads.iter().zip(&replies) {
        match refusal {
            None => assert_eq!(reply.status, 201, "{reply:?}"),
            Some(answer) => reply.assert(400, answer),
        }
    }
    if cfg!(target_os = "linux") {
        let peak = peak(&stage);
        assert!(peak < 400_000_000, "{peak} bytes");
    }
    assert_only_files_of(&stage, 4);
}

/// The head of an upload, of which `length` bytes are promised.
fn head(stage: &Stage, length: &str) -> Vec<u8> {
    let token = format!("Token {}", stage.key);
    let headers = [
        ("Authorization", token.as_bytes()),
        ("Content-Type", b"multipart/form-data; boundary=limit"),
        ("Content-Length", length.as_bytes()),
    ];
    request("POST", IMAGES, &headers, None)
}

#[test]
fn ten_gigabytes_are_refused_before_they_come() {
    let stage = stage();
    exchange(&stage.server, &head(&stage, "10737418240")).assert_detail(413, "Request body is too large.");
    assert_only_files_of(&stage, 0);
}

/// As far as a file may go, and a byte further: a chunk that decoders pass over makes it so long.
#[test]
fn a_file_of_ten_mebibytes_is_taken_and_one_byte_more_is_not() {
    const LIMIT: usize = 10 * 1024 * 1024;
    let stage = stage();
    let image = png(10, 10, 10);
    let padded = |length: usize| {
        let padding = vec![0; length - image.len() - 12];
        let mut checksum = Crc::new();
        checksum.update(b"paDd");
        checksum.update(&padding);
        let (start, end) = image.split_at(image.len() - 12);
        let size = u32::try_from(padding.len()).unwrap().to_be_bytes();
        [start, &size, b"paDd", &padding, &checksum.sum().to_be_bytes(), end].concat()
    };
    let taken = stage.upload(&[(&file("a.png"), &padded(LIMIT))]);
    assert_eq!((taken.status, taken.json()["size"].as_u64()), (201, Some(LIMIT as u64)), "{taken:?}");
    stage.upload(&[(&file("a.png"), &padded(LIMIT + 1))]).assert_detail(413, "Request body is too large.");
    assert_only_files_of(&stage, 1);
}

/// A form of which nobody says how long it is has no more room than another one.
#[test]
fn files_that_are_too_long_together_are_refused_though_their_length_was_not_told() {
    let stage = stage();
    let token = format!("Token {}", stage.key);
    let headers = [
        ("Authorization", token.as_bytes()),
        ("Content-Type", b"multipart/form-data; boundary=limit"),
        ("Transfer-Encoding", b"chunked"),
    ];
    let upload = |files: usize| {
        let mut image = png(10, 10, 10);
        image.resize(4 * 1024 * 1024, 0);
        let head = format!("--limit\r\nContent-Disposition: form-data; {}\r\n\r\n", file("a.png"));
        let mut body = [head.as_bytes(), &image, b"\r\n"].concat().repeat(files);
        body.extend(b"--limit--\r\n");
        let mut request = request("POST", IMAGES, &headers, None);
        for chunk in body.chunks(100_000) {
            request.extend([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        request.extend(b"0\r\n\r\n");
        exchange(&stage.server, &request)
    };
    let two = upload(2);
    assert_eq!(two.status, 201, "{two:?}");
    upload(3).assert_detail(413, "Request body is too large.");
    assert_only_files_of(&stage, 1);
}

/// Of those who may not upload, nothing is waited for: not one byte of their files comes here.
#[test]
fn who_may_not_upload_is_told_so_before_the_file_comes() {
    let stage = stage();
    let stranger = format!("Token {}", stage.stranger());
    for (authorization, status) in [("Token pf_nobody", 401), (&*stranger, 403)] {
        let headers = [
            ("Authorization", authorization.as_bytes()),
            ("Content-Type", b"multipart/form-data; boundary=limit"),
            ("Content-Length", b"5000000"),
        ];
        let reply = exchange(&stage.server, &request("POST", IMAGES, &headers, None));
        assert_eq!(reply.status, status, "{reply:?}");
    }
    assert_only_files_of(&stage, 0);
}

#[test]
fn a_file_that_stops_coming_is_a_408_and_leaves_nothing() {
    let stage = stage();
    let start = format!("--limit\r\nContent-Disposition: form-data; {}\r\n\r\n", file("a.png"));
    let sent = [&head(&stage, "5000")[..], start.as_bytes(), &png(10, 10, 10)[..30]].concat();
    let reply = exchange(&stage.server, &sent);
    assert_eq!(reply.status, 408, "{reply:?}");
    assert_only_files_of(&stage, 0);
}
