//! Golden files: hexadecimal, 32 bytes a line.
use std::path::{Path, PathBuf};

/// The folder of the golden files.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The file of a case.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    folder().join(format!("{name}.hex"))
}

/// Whether missing files are to be written.
#[must_use]
pub fn writes() -> bool {
    std::env::var_os("STUNITY_GOLDEN").is_some_and(|value| value == "write")
}

/// The bytes of a golden file; none if there is no such file.
#[must_use]
pub fn load(name: &str) -> Option<Vec<u8>> {
    let text = std::fs::read_to_string(path(name)).ok()?;
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |c: u8| (c as char).to_digit(16).unwrap_or_default() as u8;
    Some(
        digits
            .chunks_exact(2)
            .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
            .collect(),
    )
}

/// Writes a file that does not exist yet.
///
/// # Errors
/// The file exists, or cannot be written.
pub fn save(name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let path = path(name);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut text = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            text.push_str(&format!("{byte:02x}"));
        }
        text.push('\n');
    }
    let mut file = std::fs::File::create_new(path)?;
    std::io::Write::write_all(&mut file, text.as_bytes())
}

/// The names of all golden files.
#[must_use]
pub fn names() -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![folder()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(relative) = path.strip_prefix(self::folder()) {
                let name = relative.with_extension("");
                names.push(name.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    names.sort();
    names
}
