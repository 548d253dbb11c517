//! Rules for security groups: only the ports of a web server may be open to the internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::security_rules::Ports;
use super::{Plan, Rule, Verdicts};
use crate::document::ResourceChange;
use crate::node::Node;

pub(super) const OPEN: Rule = Rule {
    id: "RDSIAM008",
    name: "open-security-group",
    description: "A security group allows ingress from the internet on ports other than TCP 80 and 443.",
    help: "Only a load balancer takes connections from anywhere, on TCP 80 or 443, each in a rule of its own. \
           All else refers to the security group that may connect (referenced_security_group_id), or to a \
           private network. A public network counts as the internet, however narrow: private are those of \
           RFC 1918 (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16), RFC 6598 (100.64.0.0/10) and RFC 4193 (fc00::/7). \
           People reach a private server through a tunnel.",
    severity: "8.0",
    check: open,
};

const WEB: [i64; 2] = [80, 443];

/// The ports of databases, which must not be open to the internet even if a web server uses the port.
const DATABASES: [(i64, &str); 5] =
    [(3306, "MySQL"), (5432, "PostgreSQL"), (1433, "SQL Server"), (1521, "Oracle"), (33060, "MySQL")];

fn open<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    for group in plan.resources(&["aws_security_group", "aws_default_security_group"]) {
        let ingress = group.after().get("ingress");
        if ingress.is_unknown() && plan.sets(group, "ingress") {
            verdicts.unchecked(group, "its ingress rules are known only after apply");
        }
        for rule in ingress.items() {
            let ingress = Ingress::from_rule(rule, "protocol", &["cidr_blocks", "ipv6_cidr_blocks"]);
            judge(group, &ingress, verdicts);
            prefix_lists(plan, group, ("ingress", rule.get("prefix_list_ids")), &ingress, verdicts);
        }
    }
    for rule in plan.resources(&["aws_security_group_rule"]) {
        let node = rule.after();
        let direction = node.get("type");
        if direction.str() != Some("ingress") && !direction.is_unknown() {
            continue;
        }
        let ingress = Ingress::from_rule(node, "protocol", &["cidr_blocks", "ipv6_cidr_blocks"]);
        let mut found = Verdicts::default();
        judge(rule, &ingress, &mut found);
        prefix_lists(plan, rule, ("prefix_list_ids", node.get("prefix_list_ids")), &ingress, &mut found);
        if !direction.is_unknown() {
            verdicts.extend(found);
        } else if !found.is_empty() {
            verdicts.unchecked(rule, "whether it lets connections in is known only after apply");
        }
    }
    for rule in plan.resources(&["aws_vpc_security_group_ingress_rule"]) {
        let node = rule.after();
        let ingress = Ingress::from_rule(node, "ip_protocol", &["cidr_ipv4", "cidr_ipv6"]);
        judge(rule, &ingress, verdicts);
        prefix_lists(plan, rule, ("prefix_list_id", node.get("prefix_list_id")), &ingress, verdicts);
    }
}

struct Ingress<'a> {
    ports: Ports<'a>,
    networks: Vec<Node<'a>>,
    /// Whether some networks are known only after apply.
    unknown: bool,
}

impl<'a> Ingress<'a> {
    fn from_rule(rule: Node<'a>, protocol: &str, networks: &[&str]) -> Self {
        let attributes: Vec<_> = networks.iter().map(|name| rule.get(name)).collect();
        Self {
            ports: Ports::new(rule, protocol),
            networks: attributes.iter().flat_map(|node| std::iter::once(*node).chain(node.items())).collect(),
            unknown: attributes.iter().any(|node| node.has_unknown()),
        }
    }

    /// Returns whether it only includes ports of a web server; `None` if that is not known yet.
    fn is_web(&self) -> Option<bool> {
        self.ports.are_tcp(|range| range.start() == range.end() && WEB.contains(range.start()))
    }

    fn shown(&self) -> String {
        if self.ports.is_everything() {
            return "every protocol and port".to_owned();
        }
        let protocol = self.ports.protocol().map_or_else(|| "a protocol".to_owned(), str::to_ascii_uppercase);
        let Some(range) = self.ports.range() else { return protocol };
        let (from, to) = (range.start(), range.end());
        let ports = if from == to { from.to_string() } else { format!("{from} to {to}") };
        match DATABASES.iter().find(|(port, _)| range.contains(port)) {
            Some((_, engine)) => format!("{protocol} {ports}, which {engine} listens on"),
            None => format!("{protocol} {ports}"),
        }
    }
}

fn judge<'a>(resource: &'a ResourceChange, ingress: &Ingress<'_>, verdicts: &mut Verdicts<'a>) {
    if ingress.is_web() == Some(true) {
        return;
    }
    if ingress.unknown {
        verdicts.unchecked(resource, "where it lets connections in from is known only after apply");
    }
    for network in ingress.networks.iter().filter(|network| network.str().is_some_and(is_internet)) {
        match ingress.is_web() {
            None => verdicts.unchecked(resource, "the port that it opens is known only after apply"),
            Some(_) => verdicts.refuse(
                resource,
                format!("it lets {} in on {}", network.shown(), ingress.shown()),
                "refer to the security group that may connect, or name the networks that do",
            ),
        }
    }
}

/// Checks the networks of the prefix lists that an attribute refers to, as far as the plan creates the lists.
fn prefix_lists<'a>(
    plan: &'a Plan,
    resource: &'a ResourceChange,
    (attribute, ids): (&str, Node<'a>),
    ingress: &Ingress<'a>,
    verdicts: &mut Verdicts<'a>,
) {
    if ingress.is_web() == Some(true) {
        return;
    }
    const LIST: [&str; 1] = ["aws_ec2_managed_prefix_list"];
    let mut lists = Vec::new();
    for id in std::iter::once(ids).chain(ids.items()).filter_map(Node::str).filter(|id| !id.is_empty()) {
        let found = plan.resources(&LIST).find(|list| list.after().get("id").str() == Some(id));
        match found {
            Some(list) => lists.push(list),
            None => verdicts.unchecked(resource, format!("the networks of {id} are not part of this plan")),
        }
    }
    if ids.has_unknown() && plan.sets(resource, attribute) {
        let origin = plan.origin_in_blocks(resource, attribute, &["prefix_list_ids"]);
        let managed = |source: &&ResourceChange| source.stays() && source.kind == LIST[0];
        lists.extend(origin.sources.iter().copied().filter(managed));
        if !origin.is_managed(LIST[0]) {
            verdicts.unchecked(resource, "whom its prefix lists let in is known only after apply");
        }
    }
    for list in lists {
        let entries = list.after().get("entry");
        let mut networks: Vec<_> = entries.items().map(|entry| entry.get("cidr")).collect();
        let mut unknown = entries.is_unknown() && plan.sets(list, "entry");
        // Entries can also be separate resources.
        for entry in plan.resources(&["aws_ec2_managed_prefix_list_entry"]) {
            let id = entry.after().get("prefix_list_id").str();
            let same = id.is_some() && id == list.after().get("id").str();
            let network = entry.after().get("cidr");
            let origin = plan.origin(entry, "prefix_list_id");
            if same || id.is_none() && origin.sources.iter().any(|source| source.address == list.address) {
                networks.push(network);
            } else if id.is_none() && !origin.is_managed(LIST[0]) {
                // It may be an entry of this list.
                unknown |= network.str().is_none_or(is_internet);
            }
        }
        unknown |= networks.iter().any(|network| network.is_unknown());
        judge(resource, &Ingress { networks, unknown, ..*ingress }, verdicts);
    }
}

/// Networks that are not routed on the internet: RFC 1918, RFC 6598 (carrier-grade NAT) and RFC 4193.
const PRIVATE_IPV4: [(Ipv4Addr, u32); 4] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
];
const PRIVATE_IPV6: [(Ipv6Addr, u32); 1] = [(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7)];

/// Returns whether a network has public addresses. Invalid text counts as one: Terraform rejects it.
fn is_internet(network: &str) -> bool {
    let Some((address, Ok(length))) =
        network.split_once('/').map(|(address, length)| (address, length.parse::<u32>()))
    else {
        return true;
    };
    let within = |own: u32, same_bits: u32| own <= length && own <= same_bits;
    match address.parse() {
        Ok(IpAddr::V4(address)) => !PRIVATE_IPV4
            .iter()
            .any(|(start, own)| within(*own, (address.to_bits() ^ start.to_bits()).leading_zeros())),
        Ok(IpAddr::V6(address)) => !PRIVATE_IPV6
            .iter()
            .any(|(start, own)| within(*own, (address.to_bits() ^ start.to_bits()).leading_zeros())),
        Err(_) => true,
    }
}
