//! IAM policies in a plan: their statements, as far as they are known, and whether they allow or deny an action.

use serde_json::Value;

use super::Plan;
use super::document::{Mode, ResourceChange};
use super::node::Node;

/// A policy of an identity: its statements and its resource.
#[derive(Debug)]
pub(super) struct Policy<'a> {
    pub(super) holder: &'a ResourceChange,
    pub(super) statements: Vec<Statement>,
    /// Whether there may be more statements than these, known only after apply.
    pub(super) incomplete: bool,
    /// Whether its text is known only after apply. The statements are then those of the documents that it
    /// refers to; a plan does not show how an expression changes them.
    pub(super) is_unknown: bool,
    /// Whether every `Deny` among the statements is certain.
    denies_hold: bool,
    /// Whether its texts must not be shown.
    pub(super) sensitive: bool,
}

#[derive(Debug, Default)]
pub(super) struct Statement {
    /// The ID by which another document overrides the statement.
    sid: Text,
    pub(super) deny: bool,
    pub(super) conditional: bool,
    pub(super) actions: Vec<Text>,
    pub(super) not_actions: Vec<Text>,
    pub(super) resources: Vec<Text>,
    pub(super) not_resources: Vec<Text>,
}

/// A text of a policy; `None` if it is known only after apply.
pub(super) type Text = Option<String>;

/// Types with a policy of an identity, and the attribute of the policy.
const HOLDERS: [(&str, &str); 5] = [
    ("aws_iam_policy", "policy"),
    ("aws_iam_role_policy", "policy"),
    ("aws_iam_user_policy", "policy"),
    ("aws_iam_group_policy", "policy"),
    ("aws_ssoadmin_permission_set_inline_policy", "inline_policy"),
];

impl Plan {
    /// Returns every policy that grants something to an identity.
    pub(super) fn policies(&self) -> Vec<Policy<'_>> {
        let mut policies = Vec::new();
        for resource in &self.document.resource_changes {
            policies.extend(self.policies_in(resource));
        }
        policies
    }

    /// Returns the policies in one resource, which is one of [`HOLDERS`] or a role with inline policies.
    pub(super) fn policies_in<'a>(&'a self, holder: &'a ResourceChange) -> Vec<Policy<'a>> {
        if !holder.stays() {
            return Vec::new();
        }
        let after = holder.after();
        if holder.kind == "aws_iam_role" {
            if !self.sets(holder, "inline_policy") {
                return Vec::new();
            }
            let inline = after.get("inline_policy");
            let unknown = inline.is_unknown().then_some(inline);
            let texts = inline.items().map(|block| block.get("policy")).chain(unknown);
            return texts.map(|text| self.policy(holder, "inline_policy", text)).collect();
        }
        let attribute = HOLDERS.iter().find(|(kind, _)| *kind == holder.kind).map(|(_, attribute)| attribute);
        attribute.map(|name| self.policy(holder, name, after.get(name))).into_iter().collect()
    }

    fn policy<'a>(&'a self, holder: &'a ResourceChange, attribute: &str, text: Node<'a>) -> Policy<'a> {
        let mut policy = Policy {
            holder,
            statements: Vec::new(),
            incomplete: false,
            is_unknown: false,
            denies_hold: true,
            sensitive: text.is_sensitive(),
        };
        if let Some(text) = text.str() {
            policy.add_json(text);
        } else if text.is_unknown() {
            // It may come from a document that is composed during the apply, much of which is known.
            let is_document = |source: &&ResourceChange| {
                source.mode == Mode::Data && source.kind == "aws_iam_policy_document"
            };
            let origin = self.origin(holder, attribute);
            let documents: Vec<_> = origin.sources.into_iter().filter(is_document).collect();
            let is_text = origin.attributes.iter().all(|name| ["json", "minified_json"].contains(&&**name));
            policy.is_unknown = true;
            policy.incomplete = documents.is_empty() || !origin.alone || !is_text;
            policy.denies_hold = documents.len() == 1 && !policy.incomplete;
            for document in documents {
                policy.add_document(document.after());
            }
        }
        policy
    }
}

impl Policy<'_> {
    /// Returns a text of the policy for the report.
    pub(super) fn shown(&self, text: &str) -> String {
        if self.sensitive { "(sensitive value)".to_owned() } else { format!("{text:?}") }
    }

    fn add_json(&mut self, text: &str) {
        match serde_json::from_str::<Value>(text) {
            Ok(document) => {
                one_or_many(&document["Statement"]).map(Statement::from_json).for_each(|it| self.add(it));
            }
            // AWS rejects text that is not JSON; until then its content is unknown.
            Err(_) => self.incomplete = true,
        }
    }

    /// Adds the statements of a `data "aws_iam_policy_document"` that is read during the apply.
    fn add_document(&mut self, document: Node<'_>) {
        self.sensitive |= document.is_sensitive();
        // In the provider's order.
        self.add_documents(document.get("source_policy_documents"));
        let own = document.get("statement");
        self.incomplete |= own.is_unknown();
        own.items().map(Statement::from_block).for_each(|statement| self.add(statement));
        self.add_documents(document.get("override_policy_documents"));
        // A document that is still unknown may override any statement with an ID.
        self.denies_hold &= !self.incomplete;
    }

    fn add_documents(&mut self, list: Node<'_>) {
        self.incomplete |= list.is_unknown();
        for text in list.items() {
            match text.str() {
                Some(text) => self.add_json(text),
                None => self.incomplete = true,
            }
        }
    }

    /// Adds a statement; replaces one with the same ID.
    fn add(&mut self, statement: Statement) {
        let same = |other: &&mut Statement| other.sid.is_some() && other.sid == statement.sid;
        match self.statements.iter_mut().find(same) {
            Some(other) => *other = statement,
            None => self.statements.push(statement),
        }
    }

    /// Returns whether the policy denies an action on a resource; a denial overrides any permission.
    pub(super) fn denies_on(&self, action: &str, resource: &str) -> bool {
        self.statements.iter().any(|statement| {
            let there = statement.resources.iter().flatten().any(|pattern| matches(pattern, resource));
            self.denies_hold
                && statement.deny
                && !statement.conditional
                && there
                && statement.covers(action) == Some(true)
        })
    }

    /// Returns whether the policy denies an action on everything; a denial overrides any permission.
    pub(super) fn denies(&self, action: &str) -> bool {
        self.statements.iter().any(|statement| {
            let everywhere = statement.resources.iter().flatten().any(|resource| resource == "*");
            self.denies_hold
                && statement.deny
                && !statement.conditional
                && everywhere
                && statement.covers(action) == Some(true)
        })
    }
}

impl Statement {
    fn from_json(statement: &Value) -> Self {
        let texts = |key: &str| {
            one_or_many(&statement[key]).map(|text| text.as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        Self {
            sid: statement["Sid"].as_str().filter(|sid| !sid.is_empty()).map(str::to_owned),
            deny: statement["Effect"] == "Deny",
            conditional: statement.get("Condition").is_some(),
            actions: texts("Action"),
            not_actions: texts("NotAction"),
            resources: texts("Resource"),
            not_resources: texts("NotResource"),
        }
    }

    fn from_block(block: Node<'_>) -> Self {
        let texts = |key: &str| {
            let list = block.get(key);
            let unknown = list.is_unknown().then_some(None);
            list.items().map(|text| text.str().map(str::to_owned)).chain(unknown).collect::<Vec<_>>()
        };
        Self {
            sid: block.get("sid").str().filter(|sid| !sid.is_empty()).map(str::to_owned),
            deny: block.get("effect").str() == Some("Deny"),
            conditional: !block.get("condition").is_null() && block.get("condition").items().next().is_some(),
            actions: texts("actions"),
            not_actions: texts("not_actions"),
            resources: texts("resources"),
            not_resources: texts("not_resources"),
        }
    }

    /// Returns whether the statement covers an action; `None` if that is known only after apply.
    pub(super) fn covers(&self, action: &str) -> Option<bool> {
        let listed = |patterns: &[Text]| {
            if patterns.iter().flatten().any(|pattern| matches_action(pattern, action)) {
                Some(true)
            } else if patterns.contains(&None) {
                None
            } else {
                Some(false)
            }
        };
        if self.not_actions.is_empty() {
            listed(&self.actions)
        } else {
            listed(&self.not_actions).map(|l| !l)
        }
    }

    /// Returns whether the statement allows an action on a resource, ignoring conditions; `None` if that is
    /// known only after apply.
    pub(super) fn allows(&self, action: &str, resource: &str) -> Option<bool> {
        if self.deny || self.covers(action) == Some(false) {
            return Some(false);
        }
        let on = |patterns: &[Text]| patterns.iter().flatten().any(|pattern| matches(pattern, resource));
        let unknown = self.covers(action).is_none()
            || self.resources.contains(&None)
            || self.not_resources.contains(&None);
        if self.not_resources.is_empty() && on(&self.resources) && self.covers(action) == Some(true) {
            return Some(true);
        }
        if unknown {
            return None;
        }
        Some(!self.not_resources.is_empty() && !on(&self.not_resources))
    }
}

fn one_or_many(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Null => [].iter(),
        Value::Array(items) => items.iter(),
        one => std::slice::from_ref(one).iter(),
    }
}

/// Returns whether an action matches a pattern, ignoring case.
pub(super) fn matches_action(pattern: &str, action: &str) -> bool {
    matches(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

/// Returns whether a pattern with `*` and `?` matches a text, by IAM's rules.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut retry) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match retry {
                Some((after_star, from)) => {
                    retry = Some((after_star, from + 1));
                    (p, t) = (after_star, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text) in
            [("*", ""), ("a*c", "abbc"), ("a*b*c", "aXbYbZc"), ("a?c", "abc"), ("**", "x"), ("a*", "a")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a", ""), ("a?c", "ac"), ("a*c", "abd"), ("a*b", "ab*c")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
        assert!(matches_action("RDS-DB:Con*", "rds-db:connect"));
    }

    #[test]
    fn statements_allow_what_iam_would() {
        let allows =
            |json: Value, resource: &str| Statement::from_json(&json).allows("s3:GetObject", resource);
        let yes = serde_json::json!({"Effect": "Allow", "Action": "s3:*", "Resource": ["a", "b*"]});
        assert_eq!(allows(yes.clone(), "bx"), Some(true));
        assert_eq!(allows(yes, "c"), Some(false));
        let not = serde_json::json!({"Effect": "Allow", "NotAction": "iam:*", "NotResource": "c"});
        assert_eq!(allows(not.clone(), "bx"), Some(true));
        assert_eq!(allows(not, "c"), Some(false));
        let deny = serde_json::json!({"Effect": "Deny", "Action": "s3:*", "Resource": "*"});
        assert_eq!(allows(deny, "c"), Some(false));
    }
}
