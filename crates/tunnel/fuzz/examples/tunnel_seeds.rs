//! Writes the seeds of the fuzz targets to `corpus/TARGET`, where `cargo fuzz` reads them.

use std::fs;
use std::path::Path;

use rds_iam_tunnel_fuzz::seeds;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let targets =
        [("frames", seeds::frames()), ("messages", seeds::messages()), ("reliable", seeds::reliable())];
    for (name, seeds) in targets {
        let folder = corpus.join(name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (0..).zip(seeds) {
            fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
