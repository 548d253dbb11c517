//! Rule for jump hosts: a machine that leads to a database is reached through Session Manager alone.

use super::security_rules::{Direction, GROUP, Groups, SecurityRule, any, both};
use super::{DATABASE_TYPES, Plan, Rule, Verdicts};
use crate::document::ResourceChange;

pub(super) const REACHABLE: Rule = Rule {
    id: "RDSIAM015",
    name: "reachable-jump-host",
    description: "An instance that leads to a database has a key pair, a public address or an ingress rule.",
    help: "People reach a private database through a tunnel of Session Manager: the host opens a connection to AWS, and \
           needs no port, no public address and no key that outlives a person's permission. An instance leads to a \
           database if a rule of one of its security groups names the port of a database, or if a group lets it \
           in on one. Take away the key pair, the public address and the ingress rules; the module jump_host has none.",
    severity: "7.5",
    check: reachable,
};

const HOST: [&str; 1] = ["aws_instance"];
const ADDRESSES: [&str; 2] = ["aws_eip", "aws_eip_association"];

/// The ports of databases that take tokens; databases of the plan may have others.
const PORTS: [i64; 2] = [3306, 5432];

fn reachable<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    let databases = plan.resources(&DATABASE_TYPES);
    let mut ports: Vec<_> = databases.filter_map(|database| database.after().get("port").int()).collect();
    ports.extend(PORTS);
    let rules = SecurityRule::all(plan);
    for host in plan.resources(&HOST) {
        let named = ["vpc_security_group_ids", "security_groups"].map(|name| Groups::new(plan, host, name));
        let has = |group: &ResourceChange| any(named.iter().map(|it| it.has(group)));
        let groups: Vec<_> = plan.resources(&[GROUP]).filter(|group| has(group) == Some(true)).collect();
        match any(groups.iter().map(|group| leads_to_database(group, &rules, &ports))) {
            Some(true) => {
                by_key(plan, host, verdicts);
                by_address(plan, host, verdicts);
                by_ingress(host, &groups, &rules, verdicts);
            }
            None => {
                verdicts.unchecked(
                    host,
                    "whether its security groups lead to a database is known only after apply",
                );
            }
            Some(false) if named.iter().any(|it| it.open) => {
                verdicts.unchecked(host, "which security groups it has is known only after apply");
            }
            Some(false) if groups.is_empty() && named.iter().any(|it| !it.is_empty()) => {
                verdicts.unchecked(host, "its security groups are not part of this plan");
            }
            Some(false) => {}
        }
    }
}

fn leads_to_database(group: &ResourceChange, rules: &[SecurityRule<'_>], ports: &[i64]) -> Option<bool> {
    any(rules.iter().map(|rule| match rule.direction {
        Direction::Egress => both(rule.is_of(group), rule.names_port(ports)),
        Direction::Ingress if rule.ports.is_everything() => rule.refers_to(group),
        Direction::Ingress => both(rule.refers_to(group), rule.names_port(ports)),
    }))
}

fn by_key<'a>(plan: &'a Plan, host: &'a ResourceChange, verdicts: &mut Verdicts<'a>) {
    let key = host.after().get("key_name");
    if key.str().is_some_and(|name| !name.is_empty()) {
        let problem = format!("it leads to a database, and has the key pair {}", key.shown());
        verdicts.refuse(host, problem, "take key_name out; people reach it through Session Manager");
    } else if key.is_unknown() && plan.sets(host, "key_name") {
        verdicts.unchecked(host, "whether it has a key pair is known only after apply");
    }
}

fn by_address<'a>(plan: &'a Plan, host: &'a ResourceChange, verdicts: &mut Verdicts<'a>) {
    const REMEDY: &str =
        "put it into a private subnet with the endpoints of Session Manager, without a public address";
    let own = |resource: &&ResourceChange| {
        ["instance", "instance_id"].iter().any(|attribute| match resource.after().get(attribute).str() {
            Some(id) => host.after().get("id").str() == Some(id),
            None => {
                let origin = plan.origin(resource, attribute);
                origin.sources.iter().any(|source| source.address == host.address)
            }
        })
    };
    if let Some(address) = plan.resources(&ADDRESSES).find(own) {
        let problem = format!("it leads to a database, and {} gives it a public address", address.address);
        return verdicts.refuse(host, problem, REMEDY);
    }
    let given = host.after().get("associate_public_ip_address");
    match given.bool() {
        Some(true) => verdicts.refuse(host, "it leads to a database, and has a public address", REMEDY),
        Some(false) => {}
        // The subnet decides, unless the configuration does.
        None if plan.sets(host, "associate_public_ip_address") && given.is_unknown() => {
            verdicts.unchecked(host, "whether it has a public address is known only after apply");
        }
        None => by_subnet(plan, host, REMEDY, verdicts),
    }
}

fn by_subnet<'a>(plan: &'a Plan, host: &'a ResourceChange, remedy: &str, verdicts: &mut Verdicts<'a>) {
    const SUBNET: [&str; 1] = ["aws_subnet"];
    let subnets: Vec<_> = match host.after().get("subnet_id").str() {
        Some(id) => {
            plan.resources(&SUBNET).filter(|subnet| subnet.after().get("id").str() == Some(id)).collect()
        }
        None => {
            let origin = plan.origin(host, "subnet_id");
            if origin.is_managed(SUBNET[0]) { origin.sources } else { Vec::new() }
        }
    };
    let public: Vec<_> =
        subnets.iter().map(|subnet| subnet.after().get("map_public_ip_on_launch").bool()).collect();
    if !public.is_empty() && public.iter().all(|public| *public == Some(true)) {
        let problem = "it leads to a database, and its subnet gives it a public address";
        verdicts.refuse(host, problem, remedy);
    } else if public.is_empty() || public.iter().any(|public| *public != Some(false)) {
        verdicts.unchecked(host, "whether its subnet gives it a public address is not part of this plan");
    }
}

fn by_ingress<'a>(
    host: &'a ResourceChange,
    groups: &[&ResourceChange],
    rules: &[SecurityRule<'_>],
    verdicts: &mut Verdicts<'a>,
) {
    for group in groups {
        for rule in rules.iter().filter(|rule| rule.direction == Direction::Ingress) {
            let by = &rule.resource.address;
            match rule.is_of(group) {
                Some(true) => verdicts.refuse(
                    host,
                    format!("it leads to a database, and {by} lets connections in to it"),
                    "take the rule out: a tunnel of Session Manager needs none",
                ),
                Some(false) => {}
                None => verdicts.unchecked(
                    host,
                    format!("whether {by} lets connections in to it is known only after apply"),
                ),
            }
        }
    }
}
