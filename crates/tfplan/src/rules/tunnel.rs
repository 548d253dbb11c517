//! Rule for tunnels: permissions for Session Manager name one instance and one document.

use super::attachment::{Attachment, Attachments, may_attach};
use super::connect::pattern;
use super::{Plan, Rule, Verdicts};
use crate::policy::{Policy, Statement};

pub(super) const WILDCARD: Rule = Rule {
    id: "RDSIAM016",
    name: "tunnel-by-wildcard",
    description: "A policy allows ssm:StartSession on any instance, or with any document.",
    help: "A principal with ssm:StartSession on a pattern gets into every machine that ever matches it; without a document \
           in the policy, it gets a shell instead of a tunnel. Allow it on the ARN of the jump host and of one \
           document, AWS-StartPortForwardingSessionToRemoteHost, with the condition ssm:SessionDocumentAccessCheck = \
           true; the module jump_host makes such a policy. Conditions, tags for example, are not considered. Statements \
           whose action is \"*\" are refused by RDSIAM001.",
    severity: "7.0",
    check: wildcard,
};

const START: &str = "ssm:StartSession";

const NAME_BOTH: &str = "name the jump host, arn:<partition>:ec2:<region>:<account>:instance/<id>, and the document, \
                         arn:<partition>:ssm:<region>::document/AWS-StartPortForwardingSessionToRemoteHost";

fn wildcard<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    let attachments = Attachments::new(plan);
    for policy in plan.policies() {
        match attachments.classify(policy.holder) {
            Attachment::Never => continue,
            Attachment::Perhaps(by) => {
                // RDSIAM001 reports each such policy; this rule reports those that it would refuse.
                if starts(&policy).next().is_some() {
                    verdicts.unchecked(policy.holder, may_attach(by));
                }
                continue;
            }
            Attachment::Possible => {}
        }
        if !policy.denies(START) {
            judge(&policy, verdicts);
        }
        if policy.incomplete {
            verdicts.unchecked(policy.holder, "its policy is known only after apply");
        }
    }
}

/// Returns the statements that allow to start sessions, by an action of Session Manager.
fn starts<'p>(policy: &'p Policy<'_>) -> impl Iterator<Item = &'p Statement> {
    let names_ssm = |statement: &&Statement| {
        let is_ssm = |action: &String| action.to_ascii_lowercase().starts_with("ssm:");
        statement.not_actions.is_empty() && statement.actions.iter().flatten().any(is_ssm)
    };
    policy.statements.iter().filter(|it| !it.deny && it.covers(START) == Some(true)).filter(names_ssm)
}

fn judge<'a>(policy: &Policy<'a>, verdicts: &mut Verdicts<'a>) {
    let holder = policy.holder;
    let (mut instance, mut document, mut unknown) = (false, false, policy.incomplete);
    for statement in starts(policy) {
        if !statement.not_resources.is_empty() {
            let problem =
                format!("a statement allows {START} on everything but some resources (NotResource)");
            verdicts.refuse(holder, problem, NAME_BOTH);
            return;
        }
        if statement.resources.contains(&None) {
            unknown = true;
            let reason = format!("a statement allows {START} on resources that are known only after apply");
            verdicts.unchecked(holder, reason);
        }
        for resource in statement.resources.iter().flatten() {
            let is_document = resource.contains(":document/");
            // Other actions of the statement may have resources of their own.
            let is_session = resource.contains(":session/") || resource.contains(":parameter/");
            document |= is_document;
            instance |= !is_document && !is_session;
            if let Some(kind) = pattern(resource).filter(|_| !is_session) {
                let problem = format!("a statement allows {START} on a {kind} ({})", policy.shown(resource));
                verdicts.refuse(holder, problem, NAME_BOTH);
                document = true;
            }
        }
    }
    if instance && !document && !unknown {
        let problem = format!("it allows {START} on an instance without naming a document");
        verdicts.refuse(holder, problem, NAME_BOTH);
    }
}
