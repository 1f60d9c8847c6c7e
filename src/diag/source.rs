//! The files of a run and places in them.

use std::sync::Arc;

/// Index of a file in [`Sources`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A half-open range of bytes in a file, on character boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// One file as read.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The name to print: as the user gave it, or relative to the project directory.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
    /// First byte of each line, so that a look-up does not read the text again.
    line_starts: Vec<u32>,
}

impl SourceFile {
    fn new(name: String, text: Arc<str>) -> Self {
        let after = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| u32::try_from(at + 1).unwrap_or(u32::MAX));
        let line_starts = std::iter::once(0).chain(after).collect();
        Self { name, text, line_starts }
    }

    /// Line and column (from 1, columns in characters) of a byte; none off the text and inside
    /// a character.
    pub fn line_column(&self, offset: u32) -> Option<(usize, usize)> {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = *self.line_starts.get(line.checked_sub(1)?)?;
        let before = self.text.get(start as usize..offset as usize)?;
        Some((line, before.chars().count() + 1))
    }

    /// The byte at a line and column (both from 1, columns in characters); none off the line.
    pub fn offset(&self, line: usize, column: usize) -> Option<u32> {
        let range = self.line_range(line)?;
        let text = self.text.get(range.clone())?;
        let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        let at = ends.nth(column.checked_sub(1)?)?;
        u32::try_from(range.start + at).ok()
    }

    /// The bytes of a line (from 1) without its line break.
    pub fn line_range(&self, line: usize) -> Option<std::ops::Range<usize>> {
        let start = *self.line_starts.get(line.checked_sub(1)?)? as usize;
        let end = self.line_starts.get(line).map_or(self.text.len(), |next| *next as usize - 1);
        let text = self.text.get(start..end)?;
        Some(start..start + text.strip_suffix('\r').unwrap_or(text).len())
    }
}

/// Every file that a run has read, in the order read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// Adds a file and gives its id.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile::new(name.into(), text.into()));
        id
    }

    /// All files, in the order read.
    pub fn iter(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter()
    }

    /// The first file that `wanted` accepts, with its id.
    pub fn find(&self, wanted: impl Fn(&SourceFile) -> bool) -> Option<(FileId, &SourceFile)> {
        let (index, file) = self.files.iter().enumerate().find(|(_, file)| wanted(file))?;
        Some((FileId(u32::try_from(index).ok()?), file))
    }

    /// The file under `id`.
    pub fn get(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// Line and column (from 1, columns in characters) of a span's start.
    pub fn line_column(&self, span: Span) -> Option<(usize, usize)> {
        self.get(span.file)?.line_column(span.start)
    }

    /// `file:line:column` of a span's start, the form that every message uses.
    pub fn position(&self, span: Span) -> Option<String> {
        let (line, column) = self.line_column(span)?;
        Some(format!("{}:{line}:{column}", self.get(span.file)?.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters() {
        let mut sources = Sources::default();
        let file = sources.add("a.yaml", "é: 1\r\nb: 2\n\nlast");
        let at = |start: u32| sources.line_column(Span { file, start, end: start });
        assert_eq!(at(0), Some((1, 1)));
        assert_eq!(at(1), None, "inside a character");
        assert_eq!(at(2), Some((1, 2)));
        assert_eq!(at(7), Some((2, 1)));
        assert_eq!(at(12), Some((3, 1)));
        assert_eq!(at(13), Some((4, 1)));
        assert_eq!(at(17), Some((4, 5)), "the end of the text");
        assert_eq!(at(18), None);
        let source = sources.get(file).unwrap();
        let line = |line| source.line_range(line).map(|range| &source.text[range]);
        assert_eq!(line(1), Some("é: 1"));
        assert_eq!((line(3), line(4)), (Some(""), Some("last")));
        assert_eq!((line(0), line(5)), (None, None));
        assert_eq!((source.offset(1, 2), source.offset(2, 1)), (Some(2), Some(7)));
        assert_eq!((source.offset(4, 5), source.offset(4, 6), source.offset(9, 1)), (Some(17), None, None));
        let place = Span { file, start: 7, end: 8 };
        assert_eq!(sources.position(place).unwrap(), "a.yaml:2:1");
    }

    #[test]
    fn many_look_ups_in_a_large_file_are_quick() {
        let mut sources = Sources::default();
        let file = sources.add("big.yaml", "key: value\n".repeat(100_000));
        let start = std::time::Instant::now();
        for line in 0..100_000u32 {
            let place = Span { file, start: line * 11, end: line * 11 };
            assert_eq!(sources.line_column(place), Some((line as usize + 1, 1)));
        }
        assert!(start.elapsed().as_secs() < 2, "{:?}", start.elapsed());
    }
}
