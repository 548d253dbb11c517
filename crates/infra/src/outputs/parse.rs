//! From JSON to [`Outputs`].

use std::fmt::Display;
use std::str::FromStr;

use rds_iam_token::{Endpoint, Host, Region};
use serde_json::{Map, Value};

use super::{App, Bootstrap, Cause, Database, Deployment, Logs, Outputs, Problem, Proxy, TextCause};
use crate::Engine;
use crate::arn::{ResourceId, ResourceKind};
use crate::rds_conf::SecretId;

type Object = Map<String, Value>;

/// The outputs by name, each still with `sensitive`, `type` and `value`.
pub(super) fn objects(text: &str) -> Result<Object, TextCause> {
    // What serde_json says about an error can quote the text; where it stands is enough.
    let value: Value = serde_json::from_str(text)
        .map_err(|error| TextCause::Json { line: error.line(), column: error.column() })?;
    let Value::Object(outputs) = value else { return Err(TextCause::Other) };
    if outputs.is_empty() {
        return Err(TextCause::Empty);
    }
    let is_output = |value: &Value| value.get("sensitive").is_some_and(Value::is_boolean);
    if outputs.values().all(is_output) { Ok(outputs) } else { Err(TextCause::Other) }
}

pub(super) fn typed(outputs: &Object) -> Result<Outputs, Vec<Problem>> {
    let mut reader = Reader { outputs, problems: Vec::new() };
    let typed = reader.all();
    match typed {
        Some(typed) if reader.problems.is_empty() => Ok(typed),
        _ => Err(reader.problems),
    }
}

struct Reader<'a> {
    outputs: &'a Object,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Everything, or nothing; the reasons are in `problems`. Each part is read before any is given up, so
    /// that all problems are found.
    fn all(&mut self) -> Option<Outputs> {
        let (app, bootstrap, database) = (self.app(), self.bootstrap(), self.database());
        let (deployment, logs, proxy) = (self.deployment(), self.logs(), self.proxy());
        let outputs = Outputs {
            app: app?,
            bootstrap: bootstrap?,
            database: database?,
            deployment: deployment?,
            logs: logs?,
            proxy: proxy?,
        };
        self.compare_regions("database.endpoint", &outputs.database.endpoint, &outputs);
        self.compare_regions("proxy.endpoint", &outputs.proxy.endpoint, &outputs);
        Some(outputs)
    }

    fn app(&mut self) -> Option<App> {
        let mut output = self.output("app")?;
        let autoscaling_group = output.text("autoscaling_group");
        let database_user = output.value("database_user");
        let image_parameter = output.value("image_parameter");
        let management_port = output.port("management_port");
        let parameter_path = output.value("parameter_path");
        let (repository_url, url) = (output.text("repository_url"), output.text("url"));
        Some(App {
            autoscaling_group: autoscaling_group?,
            database_user: database_user?,
            image_parameter: image_parameter?,
            management_port: management_port?,
            parameter_path: parameter_path?,
            repository_url: repository_url?,
            url: url?,
        })
    }

    fn bootstrap(&mut self) -> Option<Bootstrap> {
        Some(Bootstrap { function_name: self.output("bootstrap")?.text("function_name")? })
    }

    fn database(&mut self) -> Option<Database> {
        let mut output = self.output("database")?;
        let admin_user = output.value("admin_user");
        let engine = output.engine();
        let endpoint = output.endpoint();
        let identifier = output.text("identifier");
        let master_secret = output.secret_arn("master_secret_arn");
        let name = output.value("name");
        let resource_id = output.resource_id(&[ResourceKind::Instance, ResourceKind::Cluster]);
        Some(Database {
            admin_user: admin_user?,
            engine: engine?,
            endpoint: endpoint?,
            identifier: identifier?,
            master_secret: master_secret?,
            name: name?,
            resource_id: resource_id?,
        })
    }

    fn deployment(&mut self) -> Option<Deployment> {
        let mut output = self.output("deployment")?;
        let (account_id, environment) = (output.value("account_id"), output.text("environment"));
        let (name, region) = (output.text("name"), output.value("region"));
        Some(Deployment { account_id: account_id?, environment: environment?, name: name?, region: region? })
    }

    fn logs(&mut self) -> Option<Logs> {
        Some(Logs { bucket: self.output("logs")?.text("bucket")? })
    }

    fn proxy(&mut self) -> Option<Proxy> {
        let mut output = self.output("proxy")?;
        let authentication = output.value("authentication");
        let endpoint = output.endpoint();
        let name = output.text("name");
        let resource_id = output.resource_id(&[ResourceKind::Proxy]);
        Some(Proxy {
            authentication: authentication?,
            endpoint: endpoint?,
            name: name?,
            resource_id: resource_id?,
        })
    }

    /// Every token is signed for a region; where an endpoint's name tells another, all would be refused.
    fn compare_regions(&mut self, name: &str, endpoint: &Endpoint, outputs: &Outputs) {
        let region = &outputs.deployment.region;
        if let Some(own) = Region::from_rds_host(&endpoint.host().to_string())
            && own != *region
        {
            let reason = format!("it lies in {own} by its name, but deployment.region is {region}");
            self.problems.push(Problem { output: name.to_owned(), cause: Cause::Value { reason } });
        }
    }

    fn output(&mut self, name: &'static str) -> Option<Attributes<'_, 'a>> {
        let Some(output) = self.outputs.get(name) else {
            return self.report(name.to_owned(), Cause::Missing);
        };
        if output["sensitive"] != Value::Bool(false) {
            return self.report(name.to_owned(), Cause::Sensitive);
        }
        match output.get("value") {
            Some(Value::Object(attributes)) => {
                Some(Attributes { name, attributes, problems: &mut self.problems })
            }
            None => self.report(name.to_owned(), Cause::Missing),
            Some(other) => {
                self.report(name.to_owned(), Cause::Type { expected: "an object", found: kind(other) })
            }
        }
    }

    fn report<T>(&mut self, output: String, cause: Cause) -> Option<T> {
        self.problems.push(Problem { output, cause });
        None
    }
}

/// The attributes of one output. Reading one reports what is wrong with it.
struct Attributes<'r, 'a> {
    name: &'static str,
    attributes: &'a Object,
    problems: &'r mut Vec<Problem>,
}

impl Attributes<'_, '_> {
    fn report<T>(&mut self, attribute: &str, cause: Cause) -> Option<T> {
        self.problems.push(Problem { output: format!("{}.{attribute}", self.name), cause });
        None
    }

    fn refuse<T>(&mut self, attribute: &str, reason: String) -> Option<T> {
        self.report(attribute, Cause::Value { reason })
    }

    fn text(&mut self, attribute: &str) -> Option<String> {
        match self.attributes.get(attribute) {
            None => self.report(attribute, Cause::Missing),
            Some(Value::String(text)) if text.is_empty() => {
                self.refuse(attribute, "it is empty: run `terraform apply`".to_owned())
            }
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => self.report(attribute, Cause::Type { expected: "a string", found: kind(other) }),
        }
    }

    fn value<T: FromStr<Err: Display>>(&mut self, attribute: &str) -> Option<T> {
        let text = self.text(attribute)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => self.refuse(attribute, error.to_string()),
        }
    }

    /// The engine. Stacks older than this output have MySQL.
    fn engine(&mut self) -> Option<Engine> {
        if self.attributes.contains_key("engine") { self.value("engine") } else { Some(Engine::default()) }
    }

    /// The number of a port.
    fn port(&mut self, attribute: &str) -> Option<u16> {
        match self.attributes.get(attribute) {
            None => self.report(attribute, Cause::Missing),
            Some(Value::Number(number)) => {
                match number.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0) {
                    Some(port) => Some(port),
                    None => self.refuse(attribute, format!("{number} is not a port: expected 1 to 65535")),
                }
            }
            Some(other) => self.report(attribute, Cause::Type { expected: "a number", found: kind(other) }),
        }
    }

    /// `endpoint` and `port`, which belong together.
    fn endpoint(&mut self) -> Option<Endpoint> {
        let host = self.value::<Host>("endpoint");
        let port = self.port("port");
        Some(Endpoint::new(&host?.to_string(), port?).expect("both parts have just been checked"))
    }

    fn resource_id(&mut self, kinds: &[ResourceKind]) -> Option<ResourceId> {
        let id: ResourceId = self.value("resource_id")?;
        if kinds.contains(&id.kind()) {
            return Some(id);
        }
        let expected: Vec<_> = kinds.iter().map(|kind| format!("{}…", kind.prefix())).collect();
        let expected = expected.join(" or ");
        self.refuse("resource_id", format!("{id} names something else: expected {expected}"))
    }

    fn secret_arn(&mut self, attribute: &str) -> Option<SecretId> {
        let secret: SecretId = self.value(attribute)?;
        if secret.as_str().starts_with("arn:") {
            return Some(secret);
        }
        self.refuse(attribute, "it is not an ARN: expected arn:<partition>:secretsmanager:…".to_owned())
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
