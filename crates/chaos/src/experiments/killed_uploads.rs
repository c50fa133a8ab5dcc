//! E7: the service is killed in the middle of uploads, and what is left is cleared away.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use portfolio_testkit::{Kind, Site};
use rand::RngExt as _;

use crate::experiment::{Context, Experiment, Outcome, World};
use crate::upload::{files_below, known_paths, path_of, upload};

pub(crate) const E7: Experiment = Experiment {
    id: "E7",
    promise: "a service killed in the middle of uploads leaves no row without its file, and `images gc` clears the rest away",
    sabotage: "the store forgets the last file that it took",
    measure,
};

const CLIENTS: usize = 4;
/// The files of one upload: the picture and its four thumbnails, each perhaps under the name it has while it
/// is written, too.
const FILES: usize = 10;

fn measure(cx: &Context, world: World) -> Outcome {
    let kills = if world.is_sabotaged() { 2 } else { cx.size(50, 8) };
    let site = Site::new(cx.program, Kind::Sqlite);
    let key = cx.seed(&site, 0);
    let mut answered = Vec::new();
    for _ in 0..kills {
        answered.append(&mut upload_until_killed(cx, &site, &key));
    }
    let media = site.folder().join("data/media");
    if world.is_sabotaged() {
        let last = answered.last().expect("some uploads were answered");
        std::fs::remove_file(media.join(last)).expect("the file of an answered upload");
    }
    let rows = known_paths(&site);
    let files: BTreeSet<_> = files_below(&media).into_iter().collect();
    let without = rows.iter().filter(|path| !files.contains(*path)).count();
    let lost = answered.iter().filter(|path| !rows.contains(path) || !files.contains(*path)).count();
    let mut orphans: Vec<_> = files.iter().filter(|path| !rows.contains(path)).cloned().collect();
    // Something to clear away, should every kill have missed; and something too young.
    for name in ["core_media/old.jpg", "core_media/new.jpg"] {
        std::fs::write(media.join(name), "of nobody").expect("a file in the store");
    }
    orphans.push("core_media/old.jpg".to_owned());
    for path in &orphans {
        age(&media.join(path));
    }
    site.ok(&["images", "gc"]);
    let left: BTreeSet<_> = files_below(&media).into_iter().collect();
    let undeleted = orphans.iter().filter(|path| left.contains(*path)).count();
    let overdone = files.difference(&left).filter(|path| !orphans.contains(path)).count()
        + usize::from(!left.contains("core_media/new.jpg"));
    site.ok(&["images", "gc"]);
    let second = left.difference(&files_below(&media).into_iter().collect()).count();

    let mut outcome = Outcome::default();
    outcome.figure(format!("{kills} kills under {CLIENTS} clients; {} uploads answered", answered.len()));
    outcome.must(lost == 0, format!("{lost} of them lost"));
    outcome.must(without == 0, format!("{without} of {} rows without a file", rows.len()));
    let most = kills * CLIENTS * FILES + 1;
    outcome.must(orphans.len() <= most, format!("{} files of nobody", orphans.len()));
    outcome.must(
        undeleted == 0 && overdone == 0 && second == 0,
        format!("gc left {undeleted} of those over an hour old, took {overdone} others, and {second} the second time"),
    );
    outcome
}

/// Kills the service at some moment while clients upload; answers the files of the uploads that were answered.
fn upload_until_killed(cx: &Context, site: &Site, key: &str) -> Vec<String> {
    let server = cx.serve(site, None);
    let client = server.client();
    std::thread::scope(|scope| {
        let uploading: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let client = client.clone();
                scope.spawn(move || {
                    let mut paths = Vec::new();
                    while let Ok(answer) = upload(&client, key, 0) {
                        if answer.status == 201 {
                            paths.push(path_of(&answer));
                        }
                    }
                    paths
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(rand::rng().random_range(100..600)));
        drop(server);
        uploading.into_iter().flat_map(|thread| thread.join().expect("a client")).collect()
    })
}

/// Makes a file two hours older.
fn age(path: &Path) {
    let file = File::options().append(true).open(path).expect("a file of the store");
    file.set_modified(SystemTime::now() - Duration::from_hours(2)).expect("its time");
}
