//! The mends of moto: each is needed by the moto that is pinned, and does what it says.

use std::path::Path;

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the tests are a program of their own")]
async fn moto_needs_its_mends_and_is_mended_by_them() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("aws/test_mends.py");
    let python = rds_iam_emulator::python().await.unwrap();
    let run = tokio::process::Command::new(python).args(["-I", "-B"]).arg(tests).output().await.unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
