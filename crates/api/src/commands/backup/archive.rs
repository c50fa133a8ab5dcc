//! What a backup is: a tar of `media/…`, `portfolio.db`, and `manifest.json`, the last, which lists the others
//! with their sizes and SHA-256. No port stands behind it: only these two commands know it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write as _};

use anyhow::{Context as _, bail, ensure};
use portfolio_domain::media_path::MediaPath;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tar::{Archive, Builder, EntryType, Header};

/// The only one that there is so far.
const FORMAT: u32 = 1;
const DATABASE: &str = "portfolio.db";
const MEDIA: &str = "media/";
const MANIFEST: &str = "manifest.json";

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    entries: BTreeMap<String, Sum>,
}

/// What is known of a file's content.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sum {
    size: u64,
    sha256: String,
}

/// What an entry is.
#[derive(Debug)]
pub(crate) enum Entry {
    /// The database.
    Database,
    /// The file that lies there in the media store.
    Media(MediaPath),
}

impl Entry {
    fn name(&self) -> String {
        match self {
            Self::Database => DATABASE.to_owned(),
            Self::Media(path) => format!("{MEDIA}{}", path.as_str()),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        match name.strip_prefix(MEDIA) {
            Some(path) => MediaPath::parse(path).ok().map(Self::Media),
            None => (name == DATABASE).then_some(Self::Database),
        }
    }
}

/// An archive that is being written.
pub(crate) struct Writer<'a> {
    tar: Builder<BufWriter<&'a File>>,
    entries: BTreeMap<String, Sum>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(file: &'a File) -> Self {
        Self { tar: Builder::new(BufWriter::new(file)), entries: BTreeMap::new() }
    }

    pub(crate) fn has(&self, entry: &Entry) -> bool {
        self.entries.contains_key(&entry.name())
    }

    /// Adds an entry of exactly `size` bytes.
    pub(crate) fn add(&mut self, entry: &Entry, size: u64, content: impl Read) -> io::Result<()> {
        let name = entry.name();
        let sum = append(&mut self.tar, &name, size, content)?;
        self.entries.insert(name, sum);
        Ok(())
    }

    /// Adds the manifest; answers how many bytes of content there are beside it.
    pub(crate) fn finish(mut self) -> anyhow::Result<u64> {
        let size = self.entries.values().map(|sum| sum.size).sum();
        let manifest = serde_json::to_vec(&Manifest { format: FORMAT, entries: self.entries })?;
        append(&mut self.tar, MANIFEST, manifest.len() as u64, &*manifest)?;
        self.tar.into_inner()?.flush()?;
        Ok(size)
    }
}

fn append(tar: &mut Builder<impl io::Write>, name: &str, size: u64, content: impl Read) -> io::Result<Sum> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(size);
    let mut content = Summed::new(content.take(size));
    tar.append_data(&mut header, name, &mut content)?;
    let sum = content.sum();
    if sum.size == size { Ok(sum) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Reads the archive from its beginning to its end. `take` is shown every entry before all of them are known to be
/// good: they are once this answers.
pub(crate) fn read(
    file: &mut (impl Read + io::Seek),
    mut take: impl FnMut(Entry, &mut dyn Read) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    file.rewind()?;
    let mut entries = BTreeMap::new();
    let mut manifest = None;
    let mut archive = Archive::new(BufReader::new(file));
    for entry in archive.entries().context("no backup")? {
        let mut entry = entry.context("damaged")?;
        ensure!(manifest.is_none(), "something follows its manifest");
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        ensure!(entry.header().entry_type() == EntryType::Regular, "{name:?} is no regular file");
        if name == MANIFEST {
            manifest = Some(serde_json::from_reader::<_, Manifest>(&mut entry).context("damaged manifest")?);
            continue;
        }
        let Some(kind) = Entry::parse(&name) else { bail!("{name:?} is nothing that a backup has") };
        let mut content = Summed::new(&mut entry);
        take(kind, &mut content)?;
        io::copy(&mut content, &mut io::sink()).with_context(|| name.clone())?;
        let sum = content.sum();
        ensure!(entries.insert(name.clone(), sum).is_none(), "{name:?} is there twice");
    }
    let Some(manifest) = manifest else { bail!("it has no manifest: it is no backup, or cut short") };
    ensure!(manifest.format == FORMAT, "its format is {}, and {FORMAT} is what can be read", manifest.format);
    for (name, sum) in &manifest.entries {
        match entries.get(name) {
            None => bail!("{name:?} is missing"),
            Some(found) => ensure!(found == sum, "{name:?} is damaged"),
        }
    }
    let unknown = entries.keys().find(|name| !manifest.entries.contains_key(*name));
    unknown.map_or(Ok(()), |name| bail!("{name:?} is not in its manifest"))
}

/// A reader that knows what went through it.
struct Summed<R> {
    inner: R,
    size: u64,
    hash: Sha256,
}

impl<R: Read> Summed<R> {
    fn new(inner: R) -> Self {
        Self { inner, size: 0, hash: Sha256::new() }
    }

    fn sum(self) -> Sum {
        let sha256 = self.hash.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        Sum { size: self.size, sha256 }
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hash.update(&buffer[..length]);
        self.size += length as u64;
        Ok(length)
    }
}
