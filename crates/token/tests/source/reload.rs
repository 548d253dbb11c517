//! Tests of `ReloadingCredentials` with a credentials file that another program rewrites, breaks or removes.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use rds_iam_token::ReloadingCredentials;

use super::*;

fn write(file: &Path, id: &str) {
    fs::write(file, format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = secret\n"))
        .unwrap();
}

/// Returns the profile provider of the SDK's default chain, as a service has it.
#[expect(deprecated, reason = "the new names are in a crate that is not a dependency here")]
fn of_profile(file: &Path) -> ReloadingCredentials {
    let path = file.to_owned();
    ReloadingCredentials::new(vec![path.clone()], move || {
        let path = path.clone();
        async move {
            use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};
            let files = ProfileFiles::builder().with_file(ProfileFileKind::Credentials, path).build();
            let provider = aws_config::profile::ProfileFileCredentialsProvider::builder();
            let aws = aws_config::defaults(BehaviorVersion::latest()).region(Region::new("eu-west-1"));
            let aws = aws.credentials_provider(provider.profile_files(files).build()).load().await;
            aws.credentials_provider().unwrap()
        }
    })
}

/// Signs with the keys in this file, on the test's clock.
fn minter_of(file: &Path) -> Minter {
    let (minter, _, time) = set_up(&[], Answer::Keys);
    Minter::new(minter.login().clone(), of_profile(file), Clock::new(time, TokioSleep::new()))
}

async fn key_of(tokens: &TokenSource) -> String {
    let token = tokens.token().await.unwrap();
    let credential = token.expose().split_once("X-Amz-Credential=").unwrap().1;
    credential.split_once("%2F").unwrap().0.to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_next_token_is_signed_with_the_new_keys_of_a_rewritten_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("credentials");
    write(&file, "AKIDFIRST");
    let tokens = TokenSource::lazy(minter_of(&file));
    assert_eq!(key_of(&tokens).await, "AKIDFIRST");

    // In place, with the same length.
    write(&file, "AKIDOTHER");
    assert_eq!(key_of(&tokens).await, "AKIDFIRST", "the token lives");
    sleep(LIFETIME).await;
    assert_eq!(key_of(&tokens).await, "AKIDOTHER");

    // Another file in its place, as tools that write safely do; at once, after a refusal.
    let next = dir.path().join("next");
    write(&next, "AKIDTHIRD");
    fs::rename(&next, &file).unwrap();
    let refused = tokens.token().await.unwrap();
    sleep(seconds(2)).await;
    tokens.replace(&refused).await.unwrap();
    assert_eq!(key_of(&tokens).await, "AKIDTHIRD");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_broken_for_a_while_costs_nothing_but_that_while() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("credentials");
    write(&file, "AKIDFIRST");
    let tokens = TokenSource::refresh_ahead(minter_of(&file));
    assert_eq!(key_of(&tokens).await, "AKIDFIRST");
    for broken in ["", "[default", "[default]\naws_access_key_id = AKID\n"] {
        fs::write(&file, broken).unwrap();
        sleep(seconds(550)).await;
        assert_eq!(key_of(&tokens).await, "AKIDFIRST", "the old token serves: {broken:?}");
        write(&file, "AKIDFIRST");
        sleep(seconds(60)).await;
        assert!(tokens.token().await.is_ok());
    }
    fs::remove_file(&file).unwrap();
    sleep(seconds(550)).await;
    assert_eq!(key_of(&tokens).await, "AKIDFIRST");
    write(&file, "AKIDOTHER");
    sleep(seconds(60)).await;
    assert_eq!(key_of(&tokens).await, "AKIDOTHER");
}

/// Without a writer, opening a pipe waits, in the thread that runs everything else.
#[tokio::test(start_paused = true)]
async fn a_pipe_in_a_file_s_place_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("credentials");
    write(&file, "AKIDFIRST");
    let tokens = TokenSource::refresh_ahead(minter_of(&file));
    assert_eq!(key_of(&tokens).await, "AKIDFIRST");
    fs::remove_file(&file).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::RUSR).unwrap();
    sleep(seconds(550)).await;
    assert_eq!(key_of(&tokens).await, "AKIDFIRST", "the old token serves");
    let error = tokens.stats().last_error.unwrap();
    assert!(error.is_retryable(), "{error}");
    let causes = format!("{error:?}");
    assert!(causes.contains("credentials is a pipe"), "{causes}");
    fs::remove_file(&file).unwrap();
    write(&file, "AKIDOTHER");
    sleep(seconds(60)).await;
    assert_eq!(key_of(&tokens).await, "AKIDOTHER");
}

#[tokio::test]
async fn nothing_is_built_again_while_no_file_changes() {
    let dir = tempfile::tempdir().unwrap();
    let (present, absent) = (dir.path().join("credentials"), dir.path().join("config"));
    write(&present, "AKID");
    let built = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&built);
    let credentials = ReloadingCredentials::new(vec![present.clone(), absent.clone()], move || {
        count.fetch_add(1, Ordering::SeqCst);
        async {
            let keys = Credentials::new("akid", "secret", None, None, "test");
            aws_credential_types::provider::SharedCredentialsProvider::new(keys)
        }
    });
    for _ in 0..10 {
        credentials.provide_credentials().await.unwrap();
    }
    assert_eq!(built.load(Ordering::SeqCst), 1);
    fs::write(&absent, "[profile other]").unwrap();
    for _ in 0..10 {
        credentials.provide_credentials().await.unwrap();
    }
    assert_eq!(built.load(Ordering::SeqCst), 2);
    assert!(!format!("{credentials:?}").contains("secret"));
}
