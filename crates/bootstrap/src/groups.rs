//! The transactions of a plan, and the accounts of a transaction.

use crate::plan::Action;

/// Returns the actions in the transactions that they are made in.
pub(crate) fn groups(actions: &[Action]) -> impl Iterator<Item = &[Action]> {
    actions.chunk_by(|one, next| {
        one.group.is_some() && one.group == next.group && one.actor == next.actor && one.step == next.step
    })
}

/// Returns the actions of a transaction by the account that they change, each account's in order.
pub(crate) fn by_account(actions: &[Action]) -> Vec<Vec<Action>> {
    let mut accounts: Vec<(Option<&str>, Vec<Action>)> = Vec::new();
    for action in actions {
        let account = action.account.as_deref();
        match accounts.iter_mut().find(|(other, _)| *other == account) {
            Some((_, of_account)) => of_account.push(action.clone()),
            None => accounts.push((account, vec![action.clone()])),
        }
    }
    accounts.into_iter().map(|(_, actions)| actions).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ActionKind, Actor, Step};

    fn action(group: Option<&str>, account: &str, actor: Actor) -> Action {
        Action {
            step: Step::Users,
            actor,
            kind: ActionKind::Grant,
            account: Some(account.to_owned()),
            text: String::new(),
            sql: "GRANT a".to_owned(),
            if_denied: None,
            group: group.map(Into::into),
        }
    }

    #[test]
    fn actions_of_a_transaction_are_adjacent_and_of_one_user() {
        let of = |group, actor| action(group, "app", actor);
        let actions = [
            of(Some("a"), Actor::Admin),
            of(Some("a"), Actor::Admin),
            of(Some("a"), Actor::Master),
            of(Some("b"), Actor::Master),
            of(None, Actor::Master),
            of(None, Actor::Master),
            of(Some("b"), Actor::Master),
        ];
        assert_eq!(groups(&actions).map(<[_]>::len).collect::<Vec<_>>(), [2, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn each_account_keeps_its_order() {
        let of =
            |account: &str, sql: &str| Action { sql: sql.to_owned(), ..action(None, account, Actor::Admin) };
        let actions = [of("a", "1"), of("b", "1"), of("a", "2"), of("b", "2"), of("a", "3")];
        let found = by_account(&actions);
        assert_eq!(found, [vec![of("a", "1"), of("a", "2"), of("a", "3")], vec![of("b", "1"), of("b", "2")]]);
    }
}
