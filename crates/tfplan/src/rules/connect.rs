//! Rules for `rds-db:connect` in IAM policies: no wildcard, and the resource id of a database or proxy instead
//! of its name. Also finds the policies of a role.

use super::attachment::{Attachment, Attachments, may_attach};
use super::{Plan, Rule, Verdicts};
use crate::document::ResourceChange;
use crate::policy::{Policy, Statement};
use rds_iam_infra::arn::RdsDbArn;

pub(super) const CONNECT: &str = "rds-db:connect";

pub(super) const WILDCARD: Rule = Rule {
    id: "RDSIAM001",
    name: "wildcard-in-rds-db-connect",
    description: "A policy allows rds-db:connect by a wildcard.",
    help: "A principal with rds-db:connect on a pattern can log in as every user and to every database that ever \
           matches it, the administrator included. Allow it on one ARN for each user of one database, as \
           arn:<partition>:rds-db:<region>:<account>:dbuser:<resource-id>/<user>; the module \
           rds_connect_policy makes such a policy. Deny on everything in the same policy also satisfies \
           the rule. A permissions boundary grants nothing by itself: an aws_iam_policy that a role or user of the \
           plan has as its boundary, or whose name ends in -boundary, and that nothing attaches is not judged. It is listed as not checked where something is \
           attached that is known only after apply, and no role or user of the plan certainly has it as its boundary.",
    severity: "8.5",
    check: wildcard,
};

pub(super) const IDENTIFIER: Rule = Rule {
    id: "RDSIAM002",
    name: "identifier-for-resource-id",
    description: "A policy for rds-db:connect does not name the resource id of a database or proxy.",
    help: "The ARN of rds-db:connect holds the id that AWS gave: db-… of an instance (Terraform \
           aws_db_instance.resource_id), cluster-… of an Aurora cluster (aws_rds_cluster.cluster_resource_id) \
           or prx-… of a proxy (the last part of aws_db_proxy.arn; its id is the name). With the name that a \
           person gave, IAM matches nothing and every login is refused.",
    severity: "4.0",
    check: identifier,
};

/// AWS's own policies that allow every action on every database.
const ADMINISTRATORS: [&str; 2] = ["AdministratorAccess", "PowerUserAccess"];

const NAME_USERS: &str = "name each user of each database: \
                          arn:<partition>:rds-db:<region>:<account>:dbuser:<resource-id>/<user>";

fn wildcard<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    let attachments = Attachments::new(plan);
    for policy in plan.policies() {
        match attachments.classify(policy.holder) {
            Attachment::Never => continue,
            Attachment::Perhaps(by) => {
                verdicts.unchecked(policy.holder, may_attach(by));
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
    for link in &attachments.links {
        for text in &link.texts {
            let Some(policy) = text.str() else { continue };
            administrator(link.resource, policy, verdicts);
            if !attachments.is_judged(policy) {
                let reason = format!("the policy {} that it attaches is not part of this plan", text.shown());
                verdicts.unchecked(link.resource, reason);
            }
        }
        if !link.is_managed {
            verdicts.unchecked(link.resource, "which policy it attaches is known only after apply");
        }
    }
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
        let help =
            if only_databases { format!("write the action as {CONNECT}") } else { "name the actions".into() };
        verdicts.refuse(holder, problem, format!("{help}, and {NAME_USERS}"));
    }
    for resource in reached {
        if let Some(kind) = pattern(resource).filter(|_| named || resource != "*") {
            let shown = policy.shown(resource);
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
    // Logins to an instance of a cluster are allowed by the cluster's id.
    let members = plan.resources(&["aws_rds_cluster_instance"]);
    let members: Vec<_> = members
        .filter_map(|member| {
            Some((format!(":{}/", member.after().get("dbi_resource_id").str()?), &member.address))
        })
        .collect();
    for policy in granting(plan) {
        for statement in policy.statements.iter().filter(|statement| !statement.deny) {
            if statement.covers(CONNECT) != Some(true) {
                continue;
            }
            let only_databases = names_only_rds_db(statement);
            for resource in statement.resources.iter().flatten() {
                // Patterns are checked by the other rule; the resources of other actions are not checked.
                let judged = only_databases || resource.contains(":rds-db:");
                if !judged || pattern(resource).is_some() {
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
                } else if let Some(member) = members.iter().find(|(id, _)| resource.contains(id)) {
                    let problem = format!("{CONNECT} is allowed on {}", policy.shown(resource));
                    verdicts.refuse(
                        policy.holder,
                        format!("{problem}, the id of {}, an instance of a cluster", member.1),
                        "name the cluster's id, aws_rds_cluster.cluster_resource_id: it holds for all of its endpoints",
                    );
                }
            }
        }
    }
}

/// Returns the policies that grant permissions: neither boundaries nor policies that deny all logins.
fn granting(plan: &Plan) -> Vec<Policy<'_>> {
    let mut policies = plan.policies();
    let attachments = Attachments::new(plan);
    let grants = |policy: &Policy<'_>| matches!(attachments.classify(policy.holder), Attachment::Possible);
    policies.retain(|policy| !policy.denies(CONNECT) && grants(policy));
    policies
}

/// Returns whether every action of a statement is one of `rds-db`. `NotAction` lists the excluded actions
/// instead.
fn names_only_rds_db(statement: &Statement) -> bool {
    let is_rds_db = |action: &String| action.to_ascii_lowercase().starts_with("rds-db:");
    statement.not_actions.is_empty()
        && !statement.actions.is_empty()
        && statement.actions.iter().flatten().all(is_rds_db)
}

/// Returns whether a pattern may match ARNs of `rds-db:connect`, in any partition, by the text before its first
/// wildcard.
fn may_be_rds_db(pattern: &str) -> bool {
    let fixed = pattern.split(['*', '?']).next().unwrap_or_default();
    let mut parts = fixed.split(':');
    let (last, whole) = (parts.next_back().unwrap_or_default(), parts.collect::<Vec<_>>());
    // The last part may continue behind the wildcard.
    let goes_on = fixed.len() < pattern.len();
    match whole[..] {
        [] => goes_on && "arn".starts_with(last),
        ["arn"] => goes_on && ("aws".starts_with(last) || last.starts_with("aws")),
        ["arn", partition] => goes_on && partition.starts_with("aws") && "rds-db".starts_with(last),
        ["arn", partition, service, ..] => partition.starts_with("aws") && service == "rds-db",
        _ => false,
    }
}

/// Returns the kind of pattern that it is for IAM, if it is one.
pub(super) fn pattern(resource: &str) -> Option<&'static str> {
    if resource.contains(['*', '?']) {
        Some("pattern")
    } else {
        resource.contains("${").then_some("policy variable")
    }
}

/// Returns every policy in the plan that is attached to a role, and whether there may be others that the plan
/// does not show.
pub(super) fn policies_of<'a>(plan: &'a Plan, role: &'a ResourceChange) -> (Vec<Policy<'a>>, bool) {
    let mut policies = plan.policies_in(role);
    let mut others = false;
    let (name, id) = (role.after().get("name").str(), role.before().get("id").str());
    // `None` if the plan does not show the role.
    let is_role = |resource: &'a ResourceChange| match resource.after().get("role").str() {
        Some(given) => Some(Some(given) == name || Some(given) == id),
        None => {
            let origin = plan.origin(resource, "role");
            let own = origin.sources.iter().any(|source| source.address == role.address);
            (own || origin.is_managed("aws_iam_role")).then_some(own)
        }
    };
    for resource in plan.resources(&["aws_iam_role_policy"]) {
        match is_role(resource) {
            Some(true) => policies.extend(plan.policies_in(resource)),
            Some(false) => {}
            None => others = true,
        }
    }
    for attachment in plan.resources(&["aws_iam_role_policy_attachment"]) {
        match is_role(attachment) {
            Some(true) => {}
            Some(false) => continue,
            None => {
                others = true;
                continue;
            }
        }
        let arn = attachment.after().get("policy_arn");
        let origin = plan.origin(attachment, "policy_arn");
        let attached: Vec<_> = plan
            .resources(&["aws_iam_policy"])
            .filter(|policy| match arn.str() {
                Some(arn) => policy.after().get("arn").str() == Some(arn),
                None => origin.sources.iter().any(|source| source.address == policy.address),
            })
            .collect();
        others |= attached.is_empty() || arn.is_unknown() && !origin.is_managed("aws_iam_policy");
        policies.extend(attached.into_iter().flat_map(|policy| plan.policies_in(policy)));
    }
    (policies, others)
}
