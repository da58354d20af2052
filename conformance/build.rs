//! Puts the suite and its fixtures into the binary, so that it runs without the repository beside it.
//! Owns a table of names and lengths, and the compressed texts; what is in them is `load`'s business.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use flate2::Compression;
use flate2::write::DeflateEncoder;

fn main() -> io::Result<()> {
    let told = |name: &str| env::var_os(name).map(PathBuf::from).ok_or_else(|| io::Error::other(name.to_owned()));
    let folder = told("CARGO_MANIFEST_DIR")?.join("../scenarios").canonicalize()?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    collect(&folder, &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    let mut texts = DeflateEncoder::new(Vec::new(), Compression::best());
    for file in files {
        let name = file.strip_prefix(&folder).map_err(io::Error::other)?;
        let text = fs::read_to_string(&file)?;
        writeln!(table, "    ({:?}, {}),", name.display().to_string(), text.len()).map_err(io::Error::other)?;
        texts.write_all(text.as_bytes())?;
    }
    let out = told("OUT_DIR")?;
    fs::write(out.join("scenarios.rs"), table + "]\n")?;
    fs::write(out.join("scenarios.deflate"), texts.finish()?)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}
