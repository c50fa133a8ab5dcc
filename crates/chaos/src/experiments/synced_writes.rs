//! E4 and E6: what is answered is on disk, which `kill -9` can't show: the order of system calls does.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use portfolio_testkit::{Kind, Server, Site};

use crate::experiment::{Context, Experiment, Outcome, World, run_by, serve_command};
use crate::trace::{Event, events, is_sync};
use crate::upload::upload;

pub(crate) const E4: Experiment = Experiment {
    id: "E4",
    promise: "a change on SQLite is answered after its log was synced to disk",
    sabotage: "strace swallows every sync and says that it was done",
    measure: |cx, world| {
        measure(cx, world, cx.size(100, 20), "200", is_on_disk, |server, key, number| {
            server.patch(1, key, &format!(r#"{{"description":"{number}"}}"#)).status
        })
    },
};

pub(crate) const E6: Experiment = Experiment {
    id: "E6",
    promise: "an upload is answered after each file was synced, named, its folder synced, and then the rows",
    sabotage: "strace swallows every sync and says that it was done",
    measure: |cx, world| {
        measure(cx, world, cx.size(100, 10), "201", is_uploaded, |server, key, _| {
            upload(&server.client(), key, 0).expect("an answer").status
        })
    },
};

/// How many requests go before those that count.
const WARM_UP: usize = 5;
/// Names the log of SQLite in a trace.
const LOG: &str = ".db-wal>";

/// Sends requests one by one, and holds what the service did before each answer against `is_good`.
fn measure(
    cx: &Context,
    world: World,
    requests: usize,
    status: &str,
    is_good: fn(&[Event]) -> bool,
    request: impl Fn(&Server, &str, usize) -> u16,
) -> Outcome {
    let site = Site::new(cx.program, Kind::Sqlite);
    let key = cx.seed(&site, 1);
    let trace = site.folder().join("trace");
    let server = cx.serve_by(&mut traced(&site, &trace, world));
    server.wait_until_ready();
    // The first use of a key is noted beside a request, which would be seen in its trace.
    for _ in 0..WARM_UP {
        request(&server, &key, 0);
    }
    for number in 1..=requests {
        assert_eq!(request(&server, &key, number).to_string(), status);
    }
    drop(server);
    let trace = events(&whole(&trace));
    let answers = answers(&trace, status);
    let last = answers.len().saturating_sub(requests);
    let good = answers[last..].iter().filter(|events| is_good(events)).count();
    let mut outcome = Outcome::default();
    outcome.must(good == requests, format!("{good} of {requests} answers came after all was synced"));
    outcome
}

fn traced(site: &Site, trace: &Path, world: World) -> Command {
    let trace = trace.to_str().expect("text");
    // As a child of the service, so that the service is what is killed.
    let mut strace = vec!["strace", "-D", "-f", "-y", "-s", "32", "-o", trace];
    strace.extend(["-e", "trace=fsync,fdatasync,linkat,pwrite64,write,writev,sendto,sendmsg"]);
    if world.is_sabotaged() {
        strace.extend(["-e", "inject=fsync,fdatasync:retval=0"]);
    }
    run_by(&strace, &serve_command(site, None))
}

/// Waits until strace has written all, and reads it.
fn whole(trace: &Path) -> String {
    let start = Instant::now();
    loop {
        let text = std::fs::read_to_string(trace).unwrap_or_default();
        if text.contains("+++ killed by SIGKILL +++") {
            return text;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "strace does not end (it must be installed)");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What was done before each answer of this status, after the one before.
fn answers<'a>(trace: &'a [Event], status: &str) -> Vec<&'a [Event]> {
    let head = format!("\"HTTP/1.1 {status} ");
    trace
        .split_inclusive(|event| matches!(event, Event::Begun(call) if call.contains(&head)))
        .filter(|events| matches!(events.last(), Some(Event::Begun(call)) if call.contains(&head)))
        .collect()
}

fn position(events: &[Event], wanted: impl Fn(&Event) -> bool) -> Option<usize> {
    events.iter().position(wanted)
}

/// The log was written to, and synced after the last time.
fn is_on_disk(events: &[Event]) -> bool {
    let written = |event: &Event| matches!(event, Event::Begun(call) if (call.starts_with("write(") || call.starts_with("pwrite64(")) && call.contains(LOG));
    let Some(last) = events.iter().rposition(written) else { return false };
    position(&events[last..], |event| matches!(event, Event::Ended(call) if is_sync(call, LOG))).is_some()
}

/// Each file was synced before it got its name, a folder of the store after it, and then the rows.
fn is_uploaded(events: &[Event]) -> bool {
    let mut linked = 0;
    let mut after = 0;
    for (place, event) in events.iter().enumerate() {
        let Event::Ended(call) = event else { continue };
        if !call.starts_with("linkat(") {
            continue;
        }
        // linkat(12</…>, ".upload-0123", 12</…>, "photo.jpg", 0) = 0
        let Some(name) = call.split('"').nth(1) else { return false };
        let synced = |event: &Event| matches!(event, Event::Ended(call) if is_sync(call, name));
        let folder = |event: &Event| matches!(event, Event::Ended(call) if is_sync(call, "/media") && !call.contains(".upload-"));
        let Some(named) = position(&events[place..], folder) else { return false };
        if position(&events[..place], synced).is_none() {
            return false;
        }
        linked += 1;
        after = place + named;
    }
    linked > 0 && is_on_disk(&events[after..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "1 fsync(5</m/media/a/.upload-1>) = 0\n\
                        1 linkat(4</m/media/a>, \".upload-1\", 4</m/media/a>, \"photo.jpg\", 0) = 0\n\
                        1 fsync(6</m/media/a>) = 0\n\
                        1 write(7</x.db-wal>, \"\", 9) = 9\n\
                        1 fdatasync(7</x.db-wal>) = 0\n\
                        1 writev(8<socket:[1]>, [{iov_base=\"HTTP/1.1 201 Created\"}], 1) = 9\n";

    fn judge(trace: &str) -> Vec<bool> {
        let events = events(trace);
        answers(&events, "201").into_iter().map(is_uploaded).collect()
    }

    #[test]
    fn an_upload_that_is_synced_in_order_is_good() {
        assert_eq!(judge(&GOOD.repeat(2)), [true, true]);
    }

    #[test]
    fn whichever_sync_is_missing_or_late_is_found() {
        let lines: Vec<_> = GOOD.lines().collect();
        for missing in 0..5 {
            let rest: Vec<_> = (0..6).filter(|line| *line != missing).map(|line| lines[line]).collect();
            assert_eq!(judge(&rest.join("\n")), [false], "without {}", lines[missing]);
        }
        for (first, second) in [(0, 1), (1, 2), (3, 4), (2, 4)] {
            let mut swapped = lines.clone();
            swapped.swap(first, second);
            assert_eq!(judge(&swapped.join("\n")), [false], "{} late", lines[first]);
        }
    }
}
