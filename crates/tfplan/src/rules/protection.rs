//! Rules for deletion protection: a database or load balancer that has it must not be destroyed or replaced.

use super::{Plan, Rule, Verdicts};
use crate::document::{Action, ResourceChange};
use crate::node::Node;

pub(super) const DATABASE: Rule = Rule {
    id: "RDSIAM011",
    name: "protected-database-destroyed",
    description: "A database with deletion protection would be destroyed, replaced or left without an instance.",
    help: "Terraform would destroy everything around it first and then fail at the database, which AWS \
           protects. Where it is really meant to go: set deletion_protection = false and apply that, then \
           destroy. Where it is not: find the attribute that forces the replacement, and keep it. AWS does not protect \
           the instances of a protected cluster: without any, nothing reaches its data.",
    severity: "7.0",
    check: database,
};

pub(super) const LOAD_BALANCER: Rule = Rule {
    id: "RDSIAM012",
    name: "protected-load-balancer-destroyed",
    description: "A load balancer with deletion protection would be destroyed or replaced.",
    help: "Terraform would destroy everything around it first and then fail at the load balancer, which AWS \
           protects. Where it is really meant to go: set enable_deletion_protection = false and apply that, \
           then destroy.",
    severity: "4.0",
    check: load_balancer,
};

fn database<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    let kinds = ["aws_db_instance", "aws_rds_cluster", "aws_rds_global_cluster"];
    protected(plan, verdicts, &kinds, "deletion_protection");
    members(plan, verdicts);
}

/// Refuses to destroy all instances of a protected cluster, which protects the data and not them.
fn members<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    let all = || plan.document.resource_changes.iter();
    let destroyed = |resource: &ResourceChange| resource.change.action == Action::Destroy;
    for cluster in
        all().filter(|resource| resource.kind == "aws_rds_cluster" && !resource.change.action.destroys())
    {
        let before = cluster.before();
        let Some(identifier) = before.get("cluster_identifier").str() else { continue };
        let members: Vec<_> = all()
            .filter(|resource| resource.kind == "aws_rds_cluster_instance" && resource.deposed.is_none())
            .filter(|member| {
                let given = |node: Node<'a>| node.get("cluster_identifier").str() == Some(identifier);
                given(member.before()) || given(member.after())
            })
            .collect();
        let protected = before.get("deletion_protection").bool() == Some(true);
        if protected && !members.is_empty() && members.iter().all(|member| destroyed(member)) {
            let problem = match members.len() {
                1 => "it has deletion_protection, and its only instance would be destroyed".to_owned(),
                count => {
                    format!("it has deletion_protection, and all of its {count} instances would be destroyed")
                }
            };
            verdicts.refuse(
                cluster,
                problem,
                "keep one of them; or first set deletion_protection = false and apply that alone, and then destroy",
            );
        }
    }
}

fn load_balancer<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    protected(plan, verdicts, &["aws_lb", "aws_alb"], "enable_deletion_protection");
}

fn protected<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>, kinds: &[&str], attribute: &str) {
    for resource in &plan.document.resource_changes {
        let action = resource.change.action;
        let protected = resource.before().get(attribute).bool() == Some(true);
        if kinds.contains(&resource.kind.as_str()) && action == Action::Forget && protected {
            verdicts
                .unchecked(resource, format!("it has {attribute}, and Terraform would no longer manage it"));
        }
        if !(kinds.contains(&resource.kind.as_str()) && action.destroys() && protected) {
            continue;
        }
        let paths = resource.change.replace_paths.iter();
        let forcing: Vec<_> = paths.filter_map(|path| path.first()?.as_str()).collect();
        let problem = match (action, forcing.is_empty()) {
            (Action::Replace, false) => {
                format!("it has {attribute} and would be replaced because of {}", forcing.join(", "))
            }
            (Action::Replace, true) => format!("it has {attribute} and would be replaced"),
            _ => format!("it has {attribute} and would be destroyed"),
        };
        let remedy =
            format!("keep it; or first set {attribute} = false and apply that alone, and then destroy");
        verdicts.refuse(resource, problem, remedy);
    }
}
