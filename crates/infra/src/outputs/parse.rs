//! Parses the text of `terraform output -json` into `Outputs`: reads each attribute with its type, compares the
//! regions of the endpoints with the deployment's, and collects all errors.

use rds_iam_token::{Endpoint, Host, Region};
use serde_json::{Map, Value};

use super::{
    App, AttributeError, AttributeErrorKind, Bootstrap, Database, DatabaseKind, Deployment, JumpHost, Logs,
    Outputs, Proxy, TextErrorKind,
};
use crate::Engine;
use crate::arn::{ResourceId, ResourceKind};
use crate::file_value::FileValue;
use crate::rds_conf::{DatabaseName, SecretId};

type Object = Map<String, Value>;

/// Returns the outputs by name, each with `sensitive`, `type` and `value`.
pub(super) fn objects(text: &str) -> Result<Object, TextErrorKind> {
    // The message of serde_json can quote the text; the position is enough.
    let value: Value = serde_json::from_str(text)
        .map_err(|error| TextErrorKind::Json { line: error.line(), column: error.column() })?;
    let Value::Object(outputs) = value else { return Err(TextErrorKind::Other) };
    if outputs.is_empty() {
        return Err(TextErrorKind::Empty);
    }
    let is_output = |value: &Value| value.get("sensitive").is_some_and(Value::is_boolean);
    if outputs.values().all(is_output) { Ok(outputs) } else { Err(TextErrorKind::Other) }
}

pub(super) fn typed(outputs: &Object) -> Result<Outputs, Vec<AttributeError>> {
    let mut reader = Reader { outputs, errors: Vec::new() };
    let typed = reader.all();
    match typed {
        Some(typed) if reader.errors.is_empty() => Ok(typed),
        _ => Err(reader.errors),
    }
}

struct Reader<'a> {
    outputs: &'a Object,
    errors: Vec<AttributeError>,
}

impl<'a> Reader<'a> {
    /// Returns all outputs, or `None` with the reasons in `errors`. Each part is read before any is given up, so that
    /// all errors are found.
    fn all(&mut self) -> Option<Outputs> {
        let app = self.optional("app", Self::app);
        let (bootstrap, database, deployment) = (self.bootstrap(), self.database(), self.deployment());
        let jump_host = self.optional("jump_host", Self::jump_host);
        let logs = self.optional("logs", Self::logs);
        let proxy = self.optional("proxy", Self::proxy);
        let outputs = Outputs {
            app: app?,
            bootstrap: bootstrap?,
            database: database?,
            deployment: deployment?,
            jump_host: jump_host?,
            logs: logs?,
            proxy: proxy?,
        };
        let Outputs { database, deployment, proxy, .. } = &outputs;
        let of_proxy = proxy.iter().flat_map(|proxy| {
            [
                ("proxy.endpoint", Some(&proxy.endpoint)),
                ("proxy.reader_endpoint", proxy.reader_endpoint.as_ref()),
            ]
        });
        let endpoints = [
            ("database.endpoint", Some(&database.endpoint)),
            ("database.reader_endpoint", database.reader_endpoint.as_ref()),
        ];
        for (name, endpoint) in endpoints.into_iter().chain(of_proxy) {
            self.compare_regions(name, endpoint, &deployment.region);
        }
        Some(outputs)
    }

    /// Reads an output that a deployment may lack: it is then absent or null. `None` if it has errors.
    fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        let is_absent = self.outputs.get(name).is_none_or(|output| output.get("value") == Some(&Value::Null));
        if is_absent { Some(None) } else { read(self).map(Some) }
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
        let (endpoint, reader_endpoint) = output.endpoints();
        let identifier = output.text("identifier");
        let kind = output.optional::<DatabaseKind>("kind");
        let master_secret = output.secret_arn("master_secret_arn");
        let name = output.database_name("name", engine);
        let resource_id = match kind {
            Some(Some(kind)) => output.resource_id(&[kind.resource()]),
            _ => output.resource_id(&[ResourceKind::Instance, ResourceKind::Cluster]),
        };
        // Stacks older than `kind` have the kind of their resource id.
        let of_id = |id: &ResourceId| match id.kind() {
            ResourceKind::Cluster => DatabaseKind::Cluster,
            _ => DatabaseKind::Instance,
        };
        let (kind, resource_id) = (kind?, resource_id?);
        Some(Database {
            admin_user: admin_user?,
            engine: engine?,
            endpoint: endpoint?,
            identifier: identifier?,
            kind: kind.unwrap_or_else(|| of_id(&resource_id)),
            master_secret: master_secret?,
            name: name?,
            reader_endpoint: reader_endpoint?,
            resource_id,
        })
    }

    fn deployment(&mut self) -> Option<Deployment> {
        let mut output = self.output("deployment")?;
        let (account_id, environment) = (output.value("account_id"), output.text("environment"));
        let (name, region) = (output.text("name"), output.value("region"));
        Some(Deployment { account_id: account_id?, environment: environment?, name: name?, region: region? })
    }

    fn jump_host(&mut self) -> Option<JumpHost> {
        let mut output = self.output("jump_host")?;
        let (instance_id, group) = (output.text("instance_id"), output.text("security_group_id"));
        Some(JumpHost { instance_id: instance_id?, security_group_id: group? })
    }

    fn logs(&mut self) -> Option<Logs> {
        Some(Logs { bucket: self.output("logs")?.text("bucket")? })
    }

    fn proxy(&mut self) -> Option<Proxy> {
        let mut output = self.output("proxy")?;
        let authentication = output.value("authentication");
        let (endpoint, reader_endpoint) = output.endpoints();
        let name = output.text("name");
        let resource_id = output.resource_id(&[ResourceKind::Proxy]);
        Some(Proxy {
            authentication: authentication?,
            endpoint: endpoint?,
            name: name?,
            reader_endpoint: reader_endpoint?,
            resource_id: resource_id?,
        })
    }

    /// Checks that an endpoint's name contains the deployment's region: tokens are signed for it, and would all be
    /// refused.
    fn compare_regions(&mut self, name: &str, endpoint: Option<&Endpoint>, region: &Region) {
        if let Some(own) = endpoint.and_then(|endpoint| Region::from_rds_host(&endpoint.host().to_string()))
            && own != *region
        {
            let reason = format!("it is in {own}, but deployment.region is {region}");
            self.errors
                .push(AttributeError { output: name.to_owned(), kind: AttributeErrorKind::Value { reason } });
        }
    }

    fn output(&mut self, name: &'static str) -> Option<Attributes<'_, 'a>> {
        let Some(output) = self.outputs.get(name) else {
            return self.report(name.to_owned(), AttributeErrorKind::Missing);
        };
        if output["sensitive"] != Value::Bool(false) {
            return self.report(name.to_owned(), AttributeErrorKind::Sensitive);
        }
        match output.get("value") {
            Some(Value::Object(attributes)) => {
                Some(Attributes { name, attributes, errors: &mut self.errors })
            }
            None => self.report(name.to_owned(), AttributeErrorKind::Missing),
            Some(other) => self.report(
                name.to_owned(),
                AttributeErrorKind::Type { expected: "an object", found: kind(other) },
            ),
        }
    }

    fn report<T>(&mut self, output: String, kind: AttributeErrorKind) -> Option<T> {
        self.errors.push(AttributeError { output, kind });
        None
    }
}

/// The attributes of an output. Reading one reports its errors.
struct Attributes<'r, 'a> {
    name: &'static str,
    attributes: &'a Object,
    errors: &'r mut Vec<AttributeError>,
}

impl Attributes<'_, '_> {
    fn report<T>(&mut self, attribute: &str, kind: AttributeErrorKind) -> Option<T> {
        self.errors.push(AttributeError { output: format!("{}.{attribute}", self.name), kind });
        None
    }

    fn refuse<T>(&mut self, attribute: &str, reason: String) -> Option<T> {
        self.report(attribute, AttributeErrorKind::Value { reason })
    }

    fn text(&mut self, attribute: &str) -> Option<String> {
        match self.attributes.get(attribute) {
            None => self.report(attribute, AttributeErrorKind::Missing),
            Some(Value::String(text)) if text.is_empty() => {
                self.refuse(attribute, "it is empty: run `terraform apply`".to_owned())
            }
            Some(Value::String(text)) if text.chars().any(char::is_control) => self.refuse(
                attribute,
                "it has a control character: run `terraform apply` with a name without one".to_owned(),
            ),
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => {
                self.report(attribute, AttributeErrorKind::Type { expected: "a string", found: kind(other) })
            }
        }
    }

    fn value<T: FileValue>(&mut self, attribute: &str) -> Option<T> {
        let text = self.text(attribute)?;
        T::from_file(&text).map_or_else(|reason| self.refuse(attribute, reason), Some)
    }

    /// Returns a value that may be absent or null. `None` if it is invalid.
    fn optional<T: FileValue>(&mut self, attribute: &str) -> Option<Option<T>> {
        match self.attributes.get(attribute) {
            None | Some(Value::Null) => Some(None),
            Some(_) => self.value(attribute).map(Some),
        }
    }

    /// Returns the engine. Stacks older than this output have MySQL.
    fn engine(&mut self) -> Option<Engine> {
        if self.attributes.contains_key("engine") { self.value("engine") } else { Some(Engine::default()) }
    }

    /// Returns the name of a database, which the engine limits.
    fn database_name(&mut self, attribute: &str, engine: Option<Engine>) -> Option<DatabaseName> {
        let name: DatabaseName = self.value(attribute)?;
        match name.validate_for(engine.unwrap_or_default()) {
            Ok(()) => Some(name),
            Err(error) => self.refuse(attribute, error.reason.to_owned()),
        }
    }

    /// Returns a port number.
    fn port(&mut self, attribute: &str) -> Option<u16> {
        match self.attributes.get(attribute) {
            None => self.report(attribute, AttributeErrorKind::Missing),
            Some(Value::Number(number)) => {
                match number.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0) {
                    Some(port) => Some(port),
                    None => self.refuse(attribute, "not a port: expected 1 to 65535".to_owned()),
                }
            }
            Some(other) => {
                self.report(attribute, AttributeErrorKind::Type { expected: "a number", found: kind(other) })
            }
        }
    }

    /// Returns the endpoint from `endpoint` and `port`, and that of the readers from `reader_endpoint`, which may be
    /// absent or null, and the same port.
    fn endpoints(&mut self) -> (Option<Endpoint>, Option<Option<Endpoint>>) {
        let endpoint = |host: Host, port| {
            Endpoint::new(&host.to_string(), port).expect("both parts have just been checked")
        };
        let (host, reader) = (self.value::<Host>("endpoint"), self.optional::<Host>("reader_endpoint"));
        let port = self.port("port");
        let reader = reader.map(|host| host.zip(port).map(|(host, port)| endpoint(host, port)));
        (host.zip(port).map(|(host, port)| endpoint(host, port)), reader)
    }

    fn resource_id(&mut self, kinds: &[ResourceKind]) -> Option<ResourceId> {
        let id: ResourceId = self.value("resource_id")?;
        if kinds.contains(&id.kind()) {
            return Some(id);
        }
        let expected: Vec<_> = kinds.iter().map(|kind| format!("{}…", kind.prefix())).collect();
        let expected = expected.join(" or ");
        self.refuse("resource_id", format!("it is the id of another kind of resource: expected {expected}"))
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
