//! The files of a run and places in them.

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
    pub text: String,
}

/// Every file that a run has read, in the order read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// Adds a file and gives its id.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile {
            name: name.into(),
            text: text.into(),
        });
        id
    }

    /// The file under `id`.
    pub fn get(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// Line and column (from 1, columns in characters) of a span's start.
    pub fn line_column(&self, span: Span) -> Option<(usize, usize)> {
        let text = self.get(span.file)?.text.get(..span.start as usize)?;
        let line_start = text.rfind('\n').map_or(0, |at| at + 1);
        let line = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Some((line, text[line_start..].chars().count() + 1))
    }

    /// `file:line:column` of a span's start, the form that every message uses.
    pub fn position(&self, span: Span) -> Option<String> {
        let (line, column) = self.line_column(span)?;
        Some(format!("{}:{line}:{column}", self.get(span.file)?.name))
    }
}
