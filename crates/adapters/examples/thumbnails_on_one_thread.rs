//! What `scripts/bench-thumbnails` measures: renders the file that each line of the input names, on one
//! thread, and writes how many seconds that took by the clock, and how many of the processor. A line may name
//! a folder after a tab: the thumbnails are then left there.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use portfolio_adapters::thumbnails::PooledThumbnailer;
use portfolio_domain::local_file::LocalFile;
use portfolio_domain::ports::Thumbnailer;
use rustix::time::{ClockId, clock_gettime};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let thumbnailer = PooledThumbnailer::with_threads(1);
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (file, folder) =
            line.split_once('\t').map_or((&*line, None), |(file, folder)| (file, Some(folder)));
        let file = LocalFile::lasting(file);
        let (clock, processor) = (Instant::now(), processor_time()?);
        let rendering = thumbnailer.render(&file).await?;
        let (clock, processor) = (clock.elapsed(), processor_time()?.saturating_sub(processor));
        if let Some(folder) = folder {
            for thumbnail in rendering.thumbnails {
                let path = Path::new(folder).join(thumbnail.box_side.to_string());
                std::fs::write(path, thumbnail.bytes)?;
            }
        }
        writeln!(output, "{} {}", clock.as_secs_f64(), processor.as_secs_f64())?;
        output.flush()?;
    }
    Ok(())
}

/// Of all threads of this process.
fn processor_time() -> Result<Duration, Box<dyn Error>> {
    Ok(Duration::try_from(clock_gettime(ClockId::ProcessCPUTime))?)
}
