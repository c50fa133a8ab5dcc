//! Clients that waste connections: each is closed, whatever it does, and others are served meanwhile.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portfolio_testkit::{Client, Kind, Server, Site};
use serde_json::Value;

use crate::{PROGRAM, alone};

/// How many of each kind.
const EACH: usize = 10;
/// By then each is closed, however busy the machine is.
const LONGEST: Duration = Duration::from_secs(30);

const LOGO: &[u8] = include_bytes!("../http/images/logo.png");

/// Sends `first`, then a byte now and then, until it is closed; answers what came back.
fn drip(address: String, first: String) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let start = Instant::now();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(250))).unwrap();
        stream.write_all(first.as_bytes()).unwrap();
        let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match stream.read(&mut buffer) {
                Ok(length @ 1..) => answer.extend_from_slice(&buffer[..length]),
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                    assert!(start.elapsed() < LONGEST, "it is never closed: {first:?}");
                    // It may have been closed by now.
                    let _ = stream.write_all(b"a");
                }
                Ok(0) | Err(_) => return String::from_utf8(answer).unwrap(),
            }
        }
    })
}

/// Sends chunks without end, faster than anyone reads them; answers how many bytes there were.
fn flood(address: String, head: String) -> JoinHandle<usize> {
    std::thread::spawn(move || {
        let start = Instant::now();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = [&b"10000\r\n"[..], &vec![b' '; 0x10000], b"\r\n"].concat();
        let mut sent = 0;
        while stream.write_all(&chunk).is_ok() {
            assert!(start.elapsed() < LONGEST, "it is never closed, after {sent} bytes");
            sent += chunk.len();
        }
        sent
    })
}

/// Uploads an image of this many bytes; answers where its file is.
fn upload(client: &Client, key: &str, size: usize) -> String {
    let mut form =
        b"--limit\r\nContent-Disposition: form-data; name=\"f\"; filename=\"logo.png\"\r\n\r\n".to_vec();
    form.extend_from_slice(LOGO);
    form.resize(size, 0);
    form.extend_from_slice(b"\r\n--limit--\r\n");
    let token = format!("Token {key}");
    let headers =
        [("authorization", token.as_bytes()), ("content-type", b"multipart/form-data; boundary=limit")];
    let answer = client.send("POST", "/api/images", &headers, Some(&form)).unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    let image: Value = answer.json();
    format!("/media/{}", image["f"].as_str().unwrap().split_once("/media/").unwrap().1)
}

/// Asks for a file, and reads it at 60 kB a second; answers how many bytes came.
fn read_slowly(address: String, path: String) -> JoinHandle<usize> {
    std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let (mut read, mut buffer) = (0, [0; 6_000]);
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            read += length;
            std::thread::sleep(Duration::from_millis(100));
        }
        read
    })
}

/// How many sockets the process has open.
fn sockets(server: &Server) -> usize {
    let all = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    let links = all.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

#[test]
fn whoever_wastes_connections_is_closed_and_others_are_served() {
    let _alone = alone();
    let site = Site::new(PROGRAM, Kind::Sqlite).demo();
    let key = site.key("maryam", &["--admin"]);
    let server = site.serve_unready(&["--keep-alive", "1s"]);
    server.wait_until_ready();
    let honest = server.client();
    let (small, large) = (upload(&honest, &key, 1_500_000), upload(&honest, &key, 9_900_000));
    let before = sockets(&server);

    let patient = read_slowly(server.address().to_owned(), small);
    let start = Instant::now();
    let whole = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let head = "HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let (mut dripping, mut flooding, mut unread) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..EACH {
        let address = || server.address().to_owned();
        dripping.push((drip(address(), "GET /".to_owned()), "HTTP/1.1 408 "));
        dripping.push((drip(address(), format!("{whole}GET /")), "HTTP/1.1 200 "));
        let mut body = format!("PATCH /api/portfolios/employers/4 {head}Authorization: Token {key}\r\n");
        write!(body, "Content-Length: 1000\r\n\r\n").unwrap();
        dripping.push((drip(address(), body), "HTTP/1.1 408 "));
        // A 401, a 404 and a 405: answers that want nothing of the body.
        for line in ["POST /api/images", "POST /nowhere", "POST /healthz"] {
            flooding.push(flood(address(), format!("{line} {head}Transfer-Encoding: chunked\r\n\r\n")));
        }
        let mut stream = TcpStream::connect(server.address()).unwrap();
        write!(stream, "GET {large} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        unread.push(stream);
    }
    // Its last connection may be closed as unused at this very moment.
    let honest = server.client();
    // The patient client and the honest one may be there still.
    while sockets(&server) > before + 2 || dripping.iter().any(|(client, _)| !client.is_finished()) {
        assert_eq!(honest.patch(4, &key, "{}", &[]).unwrap().status, 200);
        assert!(start.elapsed() < LONGEST, "{} sockets, at first {before}", sockets(&server));
    }
    eprintln!("all were closed after {:?}", start.elapsed());
    for (client, answer) in dripping {
        let given = client.join().unwrap();
        assert!(given.starts_with(answer), "{given:?}, not {answer}");
    }
    for client in flooding {
        client.join().unwrap();
    }
    assert!(patient.join().unwrap() > 1_500_000, "whoever reads slowly gets all of it");
    drop(unread);
}

/// Or many of them would fill the machine's memory, which no figure of the process shows.
#[test]
fn the_kernel_keeps_little_for_whoever_reads_nothing() {
    let site = Site::new(PROGRAM, Kind::Sqlite).demo();
    let key = site.key("maryam", &["--admin"]);
    let server = site.serve();
    let honest = server.client();
    let large = upload(&honest, &key, 9_900_000);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(stream, "GET {large} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let start = Instant::now();
    let (mut before, mut now) = (0, 0);
    // Until the kernel takes no more of it.
    while now == 0 || now != before {
        assert!(start.elapsed() < LONGEST, "still growing at {now} bytes");
        std::thread::sleep(Duration::from_millis(500));
        (before, now) = (now, server.connections().iter().map(|kept| kept.unsent_bytes).max().unwrap());
    }
    assert!(now <= 256 * 1024, "{now} bytes");
}
