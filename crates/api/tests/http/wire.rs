//! HTTP as bytes, for requests that no well-behaved client sends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use portfolio_testkit::Server;
use serde_json::{Value, json};

/// One answer, read as its head says, so that a connection that stays open does not matter.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// The body as it came, which need not be text.
    pub(crate) bytes: Vec<u8>,
}

impl Reply {
    /// A header, by its name in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Fails unless the answer is this, to the byte, and JSON.
    #[track_caller]
    pub(crate) fn assert(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.body.as_str()), (status, body));
        self.json();
    }

    /// Fails unless the answer is an error about the whole request with this text.
    #[track_caller]
    pub(crate) fn assert_detail(&self, status: u16, text: &str) {
        self.assert(status, &json!({ "detail": text }).to_string());
    }

    /// Fails unless the answer calls the body no JSON, and says what is wrong with it, and where.
    #[track_caller]
    pub(crate) fn assert_json_error(&self, what: &str) {
        let text = self.json()["detail"].as_str().unwrap_or_default().to_owned();
        let complaint =
            text.strip_prefix("JSON parse error - ").and_then(|rest| rest.rsplit_once(" at line "));
        let place = complaint.and_then(|(_, place)| place.split_once(" column "));
        let is_number = |digits: &str| digits.parse::<u32>().is_ok();
        let told = place.is_some_and(|(line, column)| is_number(line) && is_number(column));
        assert!(self.status == 400 && told, "{what}: {self:?}");
    }
}

/// Writes these bytes to a connection of its own, and reads one answer, however much of the bytes the
/// server wanted to have.
pub(crate) fn exchange(server: &Server, bytes: &[u8]) -> Reply {
    converse(server, bytes, false)
}

/// The same, and says that no more bytes will come.
pub(crate) fn exchange_and_stop(server: &Server, bytes: &[u8]) -> Reply {
    converse(server, bytes, true)
}

fn converse(server: &Server, bytes: &[u8], stop: bool) -> Reply {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // The server may answer, and close, before all is written.
            let _ = writer.write_all(bytes);
            if stop {
                let _ = writer.shutdown(Shutdown::Write);
            }
        });
        read(&mut reader, bytes.starts_with(b"HEAD "))
    })
}

fn read(reader: &mut BufReader<TcpStream>, no_body: bool) -> Reply {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let mut lines = head.iter();
    let status = lines.next().expect("an answer").split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<_> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut reply = Reply { status, headers, body: String::new(), bytes: Vec::new() };
    let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; if no_body { 0 } else { length }];
    reader.read_exact(&mut body).unwrap();
    reply.body = String::from_utf8_lossy(&body).into_owned();
    reply.bytes = body;
    reply
}

/// A request with its length, or without body.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &[u8])], body: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: portfolio\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    if let Some(body) = body {
        bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend(body);
    } else {
        bytes.extend(b"\r\n");
    }
    bytes
}
