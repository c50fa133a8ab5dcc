//! E17: the disk is full, to the last byte.
//!
//! The disk is one of eight megabytes in memory, mounted where only the service sees it.

use std::fs;
use std::path::Path;

use portfolio_testkit::{Kind, Server, Site, TestDatabase};
use serde_json::json;

use crate::experiment::{Context, Experiment, Outcome, World, run_by};
use crate::upload::{files_below, upload};

pub(crate) const E17: Experiment = Experiment {
    id: "E17",
    promise: "on a full disk uploads and changes are a 507, leave nothing half behind, and work again once there is room",
    sabotage: "the room that is made is taken by another file at once",
    measure,
};

/// Runs as root of a world of its own, with what the service is run with as arguments.
const SMALL_WORLD: &str = r#"
    set -e
    mount -t tmpfs -o size=8m none small
    head -c 1000000 /dev/zero > small/filler
    "$0" demo > demo
    exec "$0" "$@"
"#;

fn measure(cx: &Context, world: World) -> Outcome {
    let site = Site::on(cx.program, TestDatabase::new(Kind::Sqlite));
    fs::create_dir(site.folder().join("small")).expect("a folder");
    let mut command = site.command(&["serve", "--bind", "127.0.0.1:0"]);
    command.env("DATABASE_URL", "sqlite://small/portfolio.db").env("MEDIA_STORE", "file:small/media");
    let runner = ["unshare", "--user", "--map-root-user", "--mount", "--", "sh", "-c", SMALL_WORLD];
    let server = cx.serve_by(&mut run_by(&runner, &command));
    server.wait_until_ready();
    let printed = fs::read_to_string(site.folder().join("demo")).expect("what `portfolio demo` printed");
    let key = printed.lines().find(|line| line.starts_with("pf_")).expect("a key").to_owned();
    // The disk is seen from outside through the process that lives with it.
    let small = format!("/proc/{}/root{}/small", server.pid(), site.folder().display());
    let media = Path::new(&small).join("media");

    // Larger ones first, so that little room is left.
    let mut uploads = 0;
    let mut status = 0;
    for size in [700_000, 100_000, 10_000] {
        (uploads, status) =
            fill(uploads, || upload(&server.client(), &key, size).expect("an answer").status, 201);
    }
    let files = files_below(&media);
    let shown = shown(&server, &key);
    let unfinished = files.iter().filter(|path| path.contains(".upload-")).count();
    let nobodys = files.iter().filter(|path| !shown.contains(&format!("/media/{path}"))).count();

    let change = |number: usize| {
        let body = json!({ "description": format!("{number} {}", "x".repeat(9_000)) });
        server.patch(4, &key, &body.to_string()).status
    };
    let (changes, change_status) = fill(0, || change(0), 200);
    let before = server.patch(4, &key, "{}");
    fs::remove_file(format!("{small}/filler")).expect("the filler");
    if world.is_sabotaged() {
        // Until nothing more goes in.
        let _ = fs::write(format!("{small}/other"), vec![0; 8 << 20]);
    }
    let (again, upload_again) =
        (change(1), upload(&server.client(), &key, 100_000).map_or(0, |answer| answer.status));

    let mut outcome = Outcome::default();
    outcome.must(uploads > 0 && status == 507, format!("{uploads} uploads, then {status}"));
    outcome.must(
        unfinished == 0 && nobodys == 0,
        format!("of {} files {unfinished} half written, {nobodys} of nobody", files.len()),
    );
    outcome.must(change_status == 507, format!("{changes} changes, then {change_status}"));
    outcome.must(before.status == 200, "what was answered is still read");
    outcome.must(
        again == 200 && upload_again == 201,
        format!("with room again, a change is {again}, an upload {upload_again}"),
    );
    outcome.must(is_whole(&site, &small), "integrity_check ok");
    outcome
}

/// Repeats a request while it is answered like this; answers how often it was, `so_far` included, and what came then.
fn fill(so_far: usize, request: impl Fn() -> u16, good: u16) -> (usize, u16) {
    const MOST: usize = 2_000;
    for times in so_far..MOST {
        let status = request();
        if status != good {
            return (times, status);
        }
    }
    panic!("the disk never fills");
}

/// The list of all images.
fn shown(server: &Server, key: &str) -> String {
    crate::experiment::send(&server.client(), "GET", "/api/images?limit=1000", key, None)
        .expect("an answer")
        .body
}

/// Asks SQLite itself, once the service has let go of the file.
fn is_whole(site: &Site, small: &str) -> bool {
    // A copy: the disk is gone with the service, and another's lock file could not be made on a full one.
    let file = site.database_url().strip_prefix("sqlite://").expect("a file");
    for beside in ["", "-wal"] {
        fs::copy(format!("{small}/portfolio.db{beside}"), format!("{file}{beside}")).expect("a copy");
    }
    site.lines("SELECT integrity_check AS line FROM pragma_integrity_check") == ["ok"]
}
