//! SHA256SUMS: written after packing, checked on demand.

use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::ToolError;

const SUMS: &str = "SHA256SUMS";

/// The files that make up a packed model.
pub(crate) const FILES: [&str; 8] = [
    "1_Pooling/config.json",
    "config.json",
    "config_sentence_transformers.json",
    "model.int8.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
];

/// Writes the sums of those files of a packed model that are there.
pub(crate) fn write(folder: &Path) -> Result<(), ToolError> {
    let mut lines = String::new();
    for file in FILES.into_iter().filter(|file| folder.join(file).is_file()) {
        lines.push_str(&format!("{}  {file}\n", sha256(&read(&folder.join(file))?)));
    }
    let path = folder.join(SUMS);
    std::fs::write(&path, lines).map_err(|source| ToolError::Write { path, source })
}

/// Checks each file that the sums name, and gives their names.
pub(crate) fn verify(folder: &Path) -> Result<Vec<String>, ToolError> {
    let sums = read(&folder.join(SUMS))?;
    let mut files = Vec::new();
    for line in String::from_utf8_lossy(&sums).lines() {
        let (expected, file) = line.split_once("  ").ok_or_else(|| ToolError::Sums { got: line.to_owned() })?;
        let found = sha256(&read(&folder.join(file))?);
        if found != expected {
            let (file, expected) = (file.to_owned(), expected.to_owned());
            return Err(ToolError::Checksum { file, expected, found });
        }
        files.push(file.to_owned());
    }
    Ok(files)
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ToolError> {
    std::fs::read(path).map_err(|source| ToolError::Read { path: path.to_owned(), source })
}

/// The SHA-256 in lower-case hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), "{}").unwrap();
        write(folder.path()).unwrap();
        assert_eq!(verify(folder.path()).unwrap(), ["config.json"]);
        std::fs::write(folder.path().join("config.json"), "{ }").unwrap();
        assert!(verify(folder.path()).unwrap_err().to_string().starts_with("expected config.json to have the SHA-256"));
    }

    #[test]
    fn the_shipped_model_is_as_summed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("all-MiniLM-L6-v2");
        assert_eq!(verify(&folder).unwrap(), FILES);
    }
}
