//! E19: a thousand handlers panic.
//!
//! No route of the service panics, and none is built in to be tried. But a handler that has tokio look for a file does
//! when the system gives it no thread, and strace can see to that.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portfolio_testkit::{Answer, Server};

use super::{RECOVERY, site};
use crate::experiment::{Context, Experiment, Outcome, World, ms, send, serve_command};

pub(crate) const E19: Experiment = Experiment {
    id: "E19",
    promise: "a handler that panics answers 500 in JSON, and the process and its pool go on as before",
    sabotage: "the process is aborted when a thread is refused, as `panic = \"abort\"` would do",
    measure,
};

/// Threads that have nothing to do end after ten seconds; then the next work needs a new one.
const THREADS_END: Duration = Duration::from_secs(12);
const CLIENTS: usize = 8;
/// Whether there is such a file is looked up on a thread of its own.
const FILE: &str = "/media/core_media/2026/01/01/logo.png";
const PATH: &str = "/api/portfolios/employers/1";

fn measure(cx: &Context, world: World) -> Outcome {
    let panics: usize = if world.is_sabotaged() { 10 } else { cx.size(1_000, 100) };
    let site = site(cx);
    let key = cx.seed(&site, 1);
    let logged = Arc::new(AtomicUsize::new(0));
    let counts = logged.clone();
    let mut server = cx.serve_watched(&mut serve_command(&site, None), move |line| {
        counts.fetch_add(usize::from(line.contains("a handler panicked")), Ordering::Relaxed);
    });
    server.wait_until_ready();
    std::thread::sleep(THREADS_END);
    let strace = refuse_threads(&server, world);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (client, key) = (server.client(), &key);
                let own = (number..panics).step_by(CLIENTS);
                scope.spawn(move || own.map(|_| send(&client, "GET", FILE, key, None)).collect::<Vec<_>>())
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    end(strace);
    let proper = answers.iter().filter(|answer| answer.as_ref().is_ok_and(is_proper_500)).count();
    let such_as = answers.iter().find(|answer| !answer.as_ref().is_ok_and(is_proper_500));
    let such_as = such_as.map(|answer| format!(", another is {answer:?}")).unwrap_or_default();
    let over = Instant::now();
    let mut well = false;
    while !well && over.elapsed() < 2 * RECOVERY && server.is_running() {
        well = all_at_once(&server, &key);
    }
    let recovery = over.elapsed();
    let mut outcome = Outcome::default();
    outcome.must(proper == panics, format!("{proper} of {panics} panics answered 500 in JSON{such_as}"));
    let logged = logged.load(Ordering::Relaxed);
    outcome.must(logged == panics, format!("{logged} logged"));
    outcome.must(server.is_running(), "the process stayed the same one");
    outcome.must(
        well && recovery <= RECOVERY,
        format!(
            "{CLIENTS} × 10 changes at once succeed{}",
            if well { format!(" {} later", ms(recovery)) } else { " no more".into() }
        ),
    );
    outcome
}

/// Lets each attempt of the service to start a thread fail from now on.
fn refuse_threads(server: &Server, world: World) -> Child {
    let inject = if world.is_sabotaged() {
        "inject=clone,clone3:error=EPERM:signal=SIGABRT"
    } else {
        "inject=clone,clone3:error=EPERM"
    };
    let mut command = Command::new("strace");
    command.args(["-f", "-q", "-o", "/dev/null", "-e", "trace=clone,clone3", "-e", inject]);
    command.args(["-p", &server.pid().to_string()]).stdin(Stdio::null());
    let strace = command.spawn().expect("strace (it must be installed)");
    let start = Instant::now();
    while !is_traced(server) {
        assert!(start.elapsed() < Duration::from_secs(10), "strace can't trace the service");
        std::thread::sleep(Duration::from_millis(20));
    }
    strace
}

/// Whether every thread of it is.
fn is_traced(server: &Server) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("Linux");
    threads.flatten().all(|thread| {
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        !status.contains("TracerPid:\t0\n")
    })
}

fn end(mut strace: Child) {
    // Told so, it lets go of what it traces.
    let _ = Command::new("kill").arg(strace.id().to_string()).status();
    let _ = strace.wait();
}

fn is_proper_500(answer: &Answer) -> bool {
    let is_json = answer.header("content-type") == Some("application/json");
    answer.status == 500 && is_json && answer.json()["detail"] == "A server error occurred."
}

/// Whether changes by all clients at once succeed: none of the pool was lost.
fn all_at_once(server: &Server, key: &str) -> bool {
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let client = server.client();
                let change = move || send(&client, "PATCH", PATH, key, Some("{}"));
                scope.spawn(move || (0..10).all(|_| change().is_ok_and(|answer| answer.status == 200)))
            })
            .collect();
        clients.into_iter().all(|client| client.join().expect("a client"))
    })
}
