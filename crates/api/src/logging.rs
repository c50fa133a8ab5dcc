//! Logs, on standard error: one line an event, whatever is in it.
//!
//! A thread of its own writes those of the service, so that no request waits for whoever reads them: a pipe that is
//! full for ever would stop it. When more lines wait than it may keep, further ones are lost, and counted. A command
//! writes its own at once: none is lost, and none comes between the lines that it prints.

use std::fmt::{self, Write};
use std::io::{self, BufWriter, IsTerminal as _, Stderr};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::anyhow;
use tracing::field::Field;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::writer::EitherWriter;

/// How many lines may wait to be written: some 4 MB.
const MAX_LINES: usize = 10_000;

/// There is one log a process.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// How many lines were lost, because nobody read them in time.
#[must_use]
pub fn dropped_lines() -> u64 {
    DROPPED.get().map_or(0, |counter| counter.dropped_lines() as u64)
}

/// Whose logs they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The running service.
    Service,
    /// Any other command.
    Command,
}

/// Where lines go.
enum Lines {
    /// To the thread that writes them.
    Queue(NonBlocking),
    /// To standard error itself.
    Stderr,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = EitherWriter<NonBlocking, Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        match self {
            Self::Queue(lines) => EitherWriter::A(lines.clone()),
            Self::Stderr => EitherWriter::B(io::stderr()),
        }
    }
}

/// Sets up logs as `LOG_FORMAT` (`text` or `json`; text on a terminal, else JSON) and `RUST_LOG` say. What it
/// answers for the service writes the lines that wait when it is dropped, for a second at most.
///
/// # Errors
///
/// The variable that is wrong.
pub fn start(
    program: Program,
    format: Option<&str>,
    levels: Option<&str>,
) -> anyhow::Result<Option<WorkerGuard>> {
    // What a client's malformed head makes actix say is nobody's error here.
    const USUAL: &str = "info,actix_server=warn,actix_http::h1::dispatcher=off";
    let levels = levels.filter(|levels| !levels.is_empty()).unwrap_or(USUAL);
    let filter = EnvFilter::try_new(levels).map_err(|_| {
        anyhow!("RUST_LOG: must be a level, or targets with levels, as info or info,portfolio_api=debug")
    })?;
    let json = match format.unwrap_or_default() {
        "" => !io::stderr().is_terminal(),
        "json" => true,
        "text" => false,
        _ => return Err(anyhow!("LOG_FORMAT: must be text or json")),
    };
    let (lines, guard) = match program {
        Program::Service => {
            let queue =
                NonBlockingBuilder::default().lossy(true).buffered_lines_limit(MAX_LINES).thread_name("log");
            let (queue, guard) = queue.finish(Gathering(BufWriter::new(io::stderr())));
            let _ = DROPPED.set(queue.error_counter());
            (Lines::Queue(queue), Some(guard))
        }
        Program::Command => (Lines::Stderr, None),
    };
    // What it would say of a line that can't be written goes to where that can't be, and ends in a panic.
    let logs =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines).log_internal_errors(false);
    if json {
        logs.json().flatten_event(true).with_span_list(false).init();
    } else {
        let fields = debug_fn(write_field).delimited(" ");
        logs.fmt_fields(fields).with_target(false).with_ansi(io::stderr().is_terminal()).init();
    }
    // The usual hook writes several lines, past the log.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panicked")));
    Ok(guard)
}

/// Writes on when it is told that nothing more is there, and gives lines a moment to gather then: one by one, each
/// would wake the thread that writes it.
struct Gathering<W>(W);

impl<W: io::Write> io::Write for Gathering<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        const MOMENT: Duration = Duration::from_millis(5);
        self.0.flush()?;
        std::thread::sleep(MOMENT);
        Ok(())
    }
}

/// Writes a field as text that stays on its line and moves no cursor.
fn write_field(line: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    match field.name() {
        // What tracing-log adds, for machines.
        name if name.starts_with("log.") => Ok(()),
        "message" => write!(Escaping(line), "{value:?}"),
        name => write!(Escaping(line), "{name}={value:?}"),
    }
}

struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| {
            if character.is_control() {
                write!(self.0, "{}", character.escape_default())
            } else {
                self.0.write_char(character)
            }
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was logged.
    #[derive(Clone, Default)]
    pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn text_stays_on_its_line_whatever_is_logged() {
        let kept = Kept::default();
        let writer = kept.clone();
        let logs = tracing_subscriber::fmt()
            .fmt_fields(debug_fn(write_field).delimited(" "))
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(logs, || {
            let forged = "a\r\n2026-01-01T00:00:00Z INFO forged\u{1b}[2J\u{85}";
            let _span = tracing::info_span!("request", id = %forged).entered();
            tracing::info!(shown = %forged, debugged = ?forged, "message {forged}");
        });
        let text = kept.text();
        assert_eq!(text.matches(char::is_control).collect::<String>(), "\n", "{text}");
        assert!(text.ends_with('\n') && text.contains(r"shown=a\r\n2026"), "{text}");
    }
}
