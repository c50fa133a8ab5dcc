//! What `scripts/list-growth` measures: the same pages of a small and of a large list, through the adapters, their time
//! and that of the statements that they consist of, and how the database carries each statement out.
//!
//! ```text
//! list_at_scale ROUNDS DATABASE_URL_OF_THE_SMALL_ONE DATABASE_URL_OF_THE_LARGE_ONE
//! ```
//!
//! It writes Markdown, and ends with 1 when a page that may not grow takes more than three times as long, or a count
//! of all more than two milliseconds.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use diesel::prelude::*;
use diesel::sql_types::Text;
use portfolio_adapters::database_url::DatabaseUrl;
use portfolio_adapters::{postgres, sqlite};
use portfolio_domain::employer_list::{EmployerFilter, EmployerQuery, OrderKey, TimeRange};
use portfolio_domain::list::{OrderBy, Ordering, Page};
use portfolio_domain::ports::EmployerRepository;
use portfolio_domain::search::Search;

/// How many times as long a page of the large list may take.
const MAX_RATIO: f64 = 3.0;
/// How long the count of all may take.
const MAX_COUNT_MS: f64 = 2.0;

/// What is asked of both lists.
struct Case {
    name: String,
    /// Of the small one, and of the large one.
    queries: [EmployerQuery; 2],
    /// Whether it may not grow.
    is_held: bool,
    /// Whether it is shown what the large one's database does.
    is_explained: bool,
}

/// A statement as it was sent, and how long it took.
#[derive(Clone)]
struct Statement {
    text: String,
    took: Duration,
}

/// What was sent since it was last asked for.
static SENT: Mutex<Vec<Statement>> = Mutex::new(Vec::new());

fn sent() -> Vec<Statement> {
    std::mem::take(&mut SENT.lock().unwrap_or_else(PoisonError::into_inner))
}

struct Watch(Option<Instant>);

impl Instrumentation for Watch {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartQuery { .. } => self.0 = Some(Instant::now()),
            InstrumentationEvent::FinishQuery { query, .. } => {
                let took = self.0.take().map_or(Duration::ZERO, |start| start.elapsed());
                let statement = Statement { text: query.to_string(), took };
                SENT.lock().unwrap_or_else(PoisonError::into_inner).push(statement);
            }
            _ => {}
        }
    }
}

struct List {
    url: String,
    repository: Arc<dyn EmployerRepository>,
}

impl List {
    fn open(url: &str) -> Result<Self, Box<dyn Error>> {
        let repository: Arc<dyn EmployerRepository> = match DatabaseUrl::parse(url)? {
            DatabaseUrl::Sqlite(path) => {
                Arc::new(sqlite::SqliteEmployerRepository::new(sqlite::open(&path, 1)))
            }
            DatabaseUrl::Postgres(address) => {
                Arc::new(postgres::PostgresEmployerRepository::new(postgres::open(address, 1)))
            }
        };
        Ok(Self { url: url.to_owned(), repository })
    }

    /// Asks once.
    async fn ask(&self, query: &EmployerQuery) -> Result<Asked, Box<dyn Error>> {
        sent();
        let start = Instant::now();
        let page = self.repository.list(query).await?;
        let whole = start.elapsed();
        let statements = sent();
        let count = statements.iter().filter(|statement| is_count(&statement.text)).map(|s| s.took).sum();
        Ok(Asked { count: page.count, whole, counting: count, statements, found: page.employers.len() })
    }
}

struct Asked {
    count: u64,
    found: usize,
    whole: Duration,
    counting: Duration,
    statements: Vec<Statement>,
}

fn is_count(text: &str) -> bool {
    text.starts_with("SELECT COUNT(*)")
        || text.starts_with("SELECT (SELECT count(*)")
        || text.starts_with("EXPLAIN")
        || text.contains("row_counts")
}

/// In milliseconds. What else the machine does only adds to it.
fn shortest(times: Vec<Duration>) -> f64 {
    times.into_iter().min().unwrap_or_default().as_secs_f64() * 1000.0
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rounds, small, large] = &arguments[..] else {
        return Err("usage: list_at_scale ROUNDS DATABASE_URL DATABASE_URL".into());
    };
    let rounds: usize = rounds.parse()?;
    set_default_instrumentation(|| Some(Box::new(Watch(None))))?;
    let lists = [List::open(small)?, List::open(large)?];
    let mut failures = Vec::new();
    let mut plans = String::new();
    println!("| what | of | page, ms | of | page, ms | ratio | its count, ms |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for case in cases(total(&lists[0]).await?, total(&lists[1]).await?) {
        let (mut pages, mut counts) = ([Vec::new(), Vec::new()], Vec::new());
        let mut matching = [0; 2];
        let mut last = Vec::new();
        // The first one is not counted: files are read, statements prepared.
        for round in 0..=rounds {
            for (number, list) in lists.iter().enumerate() {
                let asked = list.ask(&case.queries[number]).await?;
                assert!(asked.found > 0, "{}: an empty page", case.name);
                matching[number] = asked.count;
                if round > 0 {
                    pages[number].push(asked.whole.saturating_sub(asked.counting));
                    if number == 1 {
                        counts.push(asked.counting);
                    }
                }
                last = asked.statements;
            }
        }
        let [small, large] = pages.map(shortest);
        let (ratio, count) = (large / small, shortest(counts));
        println!(
            "| {}{} | {} | {small:.2} | {} | {large:.2} | {ratio:.1} | {count:.2} |",
            case.name,
            if case.is_held { "" } else { " *" },
            matching[0],
            matching[1]
        );
        if case.is_held && ratio > MAX_RATIO {
            failures.push(format!("{}: {ratio:.1} times as long", case.name));
        }
        if case.queries[1].filter == EmployerFilter::default() && count > MAX_COUNT_MS {
            failures.push(format!("{}: its count takes {count:.1} ms", case.name));
        }
        if case.is_explained {
            writeln!(plans, "\n#### {}\n\n```text", case.name)?;
            explain(&lists[1].url, &last, &mut plans)?;
            plans.push_str("```\n");
        }
    }
    println!("{plans}");
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ").into()) }
}

async fn total(list: &List) -> Result<u64, Box<dyn Error>> {
    Ok(list.ask(&asked(EmployerFilter::default(), DEFAULT, 0)).await?.count)
}

/// The newest first.
const DEFAULT: (OrderKey, bool) = (OrderKey::CreatedAt, true);
const ORDERS: [(OrderKey, bool, &str); 8] = [
    (OrderKey::CreatedAt, true, "-created_at"),
    (OrderKey::CreatedAt, false, "created_at"),
    (OrderKey::Id, true, "-id"),
    (OrderKey::Id, false, "id"),
    (OrderKey::Name, true, "-name"),
    (OrderKey::Name, false, "name"),
    (OrderKey::UpdatedAt, true, "-updated_at"),
    (OrderKey::UpdatedAt, false, "updated_at"),
];

fn asked(filter: EmployerFilter, (key, descending): (OrderKey, bool), offset: u64) -> EmployerQuery {
    let ordering = Ordering::by([OrderBy { key, descending }]);
    EmployerQuery { filter, ordering, page: Page { limit: 10, offset } }
}

/// The rows are those that `scripts/list-growth` makes.
fn cases(small: u64, large: u64) -> Vec<Case> {
    let all = EmployerFilter::default;
    let words = |text: &str| EmployerFilter { search: Search::parse(text).unwrap_or_default(), ..all() };
    let (with_image, described) = (Some(true), Some(true));
    let day = |text: &str| format!("{text}T00:00:00Z").parse().ok();
    let few_days = TimeRange { from: day("2020-02-02"), before: day("2020-02-03") };
    // Of every size, half are made before it, since one is made after another.
    let half = |size: u64| {
        let seconds = i64::try_from(size / 2 * 150).unwrap_or_default();
        day("2020-03-01")
            .map(|start: chrono::DateTime<chrono::Utc>| start + chrono::TimeDelta::seconds(seconds))
    };
    let older = |size| TimeRange { from: None, before: half(size) };
    let newer = |size| TimeRange { from: half(size), before: None };
    let mut cases = Vec::new();
    let mut add = |is_held, name: String, query: &dyn Fn(u64) -> EmployerQuery| {
        // What is done for the reverse of an order is the reverse.
        let is_explained =
            ["`created_at`", "`id`", "`-name`", "`updated_at`"].iter().all(|order| !name.ends_with(order));
        cases.push(Case { name, queries: [query(small), query(large)], is_held, is_explained });
    };
    for (key, descending, order) in ORDERS {
        let by = (key, descending);
        add(true, format!("all, `{order}`"), &|_| asked(all(), by, 0));
        add(true, format!("a tenth by a word, `{order}`"), &|_| asked(words("tenth"), by, 0));
        let half = || EmployerFilter { has_description: described, ..all() };
        add(true, format!("half by `has_description`, `{order}`"), &|_| asked(half(), by, 0));
        let both = || EmployerFilter { has_image: with_image, ..words("tenth") };
        add(true, format!("a word and `has_image`, `{order}`"), &|_| asked(both(), by, 0));
    }
    let (name, changed) = ((OrderKey::Name, false), (OrderKey::UpdatedAt, true));
    add(true, "a hundredth by a word, `-created_at`".into(), &|_| asked(words("hundredth"), DEFAULT, 0));
    add(true, "a hundredth by a word, `name`".into(), &|_| asked(words("hundredth"), name, 0));
    add(true, "a word of all, `-created_at`".into(), &|_| asked(words("employer"), DEFAULT, 0));
    let three = |size| EmployerFilter { created: newer(size), has_image: with_image, ..words("tenth") };
    add(true, "a word, `has_image`, the newer half, `-created_at`".into(), &|n| asked(three(n), DEFAULT, 0));
    add(true, "a word, `has_image`, the newer half, `name`".into(), &|n| asked(three(n), name, 0));
    add(true, "a word, `has_image`, the newer half, `-updated_at`".into(), &|n| asked(three(n), changed, 0));
    add(true, "500 by a word, `-created_at`".into(), &|_| asked(words("needle"), DEFAULT, 0));
    let few = || EmployerFilter { has_description: described, ..words("needle") };
    add(true, "500 by a word and `has_description`, `-name`".into(), &|_| {
        asked(few(), (OrderKey::Name, true), 0)
    });
    add(true, "500 by a word of all and another, `-created_at`".into(), &|_| {
        asked(words("employer needle"), DEFAULT, 0)
    });
    add(true, "500 by two letters, `-updated_at`".into(), &|_| asked(words("zq"), changed, 0));
    add(true, "500 of a day, `name`".into(), &|_| {
        asked(EmployerFilter { created: few_days, ..all() }, name, 0)
    });
    add(true, "500 by `id_max`, `name`, `offset` 200".into(), &|_| {
        asked(EmployerFilter { id_max: Some(500), ..all() }, name, 200)
    });
    for (key, descending, order) in ORDERS {
        let by = (key, descending);
        add(true, format!("all, the last page, `{order}`"), &|n| asked(all(), by, n - 10));
        if descending {
            add(false, format!("all, the middle, `{order}`"), &|n| asked(all(), by, n / 2));
        }
    }
    add(false, "half by `has_description`, its middle, `-created_at`".into(), &|n| {
        asked(EmployerFilter { has_description: described, ..all() }, DEFAULT, n / 4)
    });
    add(false, "half by `has_description`, its middle, `name`".into(), &|n| {
        asked(EmployerFilter { has_description: described, ..all() }, name, n / 4)
    });
    add(false, "the older half, the greatest id first".into(), &|n| {
        asked(EmployerFilter { created: older(n), ..all() }, (OrderKey::Id, true), 0)
    });
    cases
}

/// Writes what the database does for each of `statements` that finds or counts.
fn explain(url: &str, statements: &[Statement], plans: &mut String) -> Result<(), Box<dyn Error>> {
    match DatabaseUrl::parse(url)? {
        DatabaseUrl::Sqlite(path) => {
            let connection = &mut SqliteConnection::establish(&path.to_string_lossy())?;
            each(connection, statements, plans, |connection, statement| {
                let steps =
                    diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load::<Step>(connection)?;
                let mut depths = vec![(0, 0)];
                let line = |step: Step| {
                    let depth =
                        depths.iter().find(|(id, _)| *id == step.parent).map_or(0, |(_, depth)| *depth + 1);
                    depths.push((step.id, depth));
                    format!("{}{}", "  ".repeat(depth), step.detail)
                };
                Ok(steps.into_iter().map(line).collect())
            })
        }
        DatabaseUrl::Postgres(_) => {
            let connection = &mut PgConnection::establish(url)?;
            connection.transaction(|connection| {
                each(connection, statements, plans, |connection, statement| {
                    let explain = format!("EXPLAIN (ANALYZE, COSTS OFF) {statement}");
                    let lines = diesel::sql_query(explain).load::<Line>(connection)?;
                    Ok(lines.into_iter().map(|line| line.line).collect())
                })
            })
        }
    }
}

fn each<C: diesel::connection::SimpleConnection>(
    connection: &mut C,
    statements: &[Statement],
    plans: &mut String,
    mut steps: impl FnMut(&mut C, &str) -> QueryResult<Vec<String>>,
) -> Result<(), Box<dyn Error>> {
    for Statement { text, took } in statements {
        if text.starts_with("SET LOCAL") {
            connection.batch_execute(text.split(" -- binds: ").next().unwrap_or_default())?;
        }
        let text = with_values(text);
        let finds = text.starts_with("SELECT") && text.contains("FROM employers") && !text.contains(" JOIN ");
        if finds {
            writeln!(plans, "{:.2} ms: {text}", took.as_secs_f64() * 1000.0)?;
            for line in steps(connection, &text)? {
                writeln!(plans, "    {line}")?;
            }
        }
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    id: i32,
    #[diesel(sql_type = diesel::sql_types::Integer)]
    parent: i32,
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

/// A statement as diesel tells it, its values in their places.
fn with_values(told: &str) -> String {
    let (text, values) = told.split_once(" -- binds: ").unwrap_or((told, "[]"));
    let mut text = text.replace(['`', '"'], "");
    let values = values.strip_prefix('[').and_then(|values| values.strip_suffix(']')).unwrap_or_default();
    let mut literals = Vec::new();
    let (mut depth, mut quoted, mut value) = (0_usize, false, String::new());
    for character in values.chars().chain([',']) {
        match character {
            '"' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                literals.push(literal(std::mem::take(&mut value).trim()));
                continue;
            }
            _ => {}
        }
        value.push(character);
    }
    // The last first: $1 is the beginning of $10.
    for (number, literal) in literals.iter().enumerate().rev() {
        text = text.replace(&format!("${}", number + 1), literal);
    }
    for literal in literals {
        text = text.replacen('?', &literal, 1);
    }
    text
}

/// A value, as Rust tells it, for SQL.
fn literal(value: &str) -> String {
    if let Some(time) = value.strip_prefix("Time(").and_then(|value| value.strip_suffix(')')) {
        return format!("timestamptz '{time}'");
    }
    if value.starts_with('[') {
        let kind = if value.contains('"') { "text" } else { "bigint" };
        return format!("ARRAY{}::{kind}[]", value.replace('"', "'"));
    }
    value.replace('"', "'")
}
