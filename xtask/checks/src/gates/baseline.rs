//! Reads and validates `gates/baseline.toml`, the reviewed and accepted findings, each with a reason and an
//! expiry date, and decides whether an entry accepts a finding.

use std::path::Path;

use serde::Deserialize;
use time::{Date, Duration, Month};
use toml::Spanned;
use toml::value::Datetime;

use super::sarif::Finding;
use rds_iam_process::error::Error;
use rds_iam_process::file::read;
use rds_iam_process::tools::Tool;

/// The path from the root.
pub(super) const FILE: &str = "gates/baseline.toml";
/// The tools whose findings can be accepted.
const TOOLS: [Tool; 3] = [Tool::Tflint, Tool::Checkov, Tool::Trivy];
/// The longest time until an entry expires: accepted findings are reviewed twice a year.
const LONGEST: Duration = Duration::days(180);

/// The accepted findings.
#[derive(Debug)]
pub struct Baseline {
    pub(super) entries: Vec<Entry>,
}

/// One accepted finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) tool: Tool,
    pub(super) rule: String,
    /// The path of a file, or of a folder with all its content.
    path: Option<String>,
    package: Option<String>,
    pub(super) reason: String,
    /// The last day on which the entry is valid.
    pub(super) expires: Date,
    /// The line number in the file.
    pub(super) line: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    accepted: Vec<Spanned<WrittenEntry>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEntry {
    tool: Option<String>,
    rule: Option<String>,
    path: Option<String>,
    package: Option<String>,
    reason: Option<String>,
    expires: Option<Datetime>,
}

impl Baseline {
    /// Reads the baseline of the repository at `root`.
    ///
    /// # Errors
    /// Returns an error if it is missing, or an entry is invalid; all invalid entries are reported, with
    /// their lines.
    pub(super) fn read(root: &Path, today: Date) -> Result<Self, Error> {
        Self::parse(&read(&root.join(FILE))?, today)
    }

    pub(super) fn parse(text: &str, today: Date) -> Result<Self, Error> {
        let refused = |found: String| {
            Error::Found {
            found,
            help: "an entry has tool, rule, path or package or both, reason, and expires: a date within 180 days"
                .to_owned(),
        }
        };
        let written: Written = toml::from_str(text)
            .map_err(|error| refused(format!("{FILE}: {}", error.to_string().trim_end())))?;
        let (mut entries, mut wrong) = (Vec::new(), Vec::new());
        for entry in written.accepted {
            let line = text[..entry.span().start].lines().count() + 1;
            match entry.into_inner().check(line, today) {
                Ok(entry) => entries.push(entry),
                Err(what) => wrong.push(format!("{FILE}:{line}: {what}")),
            }
        }
        if wrong.is_empty() { Ok(Self { entries }) } else { Err(refused(wrong.join("\n"))) }
    }
}

impl WrittenEntry {
    fn check(self, line: usize, today: Date) -> Result<Entry, String> {
        let given = |value: Option<String>| value.filter(|text| !text.trim().is_empty());
        let name = given(self.tool).ok_or("the entry names no tool")?;
        let tool = TOOLS.into_iter().find(|tool| tool.name() == name);
        let tool = tool.ok_or_else(|| format!("{name} is no tool whose findings are judged"))?;
        let rule = given(self.rule).ok_or("the entry names no rule")?;
        let (path, package) = (given(self.path), given(self.package));
        if path.is_none() && package.is_none() {
            return Err(format!(
                "{rule} would be accepted everywhere: the entry has neither path nor package"
            ));
        }
        let reason = given(self.reason).ok_or_else(|| format!("{rule} is accepted without a reason"))?;
        let expires = self.expires.ok_or_else(|| format!("{rule} is accepted without an end"))?;
        let expires = date(expires).ok_or_else(|| format!("{expires} is not a date such as 2026-12-31"))?;
        if expires - today > LONGEST {
            return Err(format!("{rule} is accepted until {expires}, more than 180 days from {today}"));
        }
        Ok(Entry { tool, rule, path, package, reason, expires, line })
    }
}

impl Entry {
    /// Returns whether the entry accepts this finding, expired or not.
    pub(super) fn covers(&self, finding: &Finding) -> bool {
        self.rule == finding.rule
            && self.path.as_deref().is_none_or(|path| is_in(path, &finding.path))
            && self.package.as_deref().is_none_or(|package| finding.package.as_deref() == Some(package))
    }

    pub(super) fn holds_on(&self, today: Date) -> bool {
        today <= self.expires
    }
}

/// Returns whether `file` is `path`, or in the folder `path`, by whole names: `alb` does not match `alb2`.
fn is_in(path: &str, file: &str) -> bool {
    let rest = file.strip_prefix(path.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn date(written: Datetime) -> Option<Date> {
    let date = written.date.filter(|_| written.time.is_none())?;
    let month = Month::try_from(date.month).ok()?;
    Date::from_calendar_date(i32::from(date.year), month, date.day).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    const TODAY: Date = date!(2026 - 06 - 01);

    fn finding(path: &str, package: Option<&str>) -> Finding {
        let package = package.map(str::to_owned);
        Finding { path: path.into(), line: 1, rule: "R".into(), package, says: String::new() }
    }

    fn entry(fields: &str) -> Entry {
        let text = format!(
            "[[accepted]]\ntool = 'trivy'\nrule = 'R'\nreason = 'because'\nexpires = 2026-06-02\n{fields}\n"
        );
        Baseline::parse(&text, TODAY).unwrap().entries.remove(0)
    }

    #[test]
    fn an_entry_covers_its_rule_in_its_path_or_package() {
        for (fields, path, package, covers) in [
            ("path = 'a/b'", "a/b", None, true),
            ("path = 'a/b'", "a/b/main.tf", None, true),
            ("path = 'a/b/'", "a/b/main.tf", None, true),
            ("path = 'a/b'", "a/b2/main.tf", None, false),
            ("path = 'b'", "a/b", None, false),
            ("package = 'p'", "Cargo.lock", Some("p"), true),
            ("package = 'p'", "Cargo.lock", Some("p2"), false),
            ("package = 'p'", "Cargo.lock", None, false),
            ("path = 'Cargo.lock'\npackage = 'p'", "Cargo.lock", Some("p"), true),
            ("path = 'other/Cargo.lock'\npackage = 'p'", "Cargo.lock", Some("p"), false),
        ] {
            assert_eq!(entry(fields).covers(&finding(path, package)), covers, "{fields} {path} {package:?}");
        }
        let other_rule = Finding { rule: "R2".into(), ..finding("a/b", None) };
        assert!(!entry("path = 'a/b'").covers(&other_rule));
    }

    #[test]
    fn an_entry_holds_to_the_end_of_its_last_day() {
        let entry = entry("path = 'a'");
        assert!(entry.holds_on(date!(2026 - 06 - 02)));
        assert!(!entry.holds_on(date!(2026 - 06 - 03)));
    }

    #[test]
    fn entries_that_are_not_in_order_are_all_told_with_their_lines() {
        let text = "\
# What was accepted.
[[accepted]]
tool = 'trivy'
rule = 'CVE-1'
package = 'p'
expires = 2026-07-01

[[accepted]]
tool = 'trivy'
rule = 'CVE-2'
package = 'p'
reason = '  '
expires = 2026-07-01

[[accepted]]
tool = 'trivy'
rule = 'CVE-3'
package = 'p'
reason = 'because'

[[accepted]]
tool = 'checkov'
rule = 'CKV_1'
path = 'terraform'
reason = 'because'
expires = 2026-11-29

[[accepted]]
tool = 'hadolint'
rule = 'DL1'
path = 'docker'
reason = 'because'
expires = 2026-07-01

[[accepted]]
tool = 'tflint'
rule = 'terraform_typed_variables'
reason = 'because'
expires = 2026-07-01

[[accepted]]
tool = 'tflint'
rule = 'terraform_typed_variables'
path = 'terraform'
reason = 'because'
expires = 2026-07-01T10:00:00
";
        let error = Baseline::parse(text, TODAY).unwrap_err();
        insta::assert_snapshot!(error.report(), @r"
        error: gates/baseline.toml:2: CVE-1 is accepted without a reason
        gates/baseline.toml:8: CVE-2 is accepted without a reason
        gates/baseline.toml:15: CVE-3 is accepted without an end
        gates/baseline.toml:21: CKV_1 is accepted until 2026-11-29, more than 180 days from 2026-06-01
        gates/baseline.toml:28: hadolint is no tool whose findings are judged
        gates/baseline.toml:35: terraform_typed_variables would be accepted everywhere: the entry has neither path nor package
        gates/baseline.toml:41: 2026-07-01T10:00:00 is not a date such as 2026-12-31
          help: an entry has tool, rule, path or package or both, reason, and expires: a date within 180 days
        ");
        // The 180th day is the last.
        let in_time = text.replace("2026-11-29", "2026-11-28");
        let error = Baseline::parse(&in_time, TODAY).unwrap_err();
        assert!(!error.to_string().contains("CKV_1"), "{error}");
    }

    #[test]
    fn a_key_that_is_not_known_is_told_where_it_stands() {
        let error = Baseline::parse("[[accepted]]\ntool = 'trivy'\nrules = 'all'\n", TODAY).unwrap_err();
        insta::assert_snapshot!(error.report(), @r"
        error: gates/baseline.toml: TOML parse error at line 3, column 1
          |
        3 | rules = 'all'
          | ^^^^^
        unknown field `rules`, expected one of `tool`, `rule`, `path`, `package`, `reason`, `expires`
          help: an entry has tool, rule, path or package or both, reason, and expires: a date within 180 days
        ");
        assert!(Baseline::parse("", TODAY).unwrap().entries.is_empty());
    }

    #[test]
    fn the_repositorys_own_baseline_is_in_order() {
        Baseline::read(
            &rds_iam_process::workspace::root(),
            rds_iam_process::clock::date(rds_iam_process::clock::now()),
        )
        .unwrap();
    }
}
