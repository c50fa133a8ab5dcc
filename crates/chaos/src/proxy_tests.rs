use std::io::ErrorKind;
use std::time::Instant;

use super::*;

/// A server that sends back what it gets.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut copy = stream.try_clone().unwrap();
                let _ = std::io::copy(&mut stream, &mut copy);
                let _ = copy.shutdown(Shutdown::Write);
            });
        }
    });
    address
}

fn client(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn say(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes())?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8(answer).unwrap())
}

#[test]
fn without_a_fault_everything_goes_through_and_an_end_is_an_end() {
    let proxy = Proxy::start(&echo());
    let mut stream = client(&proxy);
    assert_eq!(say(&mut stream, "hello").unwrap(), "hello");
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn a_cut_resets_what_is_open_and_nothing_later() {
    let proxy = Proxy::start(&echo());
    let mut stream = client(&proxy);
    say(&mut stream, "hello").unwrap();
    proxy.cut();
    assert!(say(&mut stream, "again").is_err());
    assert_eq!(say(&mut client(&proxy), "later").unwrap(), "later");
}

#[test]
fn refused_connections_are_reset_until_it_ends() {
    let proxy = Proxy::start(&echo());
    let mut open = client(&proxy);
    say(&mut open, "hello").unwrap();
    proxy.set(Fault::Refuse);
    assert!(say(&mut open, "open").is_err());
    assert!(TcpStream::connect(proxy.address()).map_or(true, |mut new| say(&mut new, "new").is_err()));
    proxy.set(Fault::None);
    assert_eq!(say(&mut client(&proxy), "later").unwrap(), "later");
}

#[test]
fn a_black_hole_takes_everything_and_gives_it_back_when_it_ends() {
    let proxy = Proxy::start(&echo());
    let mut stream = client(&proxy);
    say(&mut stream, "hello").unwrap();
    proxy.set(Fault::BlackHole);
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let silent = say(&mut stream, "swallowed").unwrap_err().kind();
    assert!(matches!(silent, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{silent}");
    proxy.set(Fault::None);
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = [0; 9];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"swallowed");
}

#[test]
fn a_connection_made_into_a_black_hole_leads_nowhere_even_when_it_ends() {
    let proxy = Proxy::start(&echo());
    proxy.set(Fault::BlackHole);
    let mut stream = client(&proxy);
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(say(&mut stream, "swallowed").is_err());
    proxy.set(Fault::None);
    assert!(say(&mut stream, "swallowed, too").is_err());
    assert_eq!(say(&mut client(&proxy), "later").unwrap(), "later");
}

#[test]
fn a_delay_counts_in_each_direction() {
    let proxy = Proxy::start(&echo());
    let mut stream = client(&proxy);
    proxy.set(Fault::Delay(Duration::from_millis(30)));
    let start = Instant::now();
    assert_eq!(say(&mut stream, "hello").unwrap(), "hello");
    assert!(start.elapsed() >= Duration::from_millis(60), "{:?}", start.elapsed());
}

#[test]
fn a_throttle_lets_so_many_bytes_a_second_through() {
    let proxy = Proxy::start(&echo());
    let mut stream = client(&proxy);
    proxy.set(Fault::Throttle(10_000));
    let start = Instant::now();
    let text = "x".repeat(2_000);
    assert_eq!(say(&mut stream, &text).unwrap(), text);
    // The last piece arrives before its time is up.
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
}

#[test]
fn an_answer_that_is_to_be_kept_back_is_and_only_the_first() {
    let proxy = Proxy::start(&echo());
    proxy.cut_before("secret");
    let mut other = client(&proxy);
    assert_eq!(say(&mut other, "hello").unwrap(), "hello");
    assert!(say(&mut client(&proxy), "a secret").is_err());
    assert_eq!(proxy.cuts(), 1);
    assert_eq!(say(&mut client(&proxy), "a secret").unwrap(), "a secret");
    assert_eq!(say(&mut other, "still").unwrap(), "still");
}

#[test]
fn what_a_client_says_is_rewritten() {
    let proxy = Proxy::rewriting(&echo(), &[("lock(1)", "lock(2)")]);
    assert_eq!(say(&mut client(&proxy), "SELECT lock(1), lock(1)").unwrap(), "SELECT lock(2), lock(2)");
    assert_eq!(proxy.rewritten(), 2);
}
