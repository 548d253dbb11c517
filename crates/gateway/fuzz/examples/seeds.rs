//! Writes the seeds of the fuzz targets to `corpus/TARGET`, where `cargo fuzz` reads them.

use std::fs;
use std::path::Path;

use rds_iam_gateway_fuzz::seeds::TARGETS;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in TARGETS {
        let folder = corpus.join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (0..).zip((target.seeds)()) {
            fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
