//! `rds-db:connect`: on named users of named databases, and on nothing else.

use super::{Plan, Rule, Verdicts};
use crate::arn::RdsDbArn;
use crate::plan::document::{Mode, ResourceChange};
use crate::plan::node::Node;
use crate::plan::policy::{HOLDERS, Policy, Statement};

pub(super) const CONNECT: &str = "rds-db:connect";

pub(super) const WILDCARD: Rule = Rule {
    id: "RDSIAM001",
    name: "wildcard-in-rds-db-connect",
    description: "A policy allows rds-db:connect by a wildcard.",
    help: "Whoever has rds-db:connect on a pattern can log in as every user and to every database that ever \
           matches it, the administrator included. Allow it on one ARN for each user of one database, as \
           arn:<partition>:rds-db:<region>:<account>:dbuser:<resource-id>/<user>; the module \
           rds_connect_policy makes such a policy. Deny on everything in the same policy also satisfies \
           the rule. A permissions boundary grants nothing by itself: an aws_iam_policy that a role or user of the \
           plan has as its boundary, or whose name ends in -boundary, and that nothing attaches is not judged. It is listed as not checked where something is \
           attached that is known only after apply, and no role or user of the plan has it as its boundary.",
    severity: "8.5",
    check: wildcard,
};

pub(super) const IDENTIFIER: Rule = Rule {
    id: "RDSIAM002",
    name: "identifier-for-resource-id",
    description: "A policy for rds-db:connect names something else than the resource id of a database or proxy.",
    help: "The ARN of rds-db:connect holds the id that AWS gave: db-… of an instance (Terraform \
           aws_db_instance.resource_id), cluster-… of an Aurora cluster (aws_rds_cluster.cluster_resource_id) \
           or prx-… of a proxy (the last part of aws_db_proxy.arn; its id is the name). With the name that a \
           person gave, IAM matches nothing and every login is refused.",
    severity: "4.0",
    check: identifier,
};

/// AWS's own policies that allow every action on every database.
const ADMINISTRATORS: [&str; 2] = ["AdministratorAccess", "PowerUserAccess"];

/// Types that attach policies, and the attribute that holds the ARN or ARNs.
const ATTACHMENTS: [(&str, &str); 9] = [
    ("aws_iam_policy_attachment", "policy_arn"),
    ("aws_iam_role_policy_attachment", "policy_arn"),
    ("aws_iam_user_policy_attachment", "policy_arn"),
    ("aws_iam_group_policy_attachment", "policy_arn"),
    ("aws_iam_role_policy_attachments_exclusive", "policy_arns"),
    ("aws_iam_user_policy_attachments_exclusive", "policy_arns"),
    ("aws_iam_group_policy_attachments_exclusive", "policy_arns"),
    ("aws_ssoadmin_managed_policy_attachment", "managed_policy_arn"),
    ("aws_iam_role", "managed_policy_arns"),
];

const NAME_USERS: &str = "name each user of each database: \
                          arn:<partition>:rds-db:<region>:<account>:dbuser:<resource-id>/<user>";

fn wildcard<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    for policy in plan.policies() {
        match attachment(plan, policy.holder) {
            Attachment::Never => continue,
            Attachment::Perhaps(by) => {
                let reason = format!(
                    "it is named as a permissions boundary, and what {} attaches is known only after apply",
                    by.address
                );
                verdicts.unchecked(policy.holder, reason);
                continue;
            }
            Attachment::Possible => {}
        }
        if !policy.denies(CONNECT) {
            for statement in &policy.statements {
                wildcard_in_statement(&policy, statement, verdicts);
            }
        }
        if policy.incomplete {
            verdicts.unchecked(policy.holder, "its policy is known only after apply");
        } else if policy.is_unknown {
            verdicts.unchecked(
                policy.holder,
                "its policy is known only after apply; only the document that it refers to was checked",
            );
        }
    }
    for (resource, attribute) in attachments(plan) {
        for arn in texts(resource.after().get(attribute)) {
            administrator(resource, arn, verdicts);
        }
    }
}

fn attachments(plan: &Plan) -> impl Iterator<Item = (&ResourceChange, &'static str)> {
    plan.document.resource_changes.iter().filter(|resource| resource.stays()).filter_map(|resource| {
        let (_, attribute) = ATTACHMENTS.iter().find(|(kind, _)| *kind == resource.kind)?;
        Some((resource, *attribute))
    })
}

/// The text that an attribute is, or those in its list.
fn texts(node: Node<'_>) -> impl Iterator<Item = &str> {
    std::iter::once(node).chain(node.items()).filter_map(Node::str)
}

fn administrator<'a>(resource: &'a ResourceChange, arn: &str, verdicts: &mut Verdicts<'a>) {
    let Some((_, name)) = arn.split_once(":iam::aws:policy/") else { return };
    if ADMINISTRATORS.contains(&name) {
        let problem = format!("AWS's policy {name} is attached, which allows {CONNECT} on everything");
        verdicts.refuse(
            resource,
            problem,
            "attach a policy of what is needed; the rule's help shows its form",
        );
    }
}

fn wildcard_in_statement<'a>(policy: &Policy<'a>, statement: &Statement, verdicts: &mut Verdicts<'a>) {
    if statement.deny {
        return;
    }
    let holder = policy.holder;
    let Some(covers) = statement.covers(CONNECT) else {
        return verdicts.unchecked(holder, "the actions of a statement are known only after apply");
    };
    if !covers {
        return;
    }
    if !statement.not_resources.is_empty() {
        let problem = format!("a statement allows {CONNECT} on everything but some resources (NotResource)");
        return verdicts.refuse(holder, problem, NAME_USERS);
    }
    let named = statement.actions.iter().flatten().any(|action| action.eq_ignore_ascii_case(CONNECT));
    let only_databases = names_only_rds_db(statement);
    let unknown = statement.resources.contains(&None);
    let reached: Vec<_> = statement.resources.iter().flatten().filter(|text| may_be_rds_db(text)).collect();
    if !named && (!reached.is_empty() || (only_databases && unknown)) {
        let by = statement.actions.iter().flatten().find(|action| action.contains(['*', '?']));
        let by = by.map_or_else(|| "NotAction".to_owned(), |action| policy.shown(action));
        let problem = format!("a statement allows {CONNECT} by a wildcard in its action ({by})");
        let mend =
            if only_databases { format!("write the action as {CONNECT}") } else { "name the actions".into() };
        verdicts.refuse(holder, problem, format!("{mend}, and {NAME_USERS}"));
    }
    for resource in reached {
        if is_pattern(resource) && (named || resource != "*") {
            let shown = policy.shown(resource);
            let kind = if resource.contains(['*', '?']) { "pattern" } else { "policy variable" };
            let problem = format!("a statement allows {CONNECT} on a {kind} ({shown})");
            verdicts.refuse(holder, problem, NAME_USERS);
        }
    }
    if unknown && (named || !only_databases) {
        let reason = format!("a statement allows {CONNECT} on resources that are known only after apply");
        verdicts.unchecked(holder, reason);
    }
}

fn identifier<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    for policy in granting(plan) {
        for statement in policy.statements.iter().filter(|statement| !statement.deny) {
            if statement.covers(CONNECT) != Some(true) {
                continue;
            }
            let only_databases = names_only_rds_db(statement);
            for resource in statement.resources.iter().flatten() {
                // Patterns are the other rule's; what other actions are allowed on is nobody's.
                let judged = only_databases || resource.contains(":rds-db:");
                if !judged || is_pattern(resource) {
                    continue;
                }
                if let Err(error) = resource.parse::<RdsDbArn>() {
                    let problem = format!("{CONNECT} is allowed on {}", policy.shown(resource));
                    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                    let remedy = if policy.sensitive {
                        NAME_USERS.to_owned()
                    } else {
                        format!("{error}{}", cause.unwrap_or_default())
                    };
                    verdicts.refuse(policy.holder, format!("{problem}, which is no database user"), remedy);
                }
            }
        }
    }
}

/// The policies that grant something: neither a boundary nor one that denies logins altogether.
fn granting(plan: &Plan) -> Vec<Policy<'_>> {
    let mut policies = plan.policies();
    let grants = |policy: &Policy<'_>| matches!(attachment(plan, policy.holder), Attachment::Possible);
    policies.retain(|policy| !policy.denies(CONNECT) && grants(policy));
    policies
}

/// Whether a policy gets to grant something.
enum Attachment<'a> {
    /// It is attached, or may be by whoever likes.
    Possible,
    /// It is a permissions boundary, unless this resource attaches it, which the plan does not tell.
    Perhaps(&'a ResourceChange),
    /// It is a permissions boundary, and only that.
    Never,
}

fn attachment<'a>(plan: &'a Plan, policy: &ResourceChange) -> Attachment<'a> {
    let name = policy.after().get("name").str().unwrap_or_default();
    let bounds = |holder| refers(plan, holder, "permissions_boundary", policy) == Some(true);
    let is_boundary =
        || name.ends_with("-boundary") || plan.resources(&["aws_iam_role", "aws_iam_user"]).any(bounds);
    if policy.kind != "aws_iam_policy" || !is_boundary() {
        return Attachment::Possible;
    }
    let mut perhaps = None;
    for (resource, attribute) in attachments(plan) {
        match refers(plan, resource, attribute, policy) {
            Some(true) => return Attachment::Possible,
            Some(false) => {}
            None => perhaps = perhaps.or(Some(resource)),
        }
    }
    // Permission sets of IAM Identity Center attach by name.
    let by_name = plan.resources(&["aws_ssoadmin_customer_managed_policy_attachment"]).any(|resource| {
        let mut references = resource.after().get("customer_managed_policy_reference").items();
        references.any(|reference| reference.get("name").str() == Some(name))
    });
    if by_name {
        return Attachment::Possible;
    }
    let mut holders = plan.resources(&["aws_iam_role", "aws_iam_user"]);
    let may_bound = |holder| refers(plan, holder, "permissions_boundary", policy) != Some(false);
    match perhaps {
        Some(resource) if !holders.any(may_bound) => Attachment::Perhaps(resource),
        _ => Attachment::Never,
    }
}

/// Whether an attribute holds the ARN of a policy; none where the plan does not tell.
fn refers(plan: &Plan, resource: &ResourceChange, attribute: &str, policy: &ResourceChange) -> Option<bool> {
    let (node, own) = (resource.after().get(attribute), policy.after());
    let names = |arn: &str| {
        let by_name = || Some(arn.split_once(":policy/")?.1.rsplit('/').next() == own.get("name").str());
        Some(arn) == own.get("arn").str() || (!arn.contains(":iam::aws:") && by_name() == Some(true))
    };
    if texts(node).any(names) {
        return Some(true);
    }
    // The provider fills in what is not set.
    if !node.has_unknown() || !plan.sets(resource, attribute) {
        return Some(false);
    }
    let origin = plan.origin(resource, attribute);
    if origin.sources.iter().any(|source| source.address == policy.address) {
        return Some(true);
    }
    let told = |source: &&ResourceChange| source.mode == Mode::Managed && source.kind == "aws_iam_policy";
    let tells = !origin.open && !origin.sources.is_empty() && origin.sources.iter().all(told);
    tells.then_some(false)
}

/// Whether every action of a statement is one of `rds-db`. `NotAction` names what is left out instead.
fn names_only_rds_db(statement: &Statement) -> bool {
    let is_rds_db = |action: &String| action.to_ascii_lowercase().starts_with("rds-db:");
    statement.not_actions.is_empty()
        && !statement.actions.is_empty()
        && statement.actions.iter().flatten().all(is_rds_db)
}

/// Whether a pattern may match ARNs of `rds-db:connect`, in any partition, by what stands before its first
/// wildcard.
fn may_be_rds_db(pattern: &str) -> bool {
    let fixed = pattern.split(['*', '?']).next().unwrap_or_default();
    let mut parts = fixed.split(':');
    let (last, whole) = (parts.next_back().unwrap_or_default(), parts.collect::<Vec<_>>());
    // What comes last goes on behind the wildcard.
    let goes_on = fixed.len() < pattern.len();
    match whole[..] {
        [] => goes_on && "arn".starts_with(last),
        ["arn"] => goes_on && ("aws".starts_with(last) || last.starts_with("aws")),
        ["arn", partition] => goes_on && partition.starts_with("aws") && "rds-db".starts_with(last),
        ["arn", partition, service, ..] => partition.starts_with("aws") && service == "rds-db",
        _ => false,
    }
}

/// Whether IAM reads it as more than itself.
fn is_pattern(resource: &str) -> bool {
    resource.contains(['*', '?']) || resource.contains("${")
}

/// Every policy in the plan that hangs on a role, and whether there may be others that it does not tell.
pub(super) fn policies_of<'a>(plan: &'a Plan, role: &'a ResourceChange) -> (Vec<Policy<'a>>, bool) {
    let mut policies = plan.policies_in(role);
    let mut others = false;
    let (name, id) = (role.after().get("name").str(), role.before().get("id").str());
    let is_role = |resource: &'a ResourceChange| match resource.after().get("role").str() {
        Some(given) => Some(given) == name || Some(given) == id,
        None => plan.sources(resource, "role").iter().any(|source| source.address == role.address),
    };
    let kinds: Vec<_> = HOLDERS.iter().map(|(kind, _)| *kind).filter(|kind| kind.contains("role")).collect();
    let own: Vec<_> =
        plan.document.resource_changes.iter().filter(|r| kinds.contains(&r.kind.as_str())).collect();
    policies.extend(own.into_iter().filter(|r| is_role(r)).flat_map(|resource| plan.policies_in(resource)));
    for attachment in plan.resources(&["aws_iam_role_policy_attachment"]).filter(|r| is_role(r)) {
        let arn = attachment.after().get("policy_arn");
        let sources = plan.sources(attachment, "policy_arn");
        let attached: Vec<_> = plan
            .resources(&["aws_iam_policy"])
            .filter(|policy| match arn.str() {
                Some(arn) => policy.after().get("arn").str() == Some(arn),
                None => sources.iter().any(|source| source.address == policy.address),
            })
            .collect();
        others |= attached.is_empty();
        policies.extend(attached.into_iter().flat_map(|policy| plan.policies_in(policy)));
    }
    (policies, others)
}
