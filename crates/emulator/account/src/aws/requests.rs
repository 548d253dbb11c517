//! Requests of `AwsApi` to the emulated AWS API: secrets, parameters, the completion of a launch hook, and the
//! emulator's own paths.

use std::io;
use std::time::Duration;

use aws_sdk_secretsmanager::operation::create_secret::CreateSecretError;
use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use aws_sdk_ssm::types::ParameterType;
use hyper::http::request::Builder;
use hyper::{Method, Request, header};
use rds_iam_emulator_server::{Error, MasterCredentials};

use super::AwsApi;
use crate::http::{self, Answer, HttpError};

impl AwsApi {
    /// Puts a secret into Secrets Manager, or a new version of an existing one, and returns its ARN.
    ///
    /// # Errors
    /// Returns [`Error::Aws`] with the endpoint's answer.
    pub async fn put_secret(&self, name: &str, value: &str) -> Result<String, Error> {
        let client = aws_sdk_secretsmanager::Client::new(&self.sdk_config());
        let created = client.create_secret().name(name).secret_string(value).send().await;
        let arn = match created.map_err(aws_sdk_secretsmanager::error::SdkError::into_service_error) {
            Ok(created) => created.arn,
            Err(CreateSecretError::ResourceExistsException(_)) => {
                let put = client.put_secret_value().secret_id(name).secret_string(value).send().await;
                put.map_err(Error::aws(format!("put a value into the secret {name}")))?.arn
            }
            Err(e) => return Err(Error::aws(format!("create the secret {name}"))(e)),
        };
        Ok(arn.unwrap_or_default())
    }

    /// Returns the user and password in a master user's secret, which RDS keeps as JSON: for
    /// [`Builder::master`](rds_iam_emulator_server::Builder::master).
    ///
    /// # Errors
    /// Returns [`Error::Aws`] if there is no such secret, or it has another format.
    pub async fn master_credentials(&self, secret_id: &str) -> Result<MasterCredentials, Error> {
        let client = aws_sdk_secretsmanager::Client::new(&self.sdk_config());
        let answer = client.get_secret_value().secret_id(secret_id).send().await;
        let answer = answer.map_err(Error::aws(format!("read the secret {secret_id}")))?;
        let fields = answer.secret_string().and_then(|json| {
            let secret: serde_json::Value = serde_json::from_str(json).ok()?;
            Some((secret["username"].as_str()?.to_owned(), secret["password"].as_str()?.to_owned()))
        });
        // Without further details, which could contain secret values.
        let other =
            || io::Error::new(io::ErrorKind::InvalidData, "it is no JSON with a username and a password");
        let operation = format!("name the master user of the secret {secret_id}");
        let (username, password) = fields.ok_or_else(other).map_err(Error::aws(operation))?;
        MasterCredentials::new(username, password)
    }

    /// Puts a parameter into the SSM Parameter Store, and replaces an existing one.
    ///
    /// # Errors
    /// Returns [`Error::Aws`] with the endpoint's answer.
    pub async fn put_parameter(&self, path: &str, value: &str) -> Result<(), Error> {
        let put = self.ssm().put_parameter().name(path).value(value);
        let put = put.r#type(ParameterType::String).overwrite(true).send().await;
        put.map(drop).map_err(Error::aws(format!("put the parameter {path}")))
    }

    /// Returns the value of a parameter in the SSM Parameter Store, if it exists.
    pub(crate) async fn parameter(&self, path: &str) -> Result<Option<String>, Error> {
        match self.ssm().get_parameter().name(path).send().await.map_err(SdkError::into_service_error) {
            Ok(answer) => Ok(answer.parameter.and_then(|parameter| parameter.value)),
            Err(GetParameterError::ParameterNotFound(_)) => Ok(None),
            Err(e) => Err(Error::aws(format!("read the parameter {path}"))(e)),
        }
    }

    /// Sends a request for one of the emulator's own paths, which no AWS service has: reads a resource, or
    /// reports in JSON.
    pub(crate) async fn private(
        &self,
        path: &str,
        report: Option<String>,
        within: Duration,
    ) -> Result<Answer, HttpError> {
        let method = if report.is_some() { Method::POST } else { Method::GET };
        let request =
            Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        self.ask("moto-api", request, report.unwrap_or_default(), within).await
    }

    /// Completes a launch hook: the call of a machine's `app-ready`.
    pub(crate) async fn complete_lifecycle_action(&self, form: &[(&str, &str)]) -> Result<(), Error> {
        let mut body = "Action=CompleteLifecycleAction&Version=2011-01-01".to_owned();
        // Values contain only letters, digits and hyphens if the module's script is run.
        form.iter().for_each(|(name, value)| body.push_str(&format!("&{name}={value}")));
        let request = Request::builder().method(Method::POST).uri("/");
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = self.ask("autoscaling", request, body, Duration::from_secs(10)).await;
        let done = answer.and_then(|answer| match answer.status {
            200 => Ok(()),
            status => Err(HttpError::Status(status)),
        });
        done.map_err(Error::aws("complete a lifecycle action"))
    }

    async fn ask(
        &self,
        service: &str,
        request: Builder,
        body: String,
        within: Duration,
    ) -> Result<Answer, HttpError> {
        let scope = format!("{}/20260101/{}/{service}/aws4_request", self.key.key.id, self.region);
        // The endpoint reads the key, the service and the token, and checks no signature.
        let request = request
            .header(header::AUTHORIZATION, format!("AWS4-HMAC-SHA256 Credential={scope}"))
            .header("x-amz-security-token", self.key.session_token());
        http::ask(self.url.trim_start_matches("http://"), request, body.into(), within).await
    }
}
