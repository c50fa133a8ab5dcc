//! What it costs to read the body of a PATCH, and to write an employer.
#![expect(clippy::unwrap_used, reason = "what is measured must be right")]

use std::hint::black_box;

use actix_web::test::TestRequest;
use actix_web::{FromRequest as _, web};
use criterion::{BatchSize, Criterion};
use futures_util::FutureExt as _;
use portfolio_api::body::{employer_draft, read_patch};
use portfolio_api::parameters::Parameters;
use portfolio_api::representation::Representation;
use portfolio_domain::employer::{Description, Employer};
use portfolio_domain::employer_list::EmployerPage;
use portfolio_domain::list::Page;
use portfolio_domain::testing::fixtures;

fn employer(id: i64) -> Employer {
    let description = Description::parse("همکاران سیستم شرکتی در زمینه ... است").unwrap();
    Employer {
        image: Some(fixtures::image(id)),
        description: Some(description),
        ..fixtures::employer(id, "همکاران سیستم")
    }
}

fn read(criterion: &mut Criterion) {
    // What reads a body also watches its time.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _inside = runtime.enter();
    let mut group = criterion.benchmark_group("read the body of a PATCH");
    for (what, body) in [
        ("as documented", r#"{"name":"Apple","image":123}"#.to_owned()),
        (
            "with members that are unknown",
            format!(r#"{{"name":"Apple","more":[{}0]}}"#, r#"{"a":1.5},"#.repeat(50)),
        ),
        ("with a long description", format!(r#"{{"description":"{}"}}"#, "د".repeat(10_000))),
    ] {
        let arrived = || {
            let (request, mut payload) = TestRequest::patch()
                .insert_header(("Content-Type", "application/json"))
                .set_payload(body.clone())
                .to_http_parts();
            let payload = web::Payload::from_request(&request, &mut payload).into_inner().unwrap();
            (request, payload)
        };
        group.bench_function(what, |bencher| {
            bencher.iter_batched(
                arrived,
                |(request, payload)| {
                    let body = read_patch(&request, payload).now_or_never().unwrap().unwrap();
                    // What was there before is dropped outside of what is measured.
                    (employer_draft(&body).unwrap(), request)
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn write(criterion: &mut Criterion) {
    let representation = Representation::new("https://www.example.com");
    let mut group = criterion.benchmark_group("write");
    let one = employer(4);
    group.bench_function("an employer with four thumbnails", |bencher| {
        bencher.iter(|| representation.employer(black_box(&one)));
    });
    let bare = fixtures::employer(4, "Apple");
    group.bench_function("an employer without image", |bencher| {
        bencher.iter(|| representation.employer(black_box(&bare)));
    });
    let (parameters, limits) = (Parameters::parse("limit=20&offset=40"), Page { limit: 20, offset: 40 });
    let page = EmployerPage { count: 10_000, employers: (1..=20).map(employer).collect() };
    group.bench_function("a page of twenty", |bencher| {
        bencher.iter(|| {
            representation.employers("/api/portfolios/employers", &parameters, limits, black_box(&page))
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    read(&mut criterion);
    write(&mut criterion);
    criterion.final_summary();
}
