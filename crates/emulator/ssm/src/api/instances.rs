//! `DescribeInstanceInformation`: the managed instances, filtered and in pages.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::ApiError;
use crate::settings::{AGENT_VERSION, Instance};

/// The page's length without `MaxResults`.
const DEFAULT_LENGTH: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Request {
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default)]
    instance_information_filter_list: Vec<OldFilter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    key: String,
    values: Vec<String>,
}

/// A filter by the older parameter, whose fields are named differently.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldFilter {
    key: String,
    value_set: Vec<String>,
}

pub(crate) fn describe(instances: &[Instance], request: Request) -> Result<Value, ApiError> {
    if !request.filters.is_empty() && !request.instance_information_filter_list.is_empty() {
        let message = "Filters and InstanceInformationFilterList cannot be specified at the same time.";
        return Err(ApiError::new("ValidationException", message));
    }
    let length = request.max_results.unwrap_or(DEFAULT_LENGTH);
    if !(5..=50).contains(&length) {
        let (bound, limit) =
            if length < 5 { ("greater than or equal to", 5) } else { ("less than or equal to", 50) };
        let constraint = format!("Member must have value {bound} {limit}");
        return Err(ApiError::validation("maxResults", Some(&length.to_string()), &constraint));
    }
    let old = request.instance_information_filter_list.into_iter();
    let mut filters = request.filters;
    filters.extend(old.map(|filter| Filter { key: filter.key, values: filter.value_set }));
    let mut found = Vec::new();
    for instance in instances {
        let mut is_match = true;
        for filter in &filters {
            is_match &= filter.matches(instance)?;
        }
        if is_match {
            found.push(instance);
        }
    }
    let start = match request.next_token.as_deref() {
        None | Some("") => 0,
        Some(token) => token
            .parse()
            .ok()
            .filter(|start| *start < found.len())
            .ok_or_else(|| ApiError::new("InvalidNextToken", "The specified token isn't valid."))?,
    };
    let page: Vec<_> = found.iter().skip(start).take(length).map(|instance| information(instance)).collect();
    let mut answer = json!({ "InstanceInformationList": page });
    if start + length < found.len() {
        answer["NextToken"] = (start + length).to_string().into();
    }
    Ok(answer)
}

impl Filter {
    fn matches(&self, instance: &Instance) -> Result<bool, ApiError> {
        let contains = |value: &str| self.values.iter().any(|one| one == value);
        Ok(match self.key.as_str() {
            "InstanceIds" => contains(&instance.id),
            "PingStatus" => contains(ping_status(instance)),
            "AgentVersion" => contains(&instance.agent_version),
            "PlatformTypes" => contains("Linux"),
            "ResourceType" => contains("EC2Instance"),
            "tag-key" => instance.tags.keys().any(|key| contains(key)),
            // Nothing here has an activation, an association, a role or another source.
            "ActivationIds" | "AssociationStatus" | "IamRole" | "SourceIds" | "SourceTypes" => false,
            key => match key.strip_prefix("tag:") {
                Some(tag) => instance.tags.get(tag).is_some_and(|value| contains(value)),
                None => return Err(ApiError::new("InvalidFilterKey", "The specified key isn't valid.")),
            },
        })
    }
}

fn ping_status(instance: &Instance) -> &'static str {
    if instance.is_online { "Online" } else { "ConnectionLost" }
}

fn information(instance: &Instance) -> Value {
    json!({
        "InstanceId": instance.id,
        "PingStatus": ping_status(instance),
        "LastPingDateTime": 1_767_225_600.0,
        "AgentVersion": instance.agent_version,
        "IsLatestVersion": instance.agent_version == AGENT_VERSION,
        "PlatformType": "Linux",
        "PlatformName": "Amazon Linux",
        "PlatformVersion": "2023",
        "ResourceType": "EC2Instance",
        "IPAddress": "127.0.0.1",
        "ComputerName": "localhost",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instances() -> Vec<Instance> {
        (0..12)
            .map(|number| {
                let mut instance = Instance::new(format!("i-{number}"));
                instance.is_online = number != 3;
                instance.tags.insert("Role".into(), if number < 2 { "bastion" } else { "app" }.into());
                instance
            })
            .collect()
    }

    fn ids(request: Value) -> (Vec<String>, Value) {
        let answer = describe(&instances(), serde_json::from_value(request).unwrap()).unwrap();
        let list = answer["InstanceInformationList"].as_array().unwrap();
        let ids = list.iter().map(|one| one["InstanceId"].as_str().unwrap().to_owned()).collect();
        (ids, answer["NextToken"].clone())
    }

    #[test]
    fn filters_select_and_all_have_to_match() {
        let tag = json!({ "Key": "tag:Role", "Values": ["bastion"] });
        assert_eq!(ids(json!({ "Filters": [tag] })).0, ["i-0", "i-1"]);
        let id = json!({ "Key": "InstanceIds", "Values": ["i-1", "i-5"] });
        assert_eq!(ids(json!({ "Filters": [tag, id] })).0, ["i-1"]);
        assert_eq!(
            ids(json!({ "Filters": [{ "Key": "PingStatus", "Values": ["ConnectionLost"] }] })).0,
            ["i-3"]
        );
        let old = json!([{ "key": "InstanceIds", "valueSet": ["i-7"] }]);
        assert_eq!(ids(json!({ "InstanceInformationFilterList": old })).0, ["i-7"]);
        assert!(ids(json!({ "Filters": [{ "Key": "InstanceIds", "Values": ["i-99"] }] })).0.is_empty());
    }

    #[test]
    fn pages_follow_each_other() {
        let (first, token) = ids(json!({ "MaxResults": 10 }));
        assert_eq!((first.len(), &token), (10, &json!("10")));
        assert_eq!(ids(json!({ "NextToken": token })), (vec!["i-10".into(), "i-11".into()], Value::Null));
    }

    #[test]
    fn bad_requests_have_the_errors_of_the_model() {
        let both = json!({
            "Filters": [{ "Key": "InstanceIds", "Values": ["i-1"] }],
            "InstanceInformationFilterList": [{ "key": "InstanceIds", "valueSet": ["i-1"] }],
        });
        for (request, code) in [
            (both, "ValidationException"),
            (json!({ "Filters": [{ "Key": "Name", "Values": ["x"] }] }), "InvalidFilterKey"),
            (json!({ "MaxResults": 4 }), "ValidationException"),
            (json!({ "NextToken": "x" }), "InvalidNextToken"),
            (json!({ "NextToken": "12" }), "InvalidNextToken"),
        ] {
            let error = describe(&instances(), serde_json::from_value(request.clone()).unwrap()).unwrap_err();
            assert!(format!("{error:?}").contains(code), "{request}: {error:?}");
        }
    }
}
