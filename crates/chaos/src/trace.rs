//! What strace saw of a process.

use std::collections::HashMap;

/// A system call, as strace writes it, without its thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// It began: its arguments, as far as they are known by then.
    Begun(String),
    /// It ended: all of it.
    Ended(String),
}

/// The calls in a trace of `strace -f`, in their order. Of a call that others interrupt, strace writes the
/// beginning and the end apart.
pub(crate) fn events(trace: &str) -> Vec<Event> {
    let mut begun = HashMap::<&str, &str>::new();
    let mut events = Vec::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some(beginning) = call.strip_suffix("<unfinished ...>") {
            events.push(Event::Begun(beginning.to_owned()));
            begun.insert(thread, beginning);
        } else if let Some((_, end)) =
            call.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>"))
        {
            let beginning = begun.remove(thread).unwrap_or_default();
            events.push(Event::Ended(format!("{beginning}{end}")));
        } else if call.contains('(') {
            events.extend([Event::Begun(call.to_owned()), Event::Ended(call.to_owned())]);
        }
    }
    events
}

/// Whether a call that ended is a sync of a file whose path holds `path`, and really was one.
pub(crate) fn is_sync(call: &str, path: &str) -> bool {
    let of_it = ["fsync(", "fdatasync("].iter().any(|name| call.starts_with(name)) && call.contains(path);
    of_it && call.trim_end().ends_with("= 0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_others_interrupt_is_put_together() {
        let trace = "7  fsync(3</x/a.db-wal> <unfinished ...>\n\
                     8  write(4</x/log>, \"hi\\n\", 3)      = 3\n\
                     7  <... fsync resumed>)            = 0\n\
                     7  +++ exited with 0 +++\n";
        let write = "write(4</x/log>, \"hi\\n\", 3)      = 3";
        assert_eq!(
            events(trace),
            [
                Event::Begun("fsync(3</x/a.db-wal> ".into()),
                Event::Begun(write.into()),
                Event::Ended(write.into()),
                Event::Ended("fsync(3</x/a.db-wal> )            = 0".into()),
            ]
        );
    }

    #[test]
    fn a_sync_that_failed_or_was_swallowed_is_none() {
        assert!(is_sync("fdatasync(3</x/a.db-wal>) = 0", "-wal>"));
        assert!(!is_sync("fdatasync(3</x/a.db-wal>) = 0 (INJECTED)", "-wal>"));
        assert!(!is_sync("fdatasync(3</x/a.db-wal>) = -1 EIO (Input/output error)", "-wal>"));
        assert!(!is_sync("fdatasync(3</x/a.db>) = 0", "-wal>"));
        assert!(!is_sync("write(3</x/a.db-wal>, \"\", 0) = 0", "-wal>"));
    }
}
