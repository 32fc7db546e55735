//! Tables of comma-separated values, a row a line. A line that is no row of its
//! table is named and left out.
use std::path::Path;

use crate::ClientError;
use crate::import::SkippedRow;

/// Bytes of a cell: the longest of the source has 60. Events have room for it,
/// however many cells of a row are as long.
const MAX_CELL: usize = 256;

/// A row with its line, from 1.
pub(crate) struct Line {
    pub line: usize,
    pub cells: Vec<String>,
}

/// A table of one file.
pub(crate) struct Table {
    pub file: &'static str,
    pub rows: Vec<Line>,
}

impl Table {
    /// Reads a file with exactly these columns.
    ///
    /// # Errors
    /// A file that cannot be read, or `import.columns`.
    pub fn read(
        folder: &Path,
        file: &'static str,
        columns: &[&str],
        skipped: &mut Vec<SkippedRow>,
    ) -> Result<Self, ClientError> {
        let bytes = std::fs::read(folder.join(file))?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut lines = bytes.split(|byte| *byte == b'\n').zip(1..);
        let header = lines.next().and_then(|(line, _)| cells(line).ok());
        if header.is_none_or(|header| header != columns) {
            return Err(ClientError::Invalid("import.columns"));
        }
        let mut rows = Vec::new();
        for (bytes, line) in lines {
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            let read = cells(bytes).and_then(|cells| {
                (cells.len() == columns.len())
                    .then_some(cells)
                    .ok_or_else(|| format!("not {} columns", columns.len()))
            });
            match read {
                Ok(cells) => rows.push(Line { line, cells }),
                Err(reason) => skipped.push(SkippedRow {
                    file: file.to_owned(),
                    line,
                    reason,
                }),
            }
        }
        Ok(Self { file, rows })
    }
}

fn cells(line: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "not UTF-8".to_owned())?;
    let cells = split(text.trim_end_matches('\r')).ok_or("a quote without its other")?;
    for cell in &cells {
        if cell.len() > MAX_CELL {
            return Err(format!("a cell longer than {MAX_CELL} bytes"));
        }
        // The cells of a row are kept as one text, parted by one of these.
        if cell.contains(char::is_control) {
            return Err("a control character".to_owned());
        }
    }
    Ok(cells)
}

/// Splits one line: cells may be quoted, a doubled quote stands for one.
fn split(line: &str) -> Option<Vec<String>> {
    let mut cells = Vec::new();
    let mut chars = line.chars().peekable();
    loop {
        let mut cell = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next()? {
                    '"' if chars.next_if_eq(&'"').is_some() => cell.push('"'),
                    '"' => break,
                    c => cell.push(c),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != ',') {
                cell.push(c);
            }
        }
        cells.push(cell);
        match chars.next() {
            None => return Some(cells),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

/// Joins cells to a line that [`split`] takes apart.
pub(crate) fn join(cells: &[String]) -> String {
    let quoted = |cell: &String| {
        if cell.contains([',', '"']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.clone()
        }
    };
    cells.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_may_be_quoted() {
        let cells = ["a", "b,\"c\"", "", "d"].map(str::to_owned);
        assert_eq!(split("a,\"b,\"\"c\"\"\",,d").unwrap(), cells);
        assert_eq!(join(&cells), "a,\"b,\"\"c\"\"\",,d\n");
        assert_eq!(split("a,\"b"), None);
        assert_eq!(split("\"a\"b"), None);
    }
}
