//! Tests of the patches of moto: each is needed by the pinned moto, and works as documented.

use std::path::Path;

#[tokio::test]
async fn moto_needs_its_patches_and_passes_with_them() {
    run("test_moto_patches.py").await;
}

#[tokio::test]
async fn clusters_need_their_patches_and_pass_with_them() {
    run("test_rds_patches.py").await;
}

#[tokio::test]
async fn an_account_needs_its_patches_and_passes_with_them() {
    run("test_account.py").await;
}

#[tokio::test]
async fn session_manager_needs_its_patches_and_passes_with_them() {
    run("test_account_sessions.py").await;
}

#[expect(clippy::disallowed_methods, reason = "the tests are programs of their own")]
async fn run(name: &str) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("aws").join(name);
    let python = rds_iam_emulator_account::python().await.unwrap();
    let run = tokio::process::Command::new(python).args(["-I", "-B"]).arg(tests).output().await.unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
