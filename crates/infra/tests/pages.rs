//! The policies on pages, compared with the document of `ConnectPolicy` for the same database user.

use rds_iam_infra::arn::RdsDbArn;
use rds_iam_infra::policy::ConnectPolicy;
use serde_json::Value;

/// Each page with its database user.
const PAGES: [(&str, &str); 3] = [
    (include_str!("../../sqlx/README.md"), "node_app"),
    (include_str!("../../../docs/lock-out.md"), "postgres"),
    (include_str!("../../../docs/migrating-from-passwords.md"), "orders_iam"),
];

#[test]
fn the_policies_of_pages_permit_what_ours_does() {
    for (page, user) in PAGES {
        let blocks: Vec<_> = page.split("```json\n").skip(1).collect();
        let [block] = blocks[..] else { panic!("{} blocks of JSON", blocks.len()) };
        let mut on_page: Value = serde_json::from_str(block.split("```").next().unwrap()).unwrap();
        // The page has a text in place of a list of one.
        let resource = &mut on_page["Statement"][0]["Resource"];
        let arn: RdsDbArn = resource.as_str().unwrap().parse().unwrap();
        *resource = Value::Array(vec![resource.take()]);
        assert_eq!(arn.user().as_str(), user);

        let mut ours: Value = serde_json::from_str(&ConnectPolicy::new([arn]).unwrap().to_string()).unwrap();
        ours["Statement"][0].as_object_mut().unwrap().remove("Sid").expect("a name of the statement");
        assert_eq!(on_page, ours, "{user}");
    }
}
