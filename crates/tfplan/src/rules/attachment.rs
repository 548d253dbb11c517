//! Finds the IAM policies that a plan attaches, or uses as permissions boundaries, and classifies whether a
//! policy grants permissions. Defines no rule.

use std::collections::BTreeSet;

use crate::Plan;
use crate::document::ResourceChange;
use crate::node::Node;

const POLICY: &str = "aws_iam_policy";

/// Types that attach policies, and the attribute with the ARN or ARNs.
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

/// The type by which permission sets of IAM Identity Center attach a policy by its name.
const BY_NAME: (&str, &str) =
    ("aws_ssoadmin_customer_managed_policy_attachment", "customer_managed_policy_reference");

const BOUNDED: [(&str, &str); 2] =
    [("aws_iam_role", "permissions_boundary"), ("aws_iam_user", "permissions_boundary")];

/// The policies that a resource refers to.
pub(super) struct Link<'a> {
    pub(super) resource: &'a ResourceChange,
    /// The known ARNs or names.
    pub(super) texts: Vec<Node<'a>>,
    /// The policies of the plan that are sources of the unknown ones.
    sources: Vec<&'a ResourceChange>,
    /// Whether each unknown one is a policy that the plan manages.
    pub(super) is_managed: bool,
}

impl<'a> Link<'a> {
    fn new(plan: &'a Plan, resource: &'a ResourceChange, attribute: &str) -> Self {
        let node = resource.after().get(attribute);
        let by_name = (resource.kind == BY_NAME.0).then(|| node.items().map(|block| block.get("name")));
        let texts = std::iter::once(node).chain(node.items()).chain(by_name.into_iter().flatten());
        let texts = texts.filter(|text| text.str().is_some()).collect();
        // The provider fills in unset attributes.
        if !node.has_unknown() || !plan.sets(resource, attribute) {
            return Self { resource, texts, sources: Vec::new(), is_managed: true };
        }
        let origin = plan.origin(resource, attribute);
        let is_managed = origin.is_managed(POLICY);
        Self { resource, texts, sources: origin.sources, is_managed }
    }
}

/// Policies by their referring resource: each lookup takes the same time, for any number of policies.
#[derive(Default)]
struct Index<'a> {
    arns: BTreeSet<&'a str>,
    names: BTreeSet<&'a str>,
    addresses: BTreeSet<&'a str>,
}

impl<'a> Index<'a> {
    fn add(&mut self, link: &Link<'a>) {
        for text in link.texts.iter().filter_map(|text| text.str()) {
            self.arns.insert(text);
            self.names.extend(own_name(text));
        }
        self.addresses.extend(link.sources.iter().map(|source| source.address.as_str()));
    }

    fn has(&self, policy: &ResourceChange) -> bool {
        let own = |key| policy.after().get(key).str();
        own("arn").is_some_and(|arn| self.arns.contains(arn))
            || own("name").is_some_and(|name| self.names.contains(name))
            || self.addresses.contains(policy.address.as_str())
    }
}

/// Returns the name of a policy by its ARN or name; `None` for AWS's own.
fn own_name(text: &str) -> Option<&str> {
    if !text.contains(':') {
        return Some(text);
    }
    let path = text.split_once(":policy/").filter(|_| !text.contains(":iam::aws:"))?.1;
    path.rsplit('/').next()
}

/// The use of a policy, which determines whether it grants permissions.
pub(super) enum Attachment<'a> {
    /// The policy is attached, or any user may attach it.
    Possible,
    /// The policy is a permissions boundary, unless this resource attaches it, which the plan does not show.
    Perhaps(&'a ResourceChange),
    /// The policy is only used as a permissions boundary.
    Never,
}

/// Returns the reason for which [`Attachment::Perhaps`] is not checked.
pub(super) fn may_attach(by: &ResourceChange) -> String {
    format!(
        "it is named as a permissions boundary, and what {} attaches is known only after apply",
        by.address
    )
}

/// Every attachment and boundary of a plan.
pub(super) struct Attachments<'a> {
    pub(super) links: Vec<Link<'a>>,
    attached: Index<'a>,
    /// The first resource that attaches a policy that the plan does not show.
    hidden: Option<&'a ResourceChange>,
    bounds: Index<'a>,
    /// The boundaries that are certain.
    certain: Index<'a>,
    /// The policies that the plan manages.
    managed: Index<'a>,
}

impl<'a> Attachments<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let links_of = |kinds: &[(&str, &str)]| -> Vec<Link<'a>> {
            let resources = plan.document.resource_changes.iter().filter(|resource| resource.stays());
            let links = resources.filter_map(|resource| {
                let (_, attribute) = kinds.iter().find(|(kind, _)| *kind == resource.kind)?;
                Some(Link::new(plan, resource, attribute))
            });
            links.collect()
        };
        let mut links = links_of(&ATTACHMENTS);
        links.extend(links_of(&[BY_NAME]));
        let (mut attached, mut bounds, mut certain) = (Index::default(), Index::default(), Index::default());
        links.iter().for_each(|link| attached.add(link));
        for link in links_of(&BOUNDED) {
            bounds.add(&link);
            if link.is_managed {
                certain.add(&link);
            }
        }
        let mut managed = Index::default();
        for policy in plan.resources(&[POLICY]) {
            managed.arns.extend(policy.after().get("arn").str());
            managed.names.extend(policy.after().get("name").str());
        }
        let hidden = links.iter().find(|link| !link.is_managed).map(|link| link.resource);
        Self { links, attached, hidden, bounds, certain, managed }
    }

    /// Classifies whether a policy grants permissions.
    pub(super) fn classify(&self, policy: &ResourceChange) -> Attachment<'a> {
        let named = || policy.after().get("name").str().is_some_and(|name| name.ends_with("-boundary"));
        if policy.kind != POLICY || !(named() || self.bounds.has(policy)) || self.attached.has(policy) {
            return Attachment::Possible;
        }
        match self.hidden {
            Some(resource) if !self.certain.has(policy) => Attachment::Perhaps(resource),
            _ => Attachment::Never,
        }
    }

    /// Returns whether an ARN or a name is that of a policy in another resource of the plan, or of AWS's own.
    pub(super) fn is_judged(&self, text: &str) -> bool {
        text.contains(":iam::aws:policy/")
            || self.managed.arns.contains(text)
            || own_name(text).is_some_and(|name| self.managed.names.contains(name))
    }
}
