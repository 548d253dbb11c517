//! Rule for databases: IAM authentication. checkov checks for public addresses and encryption: docs/adr/0018.

use super::{DATABASE_TYPES, Plan, Rule, Verdicts};

pub(super) const AUTHENTICATION: Rule = Rule {
    id: "RDSIAM006",
    name: "database-without-iam-authentication",
    description: "A database does not accept logins by IAM.",
    help: "Without iam_database_authentication_enabled = true the server refuses every token, and long-lived \
           passwords are what remains. This holds behind a proxy that logs in by secret too: switched on, it changes \
           no login by password, and the administrator that creates database users logs in by token.",
    severity: "5.0",
    check: authentication,
};

const SETTING: &str = "iam_database_authentication_enabled";

fn authentication<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    for database in plan.resources(&DATABASE_TYPES) {
        let setting = database.after().get(SETTING);
        if setting.is_unknown() {
            verdicts.unchecked(database, format!("{SETTING} is known only after apply"));
        } else if setting.bool() != Some(true) {
            verdicts.refuse(database, format!("{SETTING} is not true"), format!("set {SETTING} = true"));
        }
    }
}
