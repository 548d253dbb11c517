//! `--explain`: prints the stages of a run and their order; `--explain STAGE`: prints the description of one
//! stage. Both come from the declarations of the stages.

use crate::context::Context;
use crate::selection::{Run, did_you_mean};
use crate::stage::{Artifact, Part, Stage};
use crate::stages;
use rds_iam_process::console::table;
use rds_iam_process::error::Error;

/// Returns a run's stages as a table.
pub(crate) fn run(run: Run, wanted: &[&Stage]) -> Vec<String> {
    let rows: Vec<[String; 5]> = wanted
        .iter()
        .map(|stage| {
            [
                stage.name.to_owned(),
                stage.effect.as_str().to_owned(),
                stage.exit.to_string(),
                after(stage, wanted),
                stage.purpose.to_owned(),
            ]
        })
        .collect();
    let mut lines = vec![
        format!(
            "{}: each stage runs when those that it comes after have passed, independent ones side by side.",
            run.name()
        ),
        String::new(),
    ];
    lines.extend(table(["stage", "effect", "exit", "after", "what for"], &rows));
    lines
}

/// Returns the stages of a run that are left out, with the parts that the environment lacks; nothing if it has all.
pub(crate) fn left_out(left_out: &[&Stage], context: &Context<'_>) -> Vec<String> {
    let Some(environment) = context.environment.as_ref().filter(|_| !left_out.is_empty()) else {
        return Vec::new();
    };
    let mut lines = vec![String::new()];
    for part in [Part::Proxy, Part::App] {
        let of_it: Vec<_> =
            left_out.iter().filter(|stage| stage.part == part).map(|stage| stage.name).collect();
        if !of_it.is_empty() {
            let (name, database) = (&environment.name, environment.database());
            lines.push(format!(
                "left out: {}: {name} ({database}) is without {}",
                of_it.join(", "),
                part.name()
            ));
        }
    }
    lines
}

fn after(stage: &Stage, wanted: &[&Stage]) -> String {
    let mut makers = Vec::new();
    for input in stage.inputs {
        makers.extend(wanted.iter().filter(|maker| maker.outputs.contains(input)).map(|maker| maker.name));
    }
    makers.dedup();
    if makers.is_empty() { "-".to_owned() } else { makers.join(", ") }
}

/// Returns the description of one stage.
///
/// # Errors
/// Returns an error if there is no such stage.
pub(crate) fn stage(name: &str) -> Result<Vec<String>, Error> {
    let stage = stages::find(name).ok_or_else(|| {
        let names = stages::ALL.map(|stage| stage.name);
        Error::Usage {
            found: format!("there is no stage {name}"),
            help: format!("{}the stages are {}", did_you_mean(&[name], &names), names.join(", ")),
        }
    })?;
    let list = |artifacts: &[Artifact]| {
        let listed: Vec<String> = artifacts
            .iter()
            .map(|artifact| {
                let makers = stages::ALL.into_iter().filter(|maker| maker.outputs.contains(artifact));
                let makers: Vec<&str> = makers.map(|maker| maker.name).collect();
                if makers.is_empty() || makers.contains(&stage.name) {
                    return artifact.what();
                }
                format!("{} (made by {})", artifact.what(), makers.join(" or "))
            })
            .collect();
        if listed.is_empty() { "nothing".to_owned() } else { listed.join(", ") }
    };
    let part =
        (stage.part != Part::Every).then(|| format!("part     only where there is {}", stage.part.name()));
    let mut lines = vec![
        format!("{}: {}", stage.name, stage.purpose),
        String::new(),
        format!("inputs   {}", list(stage.inputs)),
        format!("outputs  {}", list(stage.outputs)),
        format!("effect   {}", stage.effect.as_str()),
        format!("undo     {}", stage.undo),
        format!("limit    {} minutes", stage.minutes),
        format!("exit     {} where it stops a run", stage.exit),
    ];
    lines.extend(part);
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page for operators agrees with the stages.
    #[test]
    fn the_page_has_every_stage_with_its_exit_status_and_effect() {
        let page =
            std::fs::read_to_string(rds_iam_process::workspace::root().join("docs/pipeline.md")).unwrap();
        for stage in stages::ALL {
            let row = format!("| `{}` | {} | {} |", stage.name, stage.exit, stage.effect.as_str());
            let in_words = format!("`{}` ({})", stage.name, stage.exit);
            assert!(page.contains(&row) || page.contains(&in_words), "docs/pipeline.md: no {row}");
        }
    }

    /// Returns the Rust code below a folder, without tests, with each text on one line.
    fn code(folder: &std::path::Path) -> String {
        let mut all = String::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") {
                all.push_str(&code(&path));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                all.extend(text.split("\\\n").map(str::trim_start));
            }
        }
        all
    }

    /// The page for operators lists messages with their remedies.
    #[test]
    fn the_page_quotes_messages_that_exist() {
        let root = rds_iam_process::workspace::root();
        let page = std::fs::read_to_string(root.join("docs/pipeline.md")).unwrap();
        let (_, table) = page.split_once("| Message | What to do |\n").unwrap();
        let rows = table.lines().take_while(|line| line.starts_with('|'));
        let messages = rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next());
        // AWS's messages, and names of rules and stages.
        let is_ours = |message: &&str| message.contains(' ') && !message.starts_with("Not authorized");
        let messages: Vec<&str> = messages.filter(is_ours).collect();
        assert!(messages.len() > 5, "{messages:?}");
        let code = code(&root.join("crates")) + &code(&root.join("xtask"));
        for message in messages {
            // Parts that differ from run to run.
            let fixed = message.replace("ACTION", "…").replace("RESOURCE", "…");
            for part in fixed.split('…').map(str::trim) {
                assert!(code.contains(part), "docs/pipeline.md: no program prints {message:?} ({part:?})");
            }
        }
    }

    #[test]
    fn a_stage_is_explained_by_what_it_declares() {
        insta::assert_snapshot!(stage("apply").unwrap().join("\n"), @"
        apply: Apply the checked plan, and no other

        inputs   programs (made by programs), account (made by account), plan (made by plan), verdict of validate (made by validate), verdict of tflint (made by tflint), verdict of checkov (made by checkov), verdict of trivy (made by trivy)
        outputs  outputs
        effect   remote
        undo     Terraform saves its state when it is stopped: plan again, which shows what is left, and apply that
        limit    90 minutes
        exit     16 where it stops a run
        ");
        let unknown = stage("aply").unwrap_err();
        assert_eq!(unknown.to_string(), "there is no stage aply");
        assert!(unknown.help().unwrap().starts_with("did you mean apply? "));
    }
}
