//! What it costs to judge a change of an employer, and to make the key that its name is searched by.
#![expect(clippy::unwrap_used, reason = "what is measured must be right")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use portfolio_domain::employer::EmployerName;
use portfolio_domain::employer_patch::{EmployerDraft, Patch};
use portfolio_domain::image::ImageId;

fn draft(name: &str, description: &str) -> EmployerDraft {
    EmployerDraft {
        name: Ok(Patch::Set(name.to_owned())),
        image: Ok(Patch::Set(ImageId(6))),
        description: Ok(Patch::Set(description.to_owned())),
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let persian = "همکاران سیستم";
    // Decomposed, so that normalisation has to do something.
    let longest = "e\u{301}".repeat(EmployerName::MAX_CHARS / 2);

    let mut judge = criterion.benchmark_group("judge a change");
    for (what, draft) in [
        ("of Latin", draft("Apple", "An employer of the benchmark")),
        ("of Persian", draft(persian, "همکاران سیستم شرکتی در زمینه ... است")),
        ("as long as can be", draft(&longest, &"d".repeat(10_000))),
        ("wrong in each member", draft(" \u{200b} ", &"d".repeat(10_001))),
    ] {
        judge.bench_function(what, |bencher| {
            bencher.iter_batched(|| draft.clone(), EmployerDraft::judge, BatchSize::SmallInput);
        });
    }
    judge.finish();

    let mut search_key = criterion.benchmark_group("search key");
    for (what, name) in [("of Latin", "Apple"), ("of Persian", persian), ("as long as can be", &longest)] {
        let name = EmployerName::parse(name).unwrap();
        search_key.bench_function(what, |bencher| bencher.iter(|| black_box(&name).search_key()));
    }
    search_key.finish();
    criterion.final_summary();
}
