//! Bodies that come slowly, never end, or are sent to someone who does not want them.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use portfolio_testkit::{Kind, Server, Site};
use rstest::rstest;

use crate::PROGRAM;

fn head(key: &str, framing: &str) -> String {
    format!(
        "PATCH /api/portfolios/employers/4 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Token {key}\r\n\
         Content-Type: application/json\r\n{framing}\r\n\r\n"
    )
}

/// Sends a byte of a body every quarter of a second, or none at all, until the server has closed.
fn drip(server: &Server, key: &str, drop: &[u8]) -> (String, Duration) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(250))).unwrap();
    stream.write_all(head(key, "Content-Length: 1000").as_bytes()).unwrap();
    let start = Instant::now();
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                assert!(start.elapsed() < Duration::from_secs(30), "the server waits for ever");
                // It may have closed by now.
                let _ = stream.write_all(drop);
            }
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&answer)),
        }
    }
    (String::from_utf8(answer).unwrap(), start.elapsed())
}

#[rstest]
#[case::dripped(b" ")]
#[case::silent(b"")]
fn a_body_that_never_ends_is_a_408_after_ten_seconds(#[case] drop: &[u8]) {
    let site = Site::new(PROGRAM, Kind::Sqlite).demo();
    let key = site.key("maryam", &["--permission", "4223"]);
    let server = site.serve();
    let (answer, took) = drip(&server, &key, drop);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.to_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n{\"detail\":\"Request timed out.\"}"), "{answer}");
    assert!((9.5..15.0).contains(&took.as_secs_f64()), "closed after {took:?}");
    assert_eq!(server.patch(4, &key, "{}").status, 200);
}

/// Sends `bytes` at once, or in two parts, the second when the answer has already come; answers what came
/// back by the end of it, and the rest of the answer up to `end`.
fn send_all(server: &Server, bytes: &[u8], first: usize, end: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (first, second) = bytes.split_at(first.min(bytes.len()));
    // The server may have closed; the client of a plain library notices only when it reads.
    let _ = stream.write_all(first);
    if !second.is_empty() {
        // As over a slow uplink.
        assert!(stream.peek(&mut [0]).is_ok_and(|length| length > 0), "no answer while the body is sent");
        let _ = stream.write_all(second);
    }
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while !answer.ends_with(end.as_bytes())
        && let Ok(length @ 1..) = stream.read(&mut buffer)
    {
        answer.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(answer).unwrap()
}

#[rstest]
fn a_client_that_sends_too_much_still_gets_its_whole_answer(
    #[values("with a key", "without")] who: &str,
    #[values("announced", "chunked")] how: &str,
    #[values(usize::MAX, 512 * 1024)] first: usize,
) {
    const TIMES: usize = 10;
    let site = Site::new(PROGRAM, Kind::Sqlite).demo();
    let key = site.key("maryam", &["--permission", "4223"]);
    let (key, status, detail) = match who {
        "without" => ("pf_unknown", "401 Unauthorized", "Invalid token."),
        _ => (key.as_str(), "413 Payload Too Large", "Request body is too large."),
    };
    let body = vec![b' '; 3 * 1024 * 1024];
    let announced = format!("Content-Length: {}", body.len());
    let chunk = format!("{:x}\r\n", body.len());
    let bytes = match how {
        "announced" => [head(key, &announced).as_bytes(), &body].concat(),
        _ => [head(key, "Transfer-Encoding: chunked").as_bytes(), chunk.as_bytes(), &body, b"\r\n0\r\n\r\n"]
            .concat(),
    };
    let end = format!("{{\"detail\":\"{detail}\"}}");
    let server = site.serve();
    for time in 1..=TIMES {
        let answer = send_all(&server, &bytes, first, &end);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "time {time}: {answer:?}");
        assert!(answer.ends_with(&end), "time {time}: {answer:?}");
    }
}
