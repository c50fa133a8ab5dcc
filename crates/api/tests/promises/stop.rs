//! A service that is told to stop finishes what it has begun, and loses nobody's request.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use portfolio_testkit::{Client, Kind, Server, Site};
use rstest::rstest;
use serde_json::json;

use crate::{LONGEST_ANSWER, PROGRAM};

const LOGO: &[u8] = include_bytes!("../http/images/logo.png");

fn signal(server: &Server, signal: &str) {
    assert!(Command::new("kill").args([signal, &server.pid().to_string()]).status().unwrap().success());
}

/// Tells it to stop, and waits until it has understood.
fn tell(server: &Server, with: &str) {
    signal(server, with);
    let _ = server.logged(|event| event["message"] == "stopping");
}

/// Begins a change that waits for its body.
fn begin(server: &Server, key: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(
        stream,
        "PATCH /api/portfolios/employers/4 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Token {key}\r\n\
         Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    // Asked to go on, the client knows that its request has begun.
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[rstest]
fn told_to_stop_it_answers_the_request_it_has_begun_and_ends_with_0(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[values("-TERM", "-INT")] signal: &str,
) {
    let site = Site::new(PROGRAM, kind).demo();
    let key = site.key("maryam", &["--permission", "4223"]);
    let mut server = site.serve();
    let body = r#"{"description": "after the signal"}"#;
    let mut stream = begin(&server, &key, body);
    tell(&server, signal);
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains(r#""description":"after the signal""#), "{answer}");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn told_to_stop_it_ends_even_while_it_waits_for_the_migrations_of_another() {
    let site = Site::new(PROGRAM, Kind::Postgres);
    let mut other = PgConnection::establish(site.database_url()).unwrap();
    other.batch_execute("SELECT pg_advisory_lock(4223001)").unwrap();
    let mut server = site.serve_unready(&[]);
    let waits = "SELECT 'line' AS line FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while site.lines(waits).is_empty() {
        std::thread::yield_now();
    }
    // Its client keeps a connection.
    let told = Instant::now();
    let kept = TcpStream::connect(server.address()).unwrap();
    tell(&server, "-TERM");
    assert_eq!(server.wait(), Some(0), "the lock is still held, and it has ended");
    assert!(told.elapsed() < LONGEST_ANSWER, "it took {:?}", told.elapsed());
    drop((other, kept));
}

#[test]
fn while_it_stops_it_is_unready_and_serves_but_each_answer_is_the_last_of_its_connection() {
    let site = Site::new(PROGRAM, Kind::Sqlite).demo();
    let key = site.key("maryam", &["--permission", "4223"]);
    let mut server = site.serve();
    // As long as a client has not gone, it serves; also those who come only now.
    let kept = TcpStream::connect(server.address()).unwrap();
    tell(&server, "-TERM");
    for client in [server.client(), server.client()] {
        let unready = client.send("GET", "/readyz", &[], None).unwrap();
        unready.assert(503, &json!({ "detail": "The service is stopping." }));
        let changed = client.patch(4, &key, "{}", &[]).unwrap();
        let refused = client.patch(4, "pf_unknown", "{}", &[]).unwrap();
        assert_eq!([changed.status, refused.status], [200, 401]);
        for answer in [unready, changed, refused] {
            assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
        }
    }
    drop(kept);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn an_upload_of_ten_megabytes_ends_though_the_service_was_told_to_stop() {
    let site = Site::new(PROGRAM, Kind::Sqlite).demo();
    let key = site.key("maryam", &["--admin"]);
    let mut server = site.serve();
    let mut form =
        b"--limit\r\nContent-Disposition: form-data; name=\"f\"; filename=\"logo.png\"\r\n\r\n".to_vec();
    // What follows the image in its file is kept, and of no interest.
    form.extend_from_slice(LOGO);
    form.resize(10_000_000, 0);
    form.extend_from_slice(b"\r\n--limit--\r\n");
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(
        stream,
        "POST /api/images HTTP/1.1\r\nHost: localhost\r\nAuthorization: Token {key}\r\n\
         Content-Type: multipart/form-data; boundary=limit\r\nContent-Length: {}\r\n\r\n",
        form.len()
    )
    .unwrap();
    let (first, rest) = form.split_at(form.len() / 2);
    stream.write_all(first).unwrap();
    tell(&server, "-TERM");
    stream.write_all(rest).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn told_twice_it_ends_at_once() {
    let site = Site::new(PROGRAM, Kind::Sqlite).demo();
    let key = site.key("maryam", &["--permission", "4223"]);
    let mut server = site.serve();
    let mut under_way = begin(&server, &key, "{}");
    tell(&server, "-TERM");
    let told = Instant::now();
    signal(&server, "-INT");
    assert_eq!(server.wait(), Some(1));
    assert!(told.elapsed() < Duration::from_secs(5), "it took {:?}", told.elapsed());
    let mut answer = String::new();
    assert!(under_way.read_to_string(&mut answer).is_err() || answer.is_empty(), "{answer}");
}

/// Sends one request over a connection that is kept; answers the status, and whether the answer is its last one.
fn ask(stream: &mut BufReader<TcpStream>, key: &str) -> std::io::Result<(String, bool)> {
    let get = format!(
        "GET /api/portfolios/employers/4 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Token {key}\r\n\r\n"
    );
    stream.get_mut().write_all(get.as_bytes())?;
    let (mut status, mut last, mut length) = (String::new(), false, 0);
    stream.read_line(&mut status)?;
    loop {
        let mut field = String::new();
        if stream.read_line(&mut field)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let field = field.trim_end().to_ascii_lowercase();
        match field.split_once(": ") {
            None => break,
            Some(("connection", "close")) => last = true,
            Some(("content-length", value)) => length = value.parse().unwrap(),
            Some(_) => {}
        }
    }
    stream.read_exact(&mut vec![0; length])?;
    Ok((status, last))
}

/// Clients that keep their connection until they are told to close it, and one that opens one for every request and
/// heeds `/readyz`, as a load balancer does.
#[test]
fn nobody_loses_a_request_when_one_instance_takes_over_from_another() {
    const CLIENTS: usize = 8;
    const EACH: usize = 25;
    /// Whatever takes longer hangs.
    const PATIENCE: Duration = Duration::from_secs(60);
    let site = Site::new(PROGRAM, Kind::Sqlite).demo();
    let key = site.key("maryam", &["--admin"]);
    let (mut old, new) = (site.serve(), site.serve());
    let addresses = [old.address().to_owned(), new.address().to_owned()];
    let start = Instant::now();
    let (asked_old, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|threads| {
        for _ in 0..CLIENTS {
            threads.spawn(|| {
                let connect = |at: usize| BufReader::new(TcpStream::connect(&addresses[at]).unwrap());
                let (mut at, mut stream, mut of_new) = (0, connect(0), 0);
                while of_new < EACH {
                    let (status, last) = ask(&mut stream, &key).unwrap();
                    assert_eq!(status, "HTTP/1.1 200 OK\r\n");
                    asked_old.fetch_add(1 - at, Ordering::Relaxed);
                    of_new += at;
                    if last {
                        at = 1;
                        stream = connect(at);
                    }
                }
            });
        }
        threads.spawn(|| {
            let mut at = 0;
            while at == 0 || !ended.load(Ordering::Relaxed) {
                assert!(start.elapsed() < PATIENCE, "it asks number {at} for ever");
                if Client::new(&addresses[at]).send("GET", "/readyz", &[], None).unwrap().status != 200 {
                    assert_eq!(at, 0, "the new one is ready");
                    at = 1;
                }
                let answer = Client::new(&addresses[at]).patch(4, &key, "{}", &[]).unwrap();
                assert_eq!(answer.status, 200);
            }
        });
        while asked_old.load(Ordering::Relaxed) < CLIENTS * EACH {
            assert!(start.elapsed() < PATIENCE, "the clients are not served");
            std::thread::yield_now();
        }
        tell(&old, "-TERM");
        assert_eq!(old.wait(), Some(0));
        ended.store(true, Ordering::Relaxed);
    });
}
