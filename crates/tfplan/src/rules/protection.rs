//! Rules for deletion protection: a database or load balancer that has it must not be destroyed or replaced.

use super::{Plan, Rule, Verdicts};
use crate::document::Action;

pub(super) const DATABASE: Rule = Rule {
    id: "RDSIAM011",
    name: "protected-database-destroyed",
    description: "A database with deletion protection would be destroyed or replaced.",
    help: "Terraform would destroy everything around it first and then fail at the database, which AWS \
           protects. Where it is really meant to go: set deletion_protection = false and apply that, then \
           destroy. Where it is not: find the attribute that forces the replacement, and keep it.",
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
