//! Writes the single comment of a pull request that shows its plan, and updates it in place through GitHub's
//! `gh`.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use xshell::cmd;

use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::workspace::Workspace;

/// The mark that identifies the comment. GitHub does not render it.
const MARK: &str = "<!-- the plan of cargo xtask -->";
/// The origin of the text: a job that ran the pull request's own code.
const ORIGIN: &str = "> [!NOTE]\n> Written by this pull request's own code. It shows what that code says of its plan, \
                      which is no verdict: the plan that is applied is made again, from main.\n";
/// The user of a job's token.
const AUTHOR: &str = "github-actions[bot]";
/// The time limit of one GitHub API call.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
/// The maximum length of a comment on GitHub, in characters.
const LONGEST: usize = 65_536;

/// Writes `text` into the comment of the pull request that the environment variables name.
///
/// # Errors
/// Returns an error if a variable is missing, or GitHub refuses.
pub(crate) fn run(text: &Path, workspace: &Workspace, runner: Runner) -> Result<(), Error> {
    let (repository, pull_request) = (variable("GITHUB_REPOSITORY")?, variable("RDS_IAM_PULL_REQUEST")?);
    if !pull_request.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::Found {
            found: format!("RDS_IAM_PULL_REQUEST is {pull_request:?}, and no number"),
            help: "set it to github.event.pull_request.number".to_owned(),
        });
    }
    let body = body(&file::read(text)?)?;
    let shell = workspace.shell();
    let gh = |cmd: xshell::Cmd<'_>| {
        Cmd::from_xshell(cmd, "GitHub's runners have it; https://cli.github.com")
            .hint("the job needs `pull-requests: write`, and GH_TOKEN")
    };
    let comments = format!("repos/{repository}/issues/{pull_request}/comments");
    let list = gh(cmd!(shell, "gh api --paginate --slurp {comments}"));
    let printed = runner.ask_within(&list, ANSWERS_WITHIN)?;
    let pages: Value = serde_json::from_str(&printed).map_err(Error::answer(&list))?;
    let input = workspace.target.join("pipeline/comment.json");
    file::replace(&input, json!({ "body": body }).to_string())?;
    let (method, path) = match ours(&pages) {
        Some(id) => ("PATCH", format!("repos/{repository}/issues/comments/{id}")),
        None => ("POST", comments),
    };
    let write = gh(cmd!(shell, "gh api --silent --method {method} {path} --input {input}"));
    Ok(runner.run(&write)?)
}

fn body(text: &str) -> Result<String, Error> {
    let body = format!("{MARK}\n{ORIGIN}\n{text}");
    if body.len() <= LONGEST {
        return Ok(body);
    }
    Err(Error::Found {
        found: format!("the comment has {} characters, and GitHub accepts {LONGEST}", body.len()),
        help: "cargo xtask plan writes shorter ones".to_owned(),
    })
}

/// Returns the comment that this program has written before, from pages of comments. Any user can write the
/// mark; only comments of the job's own user may be changed.
fn ours(pages: &Value) -> Option<u64> {
    let comments = pages.as_array()?.iter().filter_map(Value::as_array).flatten();
    comments
        .filter(|comment| comment["user"]["login"] == AUTHOR)
        .filter(|comment| comment["body"].as_str().is_some_and(|body| body.starts_with(MARK)))
        .find_map(|comment| comment["id"].as_u64())
}

fn variable(name: &str) -> Result<String, Error> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(|| Error::Found {
        found: format!("{name} is not set, or empty"),
        help: "this runs in a job of a pull request on GitHub Actions".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comment_is_found_by_its_mark() {
        let by =
            |id: u64, login: &str, body: &str| json!({ "id": id, "body": body, "user": { "login": login } });
        let text = body("plan").unwrap();
        let pages = json!([[by(1, AUTHOR, "looks good"), by(2, "mallory", &text)], [by(3, AUTHOR, &text)]]);
        assert_eq!(ours(&pages), Some(3));
        assert_eq!(ours(&json!([[]])), None);
        assert!(body(&"x".repeat(LONGEST)).is_err());
        // The note comes before any text of the pull request.
        assert!(text.find("own code").unwrap() < text.find("\nplan").unwrap(), "{text}");
    }
}
