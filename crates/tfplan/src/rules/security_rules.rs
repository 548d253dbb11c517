//! The rules of the security groups in a plan: the ports of each, the group that it belongs to, and the groups that it
//! refers to. Defines no rule of this crate.

use std::ops::RangeInclusive;

use crate::Plan;
use crate::document::ResourceChange;
use crate::node::Node;

/// The security groups that an attribute names.
pub(super) struct Groups<'a> {
    ids: Vec<&'a str>,
    sources: Vec<&'a ResourceChange>,
    /// Whether each of the sources is certain to be among them: all are in a list, one of several is not.
    certain: bool,
    /// Whether there may be others, which the plan does not show.
    pub(super) open: bool,
}

impl<'a> Groups<'a> {
    /// Returns the groups of an attribute of a resource.
    pub(super) fn new(plan: &'a Plan, resource: &'a ResourceChange, attribute: &str) -> Self {
        Self::of(plan, resource, attribute, resource.after().get(attribute), None)
    }

    /// Returns the groups that an argument of the blocks of an attribute names, or the attribute itself; `node` is
    /// the value.
    fn of(
        plan: &'a Plan,
        resource: &'a ResourceChange,
        attribute: &str,
        node: Node<'a>,
        argument: Option<&str>,
    ) -> Self {
        let texts = std::iter::once(node).chain(node.items());
        let ids = texts.filter_map(Node::str).filter(|id| !id.is_empty()).collect();
        // The provider fills in unset attributes.
        if !node.has_unknown() || !plan.sets(resource, attribute) {
            return Self { ids, sources: Vec::new(), certain: true, open: false };
        }
        let origin = match argument {
            None => plan.origin(resource, attribute),
            Some(name) => plan.origin_in_blocks(resource, attribute, &[name]),
        };
        let open = !origin.is_managed(GROUP);
        let is_list = argument.is_none() && attribute.ends_with('s');
        let certain = !open && (is_list || origin.sources.len() == 1);
        Self { ids, sources: origin.sources, certain, open }
    }

    /// Returns whether a group is among them; `None` if that is known only after apply.
    pub(super) fn has(&self, group: &ResourceChange) -> Option<bool> {
        if group.after().get("id").str().is_some_and(|id| self.ids.contains(&id)) {
            return Some(true);
        }
        match self.sources.iter().any(|source| source.address == group.address) {
            true if self.certain => Some(true),
            false if !self.open => Some(false),
            _ => None,
        }
    }

    /// Returns whether no group is named.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.sources.is_empty() && !self.open
    }
}

pub(super) const GROUP: &str = "aws_security_group";

/// The protocol and ports that a rule allows.
#[derive(Clone, Copy)]
pub(super) struct Ports<'a> {
    protocol: Node<'a>,
    from: Node<'a>,
    to: Node<'a>,
}

impl<'a> Ports<'a> {
    /// Returns those of a block or resource whose attribute `protocol` names the protocol.
    pub(super) fn new(rule: Node<'a>, protocol: &str) -> Self {
        Self { protocol: rule.get(protocol), from: rule.get("from_port"), to: rule.get("to_port") }
    }

    /// Returns the protocol's name or number.
    pub(super) fn protocol(&self) -> Option<&'a str> {
        self.protocol.str()
    }

    /// Returns whether they are every protocol and port.
    pub(super) fn is_everything(&self) -> bool {
        matches!(self.protocol(), Some("-1" | "all"))
    }

    /// Returns the ports that are named.
    pub(super) fn range(&self) -> Option<RangeInclusive<i64>> {
        Some(self.from.int()?..=self.to.int()?)
    }

    /// Returns whether they are TCP ports of which `is_wanted` is true; `None` if that is known only after apply.
    pub(super) fn are_tcp(&self, is_wanted: impl FnOnce(RangeInclusive<i64>) -> bool) -> Option<bool> {
        if [self.protocol, self.from, self.to].iter().any(|node| node.is_unknown()) {
            return None;
        }
        let tcp = self.protocol().is_some_and(|name| name.eq_ignore_ascii_case("tcp") || name == "6");
        Some(tcp && self.range().is_some_and(is_wanted))
    }
}

/// The direction of the connections that a rule allows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Ingress,
    Egress,
}

/// A rule of a security group, in a block of it or in a separate resource.
pub(super) struct SecurityRule<'a> {
    pub(super) resource: &'a ResourceChange,
    pub(super) direction: Direction,
    pub(super) ports: Ports<'a>,
    /// The group that it belongs to; `None` if that is `resource`.
    group: Option<Groups<'a>>,
    /// The groups at the other end.
    peers: Groups<'a>,
}

impl<'a> SecurityRule<'a> {
    /// Returns every rule in the plan.
    pub(super) fn all(plan: &'a Plan) -> Vec<Self> {
        let mut rules = Vec::new();
        for group in plan.resources(&[GROUP]) {
            for (name, direction) in [("ingress", Direction::Ingress), ("egress", Direction::Egress)] {
                for block in group.after().get(name).items() {
                    let peers =
                        Groups::of(plan, group, name, block.get("security_groups"), Some("security_groups"));
                    let ports = Ports::new(block, "protocol");
                    rules.push(Self { resource: group, direction, ports, group: None, peers });
                }
            }
        }
        for rule in plan.resources(&["aws_security_group_rule"]) {
            // A direction that is known only after apply may be either.
            let given = rule.after().get("type").str();
            for (name, direction) in [("ingress", Direction::Ingress), ("egress", Direction::Egress)] {
                if given.is_none_or(|given| given == name) {
                    let group = Groups::new(plan, rule, "security_group_id");
                    let peers = Groups::new(plan, rule, "source_security_group_id");
                    let ports = Ports::new(rule.after(), "protocol");
                    rules.push(Self { resource: rule, direction, ports, group: Some(group), peers });
                }
            }
        }
        const SEPARATE: [&str; 2] =
            ["aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule"];
        for rule in plan.resources(&SEPARATE) {
            let direction = if rule.kind == SEPARATE[0] { Direction::Ingress } else { Direction::Egress };
            let group = Groups::new(plan, rule, "security_group_id");
            let peers = Groups::new(plan, rule, "referenced_security_group_id");
            let ports = Ports::new(rule.after(), "ip_protocol");
            rules.push(Self { resource: rule, direction, ports, group: Some(group), peers });
        }
        rules
    }

    /// Returns whether it is a rule of a group; `None` if that is known only after apply.
    pub(super) fn is_of(&self, group: &ResourceChange) -> Option<bool> {
        match &self.group {
            Some(groups) => groups.has(group),
            None => Some(self.resource.address == group.address),
        }
    }

    /// Returns whether a group is at the other end; `None` if that is known only after apply.
    pub(super) fn refers_to(&self, group: &ResourceChange) -> Option<bool> {
        self.peers.has(group)
    }

    /// Returns whether it names one of some TCP ports; `None` if that is known only after apply.
    pub(super) fn names_port(&self, ports: &[i64]) -> Option<bool> {
        self.ports.are_tcp(|range| ports.iter().any(|port| range.contains(port)))
    }
}

/// Returns whether both are true; `None` if that is known only after apply.
pub(super) fn both(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// Returns whether any is true; `None` if that is known only after apply.
pub(super) fn any(all: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut unknown = false;
    for one in all {
        match one {
            Some(true) => return Some(true),
            Some(false) => {}
            None => unknown = true,
        }
    }
    if unknown { None } else { Some(false) }
}
