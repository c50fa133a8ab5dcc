//! The results, as a table for people and as JSON.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::experiment::{Context, Experiment, Outcome, World};

/// What the table in a document lies between.
const MARKS: [&str; 2] = ["<!-- make chaos writes from here -->\n", "<!-- to here -->\n"];

/// What was measured so far.
pub(crate) struct Report {
    quick: bool,
    rows: Vec<Row>,
}

struct Row {
    id: &'static str,
    promise: &'static str,
    sabotage: &'static str,
    intact: Attempt,
    sabotaged: Attempt,
    took: Duration,
}

/// What came of one measurement: figures, or why there are none.
struct Attempt(Result<Outcome, String>);

impl Attempt {
    fn make(experiment: &Experiment, context: &Context, world: World) -> Self {
        let measured = catch_unwind(AssertUnwindSafe(|| (experiment.measure)(context, world)));
        Self(measured.map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
        }))
    }

    fn figures(&self) -> String {
        match &self.0 {
            Ok(outcome) => outcome.figures(),
            Err(why) => format!("not measured: {why}"),
        }
    }
}

impl Row {
    fn held(&self) -> bool {
        self.intact.0.as_ref().is_ok_and(Outcome::passed)
    }

    /// Whether the measurement told the broken world from the real one. One that could not be made told
    /// nothing.
    fn found_out(&self) -> bool {
        self.sabotaged.0.as_ref().is_ok_and(|outcome| !outcome.passed())
    }

    fn verdict(&self) -> &'static str {
        if self.held() { "held" } else { "BROKEN" }
    }

    fn twin_verdict(&self) -> &'static str {
        if self.found_out() { "found out" } else { "PROVES NOTHING" }
    }
}

impl Report {
    pub(crate) fn new(quick: bool) -> Self {
        Self { quick, rows: Vec::new() }
    }

    /// Tries a promise and its twin, and says so.
    pub(crate) fn run(&mut self, experiment: &Experiment, context: &Context) {
        context.log.line(&format!("=== {}", experiment.id));
        let start = Instant::now();
        eprintln!("{}: {}", experiment.id, experiment.promise);
        let intact = Attempt::make(experiment, context, World::Intact);
        eprintln!("{}: {}", experiment.id, intact.figures());
        context.log.line(&format!("=== the twin of {}", experiment.id));
        let sabotaged = Attempt::make(experiment, context, World::Sabotaged);
        eprintln!("{}, twin ({}): {}", experiment.id, experiment.sabotage, sabotaged.figures());
        let Experiment { id, promise, sabotage, .. } = *experiment;
        let row = Row { id, promise, sabotage, intact, sabotaged, took: start.elapsed() };
        eprintln!("{id}: {}, its twin {} ({:.0?})", row.verdict(), row.twin_verdict(), row.took);
        self.rows.push(row);
    }

    pub(crate) fn all_well(&self) -> bool {
        self.rows.iter().all(|row| row.held() && row.found_out())
    }

    /// The table, in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut table = format!(
            "Measured on {} with {}{}.\n\n\
             | | promise | measured | | its twin | measured there | |\n|---|---|---|---|---|---|---|\n",
            chrono::Utc::now().format("%Y-%m-%d %H:%M UTC"),
            machine(),
            if self.quick { "; `--quick`: small numbers" } else { "" }
        );
        for row in &self.rows {
            let (intact, sabotaged) = (cell(&row.intact.figures()), cell(&row.sabotaged.figures()));
            let Row { id, promise, sabotage, .. } = row;
            let (verdict, twin) = (row.verdict(), row.twin_verdict());
            let _ = writeln!(
                table,
                "| {id} | {promise} | {intact} | {verdict} | {sabotage} | {sabotaged} | {twin} |"
            );
        }
        table
    }

    /// The same for machines.
    pub(crate) fn json(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            let broken = |attempt: &Attempt| match &attempt.0 {
                Ok(outcome) => outcome.broken(),
                Err(why) => why.clone(),
            };
            json!({
                "id": row.id, "promise": row.promise,
                "figures": row.intact.figures(), "held": row.held(), "broken": broken(&row.intact),
                "sabotage": row.sabotage,
                "twin_figures": row.sabotaged.figures(), "twin_found_out": row.found_out(),
                "twin_broken": broken(&row.sabotaged), "seconds": row.took.as_secs(),
            })
        });
        let all = json!({
            "at": chrono::Utc::now().to_rfc3339(), "machine": machine(), "quick": self.quick,
            "experiments": rows.collect::<Vec<_>>(),
        });
        format!("{all:#}\n")
    }

    /// Puts the table between the two marks of a document.
    ///
    /// # Errors
    ///
    /// When it can't be read or written, or has no marks.
    pub(crate) fn write_into(&self, file: &Path) -> std::io::Result<()> {
        let document = std::fs::read_to_string(file)?;
        let new = between(&document, &self.table())
            .ok_or_else(|| std::io::Error::other("it lacks the two marks"))?;
        std::fs::write(file, new)
    }
}

fn between(document: &str, table: &str) -> Option<String> {
    let (before, rest) = document.split_once(MARKS[0])?;
    let (_, after) = rest.split_once(MARKS[1])?;
    Some(format!("{before}{}{table}{}{after}", MARKS[0], MARKS[1]))
}

/// A text as one cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// How large the machine is, as far as Linux tells.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok());
    let gibibytes = kilobytes.map_or(0, |kilobytes: u64| kilobytes.div_ceil(1024 * 1024));
    format!("{cores} cores, {gibibytes} GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        let file = std::env::temp_dir().join(format!("chaos-{}.log", std::process::id()));
        let log = crate::experiment::Log::create(&file).unwrap();
        let _ = std::fs::remove_file(file);
        Context { program: "", quick: true, log }
    }

    fn report(measure: fn(&Context, World) -> Outcome) -> Report {
        let mut report = Report::new(true);
        report.run(
            &Experiment { id: "E0", promise: "It holds.", sabotage: "it is broken", measure },
            &context(),
        );
        report
    }

    fn outcome(held: bool) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.must(held, "a|b");
        outcome
    }

    #[test]
    fn all_is_well_when_the_promise_held_and_its_twin_was_found_out() {
        let report = report(|_, world| outcome(!world.is_sabotaged()));
        assert!(report.all_well());
        let table = report.table();
        assert!(
            table.ends_with("| E0 | It holds. | a\\|b | held | it is broken | a\\|b | found out |\n"),
            "{table}"
        );
    }

    #[test]
    fn a_promise_that_did_not_hold_is_told() {
        let report = report(|_, _| outcome(false));
        assert!(!report.all_well());
        assert!(report.table().contains("| BROKEN |"));
    }

    #[test]
    fn a_twin_that_passes_proves_nothing() {
        let report = report(|_, _| outcome(true));
        assert!(!report.all_well());
        assert!(report.table().contains("| PROVES NOTHING |"));
    }

    #[test]
    fn a_twin_that_could_not_be_measured_proves_nothing() {
        let report = report(|_, world| {
            assert!(!world.is_sabotaged(), "no such program");
            outcome(true)
        });
        assert!(!report.all_well());
        assert!(report.table().contains("| not measured: no such program | PROVES NOTHING |"));
    }

    #[test]
    fn a_document_keeps_what_is_around_the_table() {
        let document = format!("# Promises\n{}old\n{}rest\n", MARKS[0], MARKS[1]);
        let new = between(&document, "new\n").unwrap();
        assert_eq!(new, format!("# Promises\n{}new\n{}rest\n", MARKS[0], MARKS[1]));
        assert_eq!(between("# Promises\n", "new\n"), None);
    }
}
