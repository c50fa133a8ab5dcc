//! E25: clients that waste connections: a first head, a second one or a body that never ends, and answers that nobody
//! reads.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use portfolio_testkit::{Kind, Server, Site};

use super::memory;
use crate::bystanders::bystanders;
use crate::experiment::{Context, Experiment, Outcome, World, ms, percentile, serve_command};
use crate::upload::{path_of, upload};

pub(crate) const E25: Experiment = Experiment {
    id: "E25",
    promise: "clients that waste connections are closed within 20 s, and cost others no request, little time and little memory",
    sabotage: "`KEEP_ALIVE` is 75 s, which a second head may then take",
    measure,
};

const LONGEST: Duration = Duration::from_secs(20);
/// How often each of those that send something sends a byte: one of so many groups after the other, or all of them at
/// once would be a load of their own.
const PAUSE: Duration = Duration::from_millis(250);
const GROUPS: u32 = 50;
/// How far apart they come: a thousand at the same moment would be a load of their own, too.
const BETWEEN_ARRIVALS: Duration = Duration::from_millis(1);
/// What a busy machine may add to the time of others.
const NOISE: Duration = Duration::from_millis(5);
const MOST_MEMORY_MIB: u64 = 64;
/// More than what the two ends of a connection keep for each other.
const UNREAD_BYTES: usize = 9_900_000;

/// What each of them takes its time with. The last reads nothing of its answer.
const KINDS: [&str; 4] = ["a first head", "a second head", "a body", "a reader"];
const READER: usize = 3;

fn measure(cx: &Context, world: World) -> Outcome {
    let each = if world.is_sabotaged() { 10 } else { cx.size(250, 25) };
    let site = Site::new(cx.program, Kind::Sqlite);
    let key = cx.seed(&site, 1);
    let mut command = serve_command(&site, None);
    if world.is_sabotaged() {
        command.env("KEEP_ALIVE", "75s");
    }
    let server = cx.serve_by(&mut command);
    server.wait_until_ready();
    let large = path_of(&upload(&server.client(), &key, UNREAD_BYTES).expect("an upload"));
    let (quiet, ()) = bystanders(&server, &key, || std::thread::sleep(Duration::from_secs(3)));
    let [before, _] = memory(&server);
    let (others, closed) = bystanders(&server, &key, || waste(&server, each, &first_words(&key, &large)));
    let [_, most] = memory(&server);
    let mut outcome = Outcome::default();
    outcome.figure(format!("{each} of each kind at once"));
    for (kind, times) in KINDS.iter().zip(closed) {
        let slowest = times.iter().max().copied().unwrap_or(Duration::MAX);
        let open = each - times.len();
        let when = if times.is_empty() { String::new() } else { format!(" within {}", ms(slowest)) };
        let still =
            if open > 0 { format!(", {open} still open after {}", ms(LONGEST)) } else { String::new() };
        outcome.must(open == 0 && slowest <= LONGEST, format!("{kind}: closed{when}{still}"));
    }
    outcome.must(
        others.failed == 0,
        format!("of {} requests of others {} failed", others.times.len(), others.failed),
    );
    let (calm, now) = (percentile(&quiet.times, 0.99), percentile(&others.times, 0.99));
    outcome.must(now <= 2 * calm + NOISE, format!("their p99 {}, before {}", ms(now), ms(calm)));
    let more = most.saturating_sub(before);
    outcome.must(more <= MOST_MEMORY_MIB, format!("{more} MiB of memory more than {before}"));
    outcome
}

fn first_words(key: &str, large: &str) -> [String; 4] {
    let body = format!(
        "PATCH /api/portfolios/employers/1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Token {key}\r\n\
         Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    );
    [
        "GET /".to_owned(),
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /".to_owned(),
        body,
        format!("GET /media/{large} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ]
}

/// Opens so many connections of each kind; answers after what time each was closed, of those that were.
fn waste(server: &Server, each: usize, first: &[String; 4]) -> [Vec<Duration>; 4] {
    let open = |kind: usize| {
        let mut stream = TcpStream::connect(server.address()).expect("a connection");
        stream.write_all(first[kind].as_bytes()).expect("a few bytes");
        stream.set_nonblocking(true).expect("a socket");
        (kind, stream, Instant::now())
    };
    let mut groups: [Vec<_>; GROUPS as usize] = std::array::from_fn(|_| Vec::new());
    for number in 0..each * KINDS.len() {
        let group = number % groups.len();
        groups[group].push(open(number % KINDS.len()));
        std::thread::sleep(BETWEEN_ARRIVALS);
    }
    let all_open = Instant::now();
    let mut closed = <[Vec<Duration>; 4]>::default();
    while groups.iter().any(|group| !group.is_empty()) && all_open.elapsed() <= LONGEST {
        // A client that doesn't read is not told of the end.
        let held: Vec<u16> = server.connections().iter().map(|kept| kept.client_port).collect();
        for group in &mut groups {
            std::thread::sleep(PAUSE / GROUPS);
            group.retain_mut(|(kind, stream, opened)| {
                let goes_on = if *kind == READER { is_held(stream, &held) } else { goes_on(stream) };
                if !goes_on {
                    closed[*kind].push(opened.elapsed());
                }
                goes_on
            });
        }
    }
    closed
}

fn is_held(stream: &TcpStream, held: &[u16]) -> bool {
    stream.local_addr().is_ok_and(|own| held.contains(&own.port()))
}

/// Reads what there is, sends a byte; answers whether the connection is still open.
fn goes_on(stream: &mut TcpStream) -> bool {
    loop {
        match stream.read(&mut [0; 4096]) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => return false,
        }
    }
    // That it was closed is found with the next look.
    let _ = stream.write_all(b"a");
    true
}
