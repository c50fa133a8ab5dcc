//! E9: the connection to the database breaks after the commit and before its answer.

use std::time::Duration;

use portfolio_testkit::history::version;

use super::{LONGEST_ANSWER, proxied, site};
use crate::experiment::{Context, Experiment, Outcome, World, ms, send};

pub(crate) const E9: Experiment = Experiment {
    id: "E9",
    promise: "a commit whose answer is lost is a 503, never a 2xx, and the service never writes it a second time",
    sabotage: "the client sends a PATCH again by itself when it is answered with 503",
    measure,
};

fn measure(cx: &Context, world: World) -> Outcome {
    let cuts = cx.size(200, 25);
    let site = site(cx);
    let key = cx.seed(&site, 1);
    let (proxy, url) = proxied(&site, &[]);
    let server = cx.serve(&site, Some(&url));
    let client = server.client();
    let (mut refused, mut others, mut once, mut absent, mut more) = (0, 0, 0, 0, 0);
    let mut longest = Duration::ZERO;
    let read = || send(&client, "GET", "/api/portfolios/employers/1", &key, None).expect("an answer");
    let mut seen = version(&read());
    for cut in 0..cuts {
        // The statement answers with the row that it has changed.
        let text = format!("cut number {cut} of {cuts}");
        let body = format!(r#"{{"description":"{text}"}}"#);
        proxy.cut_before(&text);
        let start = std::time::Instant::now();
        let answer = client.patch(1, &key, &body, &[]).expect("an answer");
        longest = longest.max(start.elapsed());
        match (answer.status, answer.header("retry-after")) {
            (503, Some(_)) => refused += 1,
            _ => others += 1,
        }
        if world.is_sabotaged() {
            client.patch(1, &key, &body, &[]).expect("an answer");
        }
        let now = version(&read());
        match now - seen {
            0 => absent += 1,
            1 => once += 1,
            _ => more += 1,
        }
        seen = now;
    }
    let mut outcome = Outcome::default();
    outcome.must(proxy.cuts() == cuts, format!("{} answers of the database kept back", proxy.cuts()));
    outcome.must(refused == cuts, format!("{refused} answered 503 with Retry-After"));
    outcome.must(others == 0, format!("{others} otherwise"));
    outcome.must(more == 0, format!("{once} written once, {absent} not at all, {more} more than once"));
    outcome.must(longest <= LONGEST_ANSWER, format!("longest answer {}", ms(longest)));
    outcome
}
