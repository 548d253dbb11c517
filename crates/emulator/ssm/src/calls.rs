//! The calls of a tunnel or a shell to an emulator in the same process, without HTTP and an SDK.

use std::sync::Arc;

use rds_iam_tunnel::{Api, Call, Refused, StartRequest, Started, Token};
use serde_json::{Map, Value, json};

use crate::emulator::Emulator;

/// The error of a call, of any type.
type Error = rds_iam_tunnel::ApiError;

/// The calls of a [`Tunnel`](rds_iam_tunnel::Tunnel) or a [`Shell`](rds_iam_tunnel::Shell) to an [`Emulator`] in the same
/// process.
#[derive(Debug)]
pub struct Calls(Arc<Emulator>);

impl Calls {
    /// Creates calls to an emulator.
    #[must_use]
    pub fn new(emulator: &Arc<Emulator>) -> Self {
        Self(Arc::clone(emulator))
    }

    /// Calls an operation. An error is the body of the answer.
    fn call(&self, operation: &str, body: &Value) -> Result<Value, Error> {
        let target = format!("AmazonSSM.{operation}");
        let answer = self.0.handle(&target, body.to_string().as_bytes()).ok_or("an unknown operation")?;
        if answer.status == 200 { Ok(serde_json::from_str(&answer.body)?) } else { Err(answer.body.into()) }
    }
}

impl Api for Calls {
    fn start<'a>(&'a self, request: &'a StartRequest) -> Call<'a, Started> {
        Box::pin(async move {
            let parameters = request.parameters.iter();
            let parameters: Map<String, Value> =
                parameters.map(|(name, value)| ((*name).to_owned(), json!([value]))).collect();
            let request = json!({
                "Target": request.target,
                "DocumentName": request.document,
                "Parameters": parameters,
            });
            let answer = self.call("StartSession", &request)?;
            Ok(Started {
                session_id: text(&answer, "SessionId")?,
                stream_url: text(&answer, "StreamUrl")?,
                token: Token::new(text(&answer, "TokenValue")?),
            })
        })
    }

    fn resume<'a>(&'a self, session_id: &'a str) -> Call<'a, Option<Token>> {
        Box::pin(async move {
            match self.call("ResumeSession", &json!({ "SessionId": session_id })) {
                // One that was idle is answered without a token.
                Ok(answer) => Ok(text(&answer, "TokenValue").ok().map(Token::new)),
                Err(error) if error.to_string().contains("DoesNotExistException") => Ok(None),
                Err(error) if error.to_string().contains("AccessDeniedException") => {
                    Err(Refused(error).into())
                }
                Err(error) => Err(error),
            }
        })
    }

    fn terminate<'a>(&'a self, session_id: &'a str) -> Call<'a, ()> {
        Box::pin(async move { self.call("TerminateSession", &json!({ "SessionId": session_id })).map(drop) })
    }
}

fn text(answer: &Value, name: &'static str) -> Result<String, Error> {
    Ok(answer[name].as_str().ok_or("a field of the answer is missing")?.to_owned())
}
