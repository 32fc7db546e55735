//! Freezes a school as this version writes it, under the next free number: after a
//! change of either schema, before it ships.
//!
//! ```text
//! cargo run -p stunity-e2e --example freeze-school
//! ```
use stunity_e2e::frozen;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = frozen::folder();
    std::fs::create_dir_all(&folder)?;
    let next = std::fs::read_dir(&folder)?.count() + 1;
    let file = folder.join(format!("school-{next}.zst"));
    let bytes = frozen::freeze().await?;
    std::fs::write(&file, &bytes)?;
    println!("{}: {} bytes", file.display(), bytes.len());
    Ok(())
}
