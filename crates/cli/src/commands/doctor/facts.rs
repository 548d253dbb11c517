//! The observations of one run, which the steps judge. An observation that was not made is `None`: something that it
//! needs is missing.

use std::net::IpAddr;
use std::time::SystemTime;

use rds_iam_deploy::behind::Behind;
use rds_iam_deploy::whoami::Caller;
use rds_iam_infra::Engine;
use rds_iam_token::{DbUser, Endpoint, Region, ServerCode};

/// The login that is examined, and the observations.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) engine: Engine,
    pub(super) endpoint: Endpoint,
    pub(super) dial: Option<Endpoint>,
    pub(super) user: DbUser,
    pub(super) database: Option<String>,
    /// The region of `--region`, of the target or of the environment, in this order.
    pub(super) region: Option<Region>,
    pub(super) offline: bool,
    pub(super) now: SystemTime,
    pub(super) environment: Environment,
    pub(super) credentials: Credentials,
    /// The caller by STS.
    pub(super) caller: Option<Result<Caller, CallerError>>,
    /// The time by AWS's clock when this machine's was `.1`.
    pub(super) aws_time: Option<Result<(SystemTime, SystemTime), String>>,
    /// The canonical name of a host that is not AWS's name.
    pub(super) canonical_name: Option<String>,
    pub(super) addresses: Option<Result<Vec<IpAddr>, String>>,
    pub(super) port: Option<Result<(), String>>,
    pub(super) tls: Option<Result<(), TlsError>>,
    pub(super) token: Option<Result<SystemTime, String>>,
    pub(super) asked: Option<Asked>,
    pub(super) login: Option<Login>,
    /// The resource behind the endpoint, examined after a login that did not succeed.
    pub(super) behind: Option<Result<Option<Behind>, String>>,
    /// The caller's permission, examined after a login that was refused.
    pub(super) policy: Option<Policy>,
    /// The resource id of `--resource-id`, or that of `behind`.
    pub(super) resource_id: Option<String>,
}

/// What the environment says of the program's role and of psql.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    /// A task of ECS.
    pub(super) is_task: bool,
    /// The task has a role.
    pub(super) has_task_role: bool,
    /// `PGSSLROOTCERT` is `system`.
    pub(super) system_roots: bool,
}

/// The credentials that the default chain returned.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    /// No source is configured.
    None(String),
    /// The source failed.
    Failed(String),
    /// The source has them.
    Found {
        /// The id of the access key, which is no secret.
        key_id: String,
        /// The time at which they expire, if they say so.
        expires_at: Option<SystemTime>,
    },
}

/// The error of asking STS for the caller.
#[derive(Clone, Debug)]
pub(super) enum CallerError {
    /// STS does not accept the credentials.
    Rejected {
        /// AWS's code.
        code: String,
    },
    /// The call failed for another reason, which is no reason to distrust the credentials.
    Unknown(String),
}

/// The error of a TLS handshake.
#[derive(Clone, Debug)]
pub(super) enum TlsError {
    /// The certificate names other hosts.
    OtherName(Vec<String>),
    /// The certificate's authority is not among the trust roots.
    UnknownAuthority,
    /// The certificate has expired, or is not valid yet.
    Dates(String),
    /// The server offers no TLS.
    NotOffered,
    /// The server refuses connections, before it knows the user.
    Refused {
        /// The server's code.
        code: ServerCode,
        /// The server's message.
        message: String,
    },
    /// The trust roots can't be used.
    Roots(String),
    /// Another error.
    Other(String),
}

/// What the server asked for, before anything secret was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A password in clear text: a token.
    Token,
    /// A password, by this plugin of MySQL or method of PostgreSQL.
    Password(String),
    /// Another proof than a password, such as Kerberos.
    Other(String),
    /// Nothing: the user has no password.
    Nothing,
    /// It refused first.
    Refused {
        /// The server's code.
        code: ServerCode,
        /// The server's message.
        message: String,
    },
    /// No answer, or none of the protocol.
    Failed(String),
}

/// The answer to the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// The login succeeded.
    Accepted,
    /// The server refused.
    Refused {
        /// The server's code.
        code: ServerCode,
        /// The server's message.
        message: String,
    },
    /// No answer, or none of the protocol.
    Failed(String),
}

/// The result of simulating `rds-db:connect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// The caller has the permission.
    Allowed,
    /// The caller lacks it.
    Lacking,
    /// The caller lacks it, and has one with the resource's name in place of its id.
    NamesIdentifier(String),
    /// It could not be simulated, for this reason.
    Unknown(String),
}

impl Facts {
    /// Returns the host that is signed and verified.
    pub(super) fn host(&self) -> String {
        self.endpoint.host().to_string()
    }

    /// Returns the region that the token is signed for: the given one, or that of the host's name.
    pub(super) fn signing_region(&self) -> Option<Region> {
        let of_name = || {
            let name = Region::from_rds_host(&self.host());
            name.or_else(|| self.canonical_name.as_deref().and_then(Region::from_rds_host))
        };
        self.region.clone().or_else(of_name)
    }

    pub(super) fn is_proxy(&self) -> bool {
        self.host().contains(".proxy-")
    }

    /// Returns whether a token for this endpoint can be accepted at all: a login with one for another region or for an
    /// alias says nothing more.
    pub(super) fn may_log_in(&self) -> bool {
        let of_host = Region::from_rds_host(&self.host());
        let is_alias =
            self.canonical_name.as_deref().is_some_and(|name| Region::from_rds_host(name).is_some());
        !is_alias && of_host.is_none_or(|region| self.signing_region() == Some(region))
    }

    /// Returns whether the server did not let the user in, for whatever reason.
    pub(super) fn login_failed(&self) -> bool {
        !matches!(self.login, None | Some(Login::Accepted))
    }
}
