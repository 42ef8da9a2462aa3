//! What is submitted, which goes through this process piece by piece: a file as it lies there, a pipe by way of a
//! temporary file, words as lines.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use indicatif::ProgressBar;

use super::secret::Secret;
use crate::connection::Upload;
use crate::failure::Failure;

/// What is copied at once, in bytes.
const PIECE: usize = 256 << 10;

/// What is submitted, and what stands around it.
pub struct Inputs {
    source: Source,
    media_type: String,
    before: Vec<u8>,
    after: Vec<u8>,
    /// What shows how much of it is sent.
    bar: Option<ProgressBar>,
}

enum Source {
    /// Words.
    Memory(Vec<u8>),
    /// From a place in a file on, so many bytes.
    File { file: File, from: u64, length: u64 },
    /// What can be read once alone.
    Pipe(Box<dyn Read>),
}

impl Inputs {
    /// A file, or standard input where the path is `-`. What is no file is copied to one that has no name, and that
    /// nobody but this process can open, unless it is to be sent straight on.
    ///
    /// # Errors
    /// If it cannot be read, or not be copied.
    pub fn open(path: &Path, media_type: &str, is_straight: bool) -> Result<Self, Failure> {
        let is_standard = path == Path::new("-");
        let what = if is_standard { "standard input".to_owned() } else { path.display().to_string() };
        let unreadable = |error: io::Error| Failure::here(format!("{what} cannot be read"), &error);
        let mut file = match is_standard {
            true => File::from(io::stdin().as_fd().try_clone_to_owned().map_err(unreadable)?),
            false => File::open(path).map_err(unreadable)?,
        };
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(Failure::Here(format!("{what} is a directory; a file of inputs is needed")));
        }
        let source = if metadata.is_file() {
            let from = file.stream_position().map_err(unreadable)?;
            Source::File { file, from, length: metadata.len().saturating_sub(from) }
        } else if is_straight {
            Source::Pipe(Box::new(file))
        } else {
            spool(&mut file)?
        };
        Ok(Self::new(source, media_type))
    }

    /// Words, each as it is.
    ///
    /// # Errors
    /// If one can be written neither as a line nor in JSON.
    pub fn of_words(words: &[OsString]) -> Result<Self, Failure> {
        let is_line = |word: &OsString| !word.as_bytes().contains(&b'\n') && !word.as_bytes().ends_with(b"\r");
        if words.iter().all(is_line) {
            let lines = words.iter().flat_map(|word| [word.as_bytes(), b"\n"]).flatten().copied().collect();
            return Ok(Self::new(Source::Memory(lines), "text/plain"));
        }
        let lines = words.iter().map(|word| Some(serde_json::Value::from(word.to_str()?).to_string() + "\n"));
        let lines: Option<String> = lines.collect();
        let lines = lines.ok_or_else(|| {
            Failure::Here("a word with a line feed in it has to be UTF-8; use --encoding base64, or a file".to_owned())
        })?;
        Ok(Self::new(Source::Memory(lines.into_bytes()), "application/x-ndjson"))
    }

    fn new(source: Source, media_type: &str) -> Self {
        Self { source, media_type: media_type.to_owned(), before: Vec::new(), after: Vec::new(), bar: None }
    }

    /// What `Content-Type` says of it.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// Shows how much of it is sent.
    pub fn show(&mut self, bar: Option<ProgressBar>) {
        self.bar = bar;
    }

    /// Puts it into a form (RFC 7578), behind fields with secrets. `boundary` is in none of it.
    pub fn become_form(&mut self, boundary: &str, secrets: &[Secret]) {
        let mut before = String::new();
        for Secret { field, bytes, .. } in secrets {
            let value = const_hex::encode(bytes);
            before += &format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n");
        }
        let part = "Content-Disposition: form-data; name=\"file\"; filename=\"inputs\"";
        before += &format!("--{boundary}\r\n{part}\r\nContent-Type: {}\r\n\r\n", self.media_type);
        self.before = before.into_bytes();
        self.after = format!("\r\n--{boundary}--\r\n").into_bytes();
        self.media_type = format!("multipart/form-data; boundary={boundary}");
    }
}

fn spool(pipe: &mut impl Read) -> Result<Source, Failure> {
    let mut copied = || -> io::Result<(File, u64)> {
        let mut file = tempfile::tempfile()?;
        let mut writer = io::BufWriter::with_capacity(PIECE, &mut file);
        let length = io::copy(pipe, &mut writer)?;
        io::Write::flush(&mut writer)?;
        drop(writer);
        Ok((file, length))
    };
    let (file, length) = copied().map_err(|error| {
        let folder = std::env::temp_dir();
        Failure::here(
            format!(
                "what comes from the pipe cannot be kept in {} (TMPDIR) while it is sent; --no-retry does without",
                folder.display()
            ),
            &error,
        )
    })?;
    Ok(Source::File { file, from: 0, length })
}

impl Upload for Inputs {
    fn length(&self) -> Option<u64> {
        let around = (self.before.len() + self.after.len()) as u64;
        match &self.source {
            Source::Memory(bytes) => Some(bytes.len() as u64 + around),
            Source::File { length, .. } => Some(length + around),
            Source::Pipe(_) => None,
        }
    }

    fn begin(&mut self) -> Result<Box<dyn Read + '_>, Failure> {
        let inputs: Box<dyn Read + '_> = match &mut self.source {
            Source::Memory(bytes) => Box::new(Cursor::new(bytes)),
            Source::File { file, from, length } => {
                let sought = file.seek(SeekFrom::Start(*from));
                sought.map_err(|error| Failure::here("the inputs cannot be read", &error))?;
                Box::new(file.take(*length))
            }
            Source::Pipe(pipe) => Box::new(pipe),
        };
        let inputs = match &self.bar {
            Some(bar) => {
                bar.set_position(0);
                Box::new(bar.wrap_read(inputs))
            }
            None => inputs,
        };
        Ok(match self.before.is_empty() && self.after.is_empty() {
            true => inputs,
            false => Box::new(Cursor::new(&self.before).chain(inputs).chain(Cursor::new(&self.after))),
        })
    }

    fn is_repeatable(&self) -> bool {
        !matches!(self.source, Source::Pipe(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(inputs: &mut Inputs) -> Vec<u8> {
        let mut bytes = Vec::new();
        let length = inputs.length();
        inputs.begin().unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(length, Some(bytes.len() as u64));
        bytes
    }

    #[test]
    fn words_are_lines_as_long_as_they_can_be() {
        let words = |words: &[&str]| Inputs::of_words(&words.iter().map(OsString::from).collect::<Vec<_>>()).unwrap();
        assert_eq!(sent(&mut words(&["a", "", "b c"])), b"a\n\nb c\n");
        let mut torn = words(&["a\nb", "\"c\r"]);
        assert_eq!(sent(&mut torn), b"\"a\\nb\"\n\"\\\"c\\r\"\n");
        assert_eq!(torn.media_type(), "application/x-ndjson");
    }

    #[test]
    fn what_comes_once_is_sent_as_often_as_need_be() {
        let mut inputs = Inputs::new(spool(&mut Cursor::new(b"a\nb\n")).ok().unwrap(), "text/plain");
        assert!(inputs.is_repeatable());
        for _ in 0..2 {
            assert_eq!(sent(&mut inputs), b"a\nb\n");
        }
        inputs.become_form("xyz", &[Secret { header: "hive-key-hex", field: "key_hex", bytes: vec![255] }]);
        let form = String::from_utf8(sent(&mut inputs)).unwrap();
        assert!(form.starts_with("--xyz\r\n") && form.contains("\r\n\r\nff\r\n--xyz\r\n"), "{form}");
        assert!(form.ends_with("\r\n\r\na\nb\n\r\n--xyz--\r\n"), "{form}");
    }
}
