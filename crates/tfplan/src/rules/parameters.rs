//! Rule for parameter groups: TLS that the database server demands.

use super::{DATABASE_TYPES, Plan, Rule, Verdicts};
use crate::document::ResourceChange;

pub(super) const FORCED_TLS: Rule = Rule {
    id: "RDSIAM014",
    name: "server-without-forced-tls",
    description: "A database server accepts connections without TLS.",
    help: "A server that does not force TLS sends whatever a client without it asks for in clear text, and takes \
           passwords that way. Force it in the parameter group of the instance or, for Aurora, of the cluster: \
           require_secure_transport = 1 for MySQL, rds.force_ssl = 1 for PostgreSQL. By default MySQL does not force it; \
           PostgreSQL does from 15 on, Aurora PostgreSQL from 17 on.",
    severity: "6.0",
    check: forced_tls,
};

const INSTANCE_GROUP: [&str; 1] = ["aws_db_parameter_group"];
const CLUSTER_GROUP: [&str; 1] = ["aws_rds_cluster_parameter_group"];

/// How an engine is made to demand TLS.
struct Engine {
    name: &'static str,
    parameter: &'static str,
    /// The first major version that demands it by default.
    default_since: Option<u32>,
}

const ENGINES: [Engine; 4] = [
    Engine { name: "mysql", parameter: "require_secure_transport", default_since: None },
    Engine { name: "aurora-mysql", parameter: "require_secure_transport", default_since: None },
    Engine { name: "postgres", parameter: "rds.force_ssl", default_since: Some(15) },
    Engine { name: "aurora-postgresql", parameter: "rds.force_ssl", default_since: Some(17) },
];

impl Engine {
    /// Returns whether a version demands TLS by default; `None` if the version is not known.
    fn is_forced_by_default(&self, major: Option<u32>) -> Option<bool> {
        match (self.default_since, major) {
            (None, _) => Some(false),
            (Some(since), Some(major)) => Some(major >= since),
            (Some(_), None) => None,
        }
    }
}

/// The parameter group of a database.
enum Group<'a> {
    /// Groups of the plan, of which it is one.
    Managed(Vec<&'a ResourceChange>),
    /// The default group of its engine's family.
    Default,
    /// The reason for which it can't be checked.
    Unknown(String),
}

fn forced_tls<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    for database in plan.resources(&DATABASE_TYPES) {
        let given = database.after().get("engine");
        let Some(name) = given.str() else {
            verdicts.unchecked(database, "its engine is known only after apply");
            continue;
        };
        let Some(engine) = ENGINES.iter().find(|engine| engine.name == name) else { continue };
        match group_of(plan, database) {
            Group::Managed(groups) => {
                groups.into_iter().for_each(|group| judge(plan, engine, group, verdicts));
            }
            Group::Default => by_default(engine, database, verdicts),
            Group::Unknown(reason) => verdicts.unchecked(database, reason),
        }
    }
}

fn group_of<'a>(plan: &'a Plan, database: &'a ResourceChange) -> Group<'a> {
    let (attribute, kind) = match database.kind.as_str() {
        "aws_rds_cluster" => ("db_cluster_parameter_group_name", &CLUSTER_GROUP),
        _ => ("parameter_group_name", &INSTANCE_GROUP),
    };
    let given = database.after().get(attribute);
    if let Some(name) = given.str() {
        let found = plan.resources(kind).find(|group| group.after().get("name").str() == Some(name));
        return match found {
            Some(group) => Group::Managed(vec![group]),
            None if name.starts_with("default.") => Group::Default,
            None => Group::Unknown(format!("its parameter group {} is not part of this plan", given.shown())),
        };
    }
    // The provider fills in an unset attribute.
    if !plan.sets(database, attribute) {
        return Group::Default;
    }
    let origin = plan.origin(database, attribute);
    if !origin.open && origin.data.is_empty() && origin.sources.is_empty() {
        return Group::Default;
    }
    if !origin.is_managed(kind[0]) {
        return Group::Unknown("its parameter group is known only after apply".to_owned());
    }
    Group::Managed(origin.sources)
}

fn judge<'a>(plan: &'a Plan, engine: &Engine, group: &'a ResourceChange, verdicts: &mut Verdicts<'a>) {
    let parameter = engine.parameter;
    let remedy = format!("set parameter {{ name = \"{parameter}\", value = \"1\" }}");
    let given = group.after().get("parameter");
    let mut unknown = given.is_unknown() && plan.sets(group, "parameter");
    for block in given.items() {
        let (name, value) = (block.get("name"), block.get("value"));
        unknown |= name.is_unknown();
        if name.str().is_some_and(|name| name.eq_ignore_ascii_case(parameter)) {
            match value.str() {
                Some(value) if is_on(value) => {}
                Some(_) => verdicts.refuse(group, format!("{parameter} is {}", value.shown()), remedy),
                None => verdicts.unchecked(group, format!("{parameter} is known only after apply")),
            }
            return;
        }
    }
    if unknown {
        return verdicts.unchecked(group, "its parameters are known only after apply");
    }
    let family = group.after().get("family");
    let major = family.str().and_then(|family| major(family.strip_prefix(engine.name)?));
    match engine.is_forced_by_default(major) {
        Some(true) => {}
        Some(false) => {
            let problem =
                format!("{parameter} is not set, and {} does not force TLS by default", family.shown());
            verdicts.refuse(group, problem, remedy);
        }
        None => {
            verdicts.unchecked(group, "whether its family forces TLS by default is known only after apply");
        }
    }
}

fn by_default<'a>(engine: &Engine, database: &'a ResourceChange, verdicts: &mut Verdicts<'a>) {
    let version = database.after().get("engine_version").str();
    match engine.is_forced_by_default(version.and_then(major)) {
        Some(true) => {}
        Some(false) => {
            let version = version.map_or_else(String::new, |version| format!(" {version}"));
            verdicts.refuse(
                database,
                format!(
                    "it has the default parameter group, and {}{version} does not force TLS by default",
                    engine.name
                ),
                format!("give it a parameter group with {} = 1", engine.parameter),
            );
        }
        None => verdicts.unchecked(
            database,
            "whether its default parameter group forces TLS depends on its version, which is known only after apply",
        ),
    }
}

fn is_on(value: &str) -> bool {
    ["1", "on", "true"].iter().any(|on| value.eq_ignore_ascii_case(on))
}

/// Returns the major version at the start of a text such as `17.5`.
fn major(text: &str) -> Option<u32> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
