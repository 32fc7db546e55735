//! `cargo run -p stunity-compat --example write-corpora -- FOLDER`: what each
//! fuzz target begins with, a folder each; prints their names.
use stunity_compat::decoders::{TARGETS, seeds::seeds};

fn main() -> std::io::Result<()> {
    let folder = std::path::PathBuf::from(std::env::args_os().nth(1).unwrap_or_default());
    for target in TARGETS {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds(target) {
            std::fs::write(folder.join(name), bytes)?;
        }
        println!("{}", target.name);
    }
    Ok(())
}
