//! Benchmarks, side by side with what a user would pick instead. Run by `cargo xtask bench`.

mod report;
mod tokens;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;

/// Measures and prints; with --save also writes the figures as JSON.
#[derive(Parser)]
struct Arguments {
    /// Where to write the figures
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = tokens::measure(&runtime)?;
    for row in &rows {
        println!("{row}");
    }
    if let Some(path) = arguments.save {
        let json = serde_json::to_string_pretty(&rows)?;
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        std::fs::write(&path, json).with_context(|| format!("writing {}", path.display()))?;
        println!("saved in {}", path.display());
    }
    Ok(())
}
