//! `Builder`: the settings of a pool, with which it is created. Wrong ones are reported all at once.

mod credentials;
mod region;
#[cfg(feature = "aws-config")]
mod role;
mod roots;

#[cfg(test)]
mod tests;

use std::fmt;
use std::marker::PhantomData;

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use rds_iam_token::{Clock, DbUser, Endpoint, Login, Minter, Region, TokenSource};

use crate::connect::Target;
use crate::dsn::{Dsn, DsnError};
use crate::engine::{Engine, unusable_variables};
use crate::error::{Error, SettingError};
use crate::host::is_aws_name;
use crate::limits::Limits;
use crate::pool::Pool;

#[cfg(feature = "aws-config")]
pub use role::AssumeRole;

#[cfg(all(feature = "aws-config", feature = "config"))]
pub(crate) use credentials::chain;

use credentials::Source;
use roots::RootCertificates;

/// The settings of a [`Pool`]. [`connect`](Self::connect) or [`connect_lazy`](Self::connect_lazy) creates it.
///
/// Only the endpoint and the user are required. The region is that of the endpoint's name, the credentials are those of
/// the AWS SDK's default chain, and the trust roots the bundled ones.
///
/// ```no_run
/// # async fn example() -> Result<(), rds_iam_sqlx::Error> {
/// use rds_iam_sqlx::{MySqlPool, PgPool};
///
/// let pool = MySqlPool::builder("orders.c0ffee.eu-west-1.rds.amazonaws.com", "node_app")
///     .database("orders")
///     .max_connections(20)
///     .connect()
///     .await?;
/// let reports = PgPool::builder("reports.c0ffee.eu-west-1.rds.amazonaws.com", "node_app").connect_lazy()?;
/// # Ok(()) }
/// ```
#[must_use = "a builder does nothing until `connect` or `connect_lazy`"]
pub struct Builder<DB: Engine> {
    scheme: Option<&'static str>,
    endpoint: String,
    user: Option<String>,
    database: Option<String>,
    region: Option<String>,
    dial: Option<String>,
    source: Source,
    roots: RootCertificates,
    limits: Limits,
    tokens: Option<TokenSource>,
    on_demand: bool,
    clock: Clock,
    engine: PhantomData<fn() -> DB>,
}

impl<DB: Engine> Pool<DB> {
    /// Opens a pool in one statement, and one connection in it, so that a wrong setting shows at once.
    ///
    /// `dsn` is a connection string, such as `mysql://node_app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders`. Its
    /// forms and parameters are those of [`Dsn`]. All else has the defaults of [`Builder`].
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use rds_iam_sqlx::{MySqlPool, PgPool};
    ///
    /// let pool = MySqlPool::connect("mysql://node_app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders").await?;
    /// let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM orders").fetch_one(&pool).await?;
    ///
    /// let pool = PgPool::connect("postgresql://node_app@reports.c0ffee.eu-west-1.rds.amazonaws.com/reports").await?;
    /// let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM reports").fetch_one(&pool).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Returns [`Error::Dsn`] or [`Error::Settings`] before anything is dialled, or the error of the first connection.
    pub async fn connect(dsn: &str) -> Result<Self, Error> {
        Builder::from_dsn(dsn)?.connect().await
    }

    /// Begins the settings of a pool at `endpoint`, `host` or `host:port`, for a database user. They are checked when the
    /// pool is created.
    pub fn builder(endpoint: impl fmt::Display, user: impl fmt::Display) -> Builder<DB> {
        Builder::new(endpoint.to_string(), Some(user.to_string()))
    }
}

impl<DB: Engine> Builder<DB> {
    fn new(endpoint: String, user: Option<String>) -> Self {
        Self {
            scheme: None,
            endpoint,
            user,
            database: None,
            region: None,
            dial: None,
            source: Source::default(),
            roots: RootCertificates::Bundled,
            limits: Limits::default(),
            tokens: None,
            on_demand: false,
            clock: Clock::system(),
            engine: PhantomData,
        }
    }

    /// Takes the settings of a connection string. All others can be set afterwards, and those set take precedence.
    ///
    /// # Errors
    /// Returns [`DsnError`] with all that is wrong in the text.
    pub fn from_dsn(dsn: &str) -> Result<Self, DsnError> {
        Ok(Self::from(dsn.parse::<Dsn>()?))
    }

    /// Takes the settings of a connection string that was logged before.
    pub(crate) fn of_logged_dsn(dsn: Dsn) -> Self {
        let endpoint = Endpoint::new(&dsn.host.to_string(), dsn.port.unwrap_or(DB::DEFAULT_PORT));
        let endpoint = endpoint.expect("both were parsed").to_string();
        let mut builder = Self::new(endpoint, dsn.user.map(|user| user.to_string()));
        builder.scheme = dsn.scheme;
        builder.database = dsn.database;
        builder.dial = dsn.dial.map(|dial| dial.to_string());
        builder.region = dsn.region.map(|region| region.to_string());
        builder.source.profile = dsn.profile;
        builder.limits.connect_timeout = dsn.connect_timeout;
        if let Some(file) = dsn.root_certificates {
            builder.roots = RootCertificates::File(file);
        }
        builder
    }

    /// Sets the database user, instead of that of the connection string.
    pub fn user(mut self, user: impl fmt::Display) -> Self {
        self.user = Some(user.to_string());
        self
    }

    /// Sets the database to use after logging in.
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = Some(name.into());
        self
    }

    /// Sets the AWS region, for an endpoint whose name has none: an alias, or the writer endpoint of a global database. A
    /// region that differs from that of the endpoint's name is an error.
    pub fn region(mut self, region: impl fmt::Display) -> Self {
        self.region = Some(region.to_string());
        self
    }

    /// Sets the provider of the AWS credentials that sign tokens, instead of the SDK's default chain. It is called for each
    /// token, every few minutes.
    pub fn credentials(mut self, provider: impl ProvideCredentials + 'static) -> Self {
        self.source.provider = Some(SharedCredentialsProvider::new(provider));
        self
    }

    /// Sets the profile of the shared AWS files that the credentials come from. No others take their place: neither keys in
    /// the environment, nor the role of the machine if there is no such profile.
    #[cfg(feature = "aws-config")]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.source.profile = Some(name.into());
        self
    }

    /// Sets an IAM role to assume, with the other credentials, for those that sign tokens: its ARN, or an [`AssumeRole`]
    /// with an external id and a session name.
    #[cfg(feature = "aws-config")]
    pub fn assume_role(mut self, role: impl Into<AssumeRole>) -> Self {
        self.source.role = Some(role.into());
        self
    }

    /// Sets the address to dial, `host` or `host:port`, where it is not the endpoint: the near end of a tunnel, or a server
    /// on this machine. It is never verified: TLS verifies the endpoint's name, for which tokens are signed, too.
    pub fn dial(mut self, address: impl fmt::Display) -> Self {
        self.dial = Some(address.to_string());
        self
    }

    /// Sets the trust roots of the server's certificate, as PEM text, instead of the bundled ones.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = RootCertificates::Pem(pem.into());
        self
    }

    /// Sets all limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the most connections open at once, 1 to 100,000. Default: 10.
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.limits.max_connections = connections;
        self
    }

    /// Sets the source of tokens, to share one with another pool of the same login ([`Pool::tokens`]). It has its own
    /// credentials, region and clock.
    pub fn tokens(mut self, tokens: TokenSource) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Signs tokens only when a connection needs one, for programs that are suspended between requests, such as an AWS
    /// Lambda function. By default, a background task replaces each token at half of its life.
    pub fn sign_on_demand(mut self) -> Self {
        self.on_demand = true;
        self
    }

    /// Sets the clock that tokens are signed by.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Creates the pool and opens one connection, so that a wrong setting shows at once.
    ///
    /// # Errors
    /// Returns [`Error::Settings`] with all wrong settings before anything is dialled, or the error of the connection.
    pub async fn connect(self) -> Result<Pool<DB>, Error> {
        let pool = self.connect_lazy()?;
        pool.open_first().await?;
        Ok(pool)
    }

    /// Creates the pool without waiting for a connection: for services that start while the database does not answer yet.
    /// Connections are opened in the background and on demand.
    ///
    /// # Errors
    /// Returns [`Error::Settings`] with all wrong settings.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn connect_lazy(self) -> Result<Pool<DB>, Error> {
        let (tokens, target) = self.resolve()?;
        Ok(Pool::new(tokens, target, self.limits))
    }

    /// Creates the source of tokens alone: to sign one before the pool is created ([`tokens`](Self::tokens)), or for another
    /// driver.
    ///
    /// # Errors
    /// Returns [`Error::Settings`] with all wrong settings.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn token_source(self) -> Result<TokenSource, Error> {
        self.resolve().map(|(tokens, _)| tokens)
    }

    /// Returns the server alone, for another driver: the checked endpoint, the address to dial and the trust roots. It needs no
    /// user and no credentials.
    ///
    /// # Errors
    /// Returns [`Error::Settings`] with all wrong settings of the server.
    pub fn target(&self) -> Result<Target, Error> {
        let mut errors = Vec::new();
        let server = self.server(&mut errors);
        Error::of_settings(errors)?;
        let Some((target, _)) = server else { unreachable!("each setting that is missing has an error") };
        Ok(target)
    }

    /// Returns the source of tokens and the server.
    fn resolve(&self) -> Result<(TokenSource, Target), Error> {
        let mut errors = self.limits.errors();
        errors.extend(unusable_variables::<DB>(|name| std::env::var_os(name).is_some()));
        let server = self.server(&mut errors);
        let user = self.parse_user(&mut errors);
        let login = server
            .as_ref()
            .zip(user)
            .map(|((target, region), user)| Login::new(target.endpoint().clone(), region.clone(), user));
        let tokens = login.as_ref().and_then(|login| self.tokens_for(login, &mut errors));
        Error::of_settings(errors)?;
        let (Some(login), Some((target, _)), Some(tokens)) = (login, server, tokens) else {
            unreachable!("each setting that is missing has an error");
        };
        let Login { endpoint, region, user, .. } = &login;
        tracing::debug!(
            engine = DB::NAME, %user, %endpoint, dial = %target.dialled(), %region, database = self.database.as_deref(),
            roots = ?self.roots, limits = ?self.limits, on_demand = self.on_demand,
            "the pool's settings are valid"
        );
        if !is_aws_name(endpoint.host()) {
            tracing::info!(
                %endpoint, %region,
                "the endpoint is not a name of AWS: tokens are signed for it as given, and RDS accepts only those for its own name"
            );
        }
        Ok((tokens, target))
    }

    /// Returns the server and its region, unless a setting of them is wrong.
    fn server(&self, errors: &mut Vec<SettingError>) -> Option<(Target, Region)> {
        if let Some(scheme) = self.scheme.filter(|scheme| !DB::URL_SCHEMES.contains(scheme)) {
            errors.push(SettingError::new(
                "endpoint",
                format!("the connection string is for {scheme}, and the pool for {}", DB::NAME),
            ));
        }
        if let Some(cause) = self.database.as_deref().and_then(wrong_name) {
            errors.push(SettingError::new("database", cause));
        }
        let endpoint = self.parse_endpoint("endpoint", &self.endpoint, errors);
        let dial = self.dial.as_ref().map(|dial| self.parse_endpoint("dial", dial, errors));
        let server = endpoint.as_ref().zip(self.region_of_endpoint(endpoint.as_ref(), errors));
        let roots = self.roots.resolve(server.as_ref(), self.clock.now());
        let roots = roots.map_err(|cause| errors.push(SettingError::new("root_certificates", cause))).ok()?;
        let (endpoint, region) = server?;
        let dial = dial.flatten().unwrap_or_else(|| endpoint.clone());
        let mut target = Target::new(endpoint.clone(), roots).dial(dial);
        if let Some(name) = &self.database {
            target = target.database(name);
        }
        Some((target, region))
    }

    fn parse_endpoint(
        &self,
        setting: &'static str,
        text: &str,
        errors: &mut Vec<SettingError>,
    ) -> Option<Endpoint> {
        Endpoint::with_default_port(text, DB::DEFAULT_PORT)
            .map_err(|error| errors.push(SettingError::new(setting, error.to_string())))
            .ok()
    }

    fn parse_user(&self, errors: &mut Vec<SettingError>) -> Option<DbUser> {
        let parsed = match &self.user {
            None => Err(format!(
                "there is none: write {}://USER@HOST, or set it with `user`",
                DB::URL_SCHEMES.first().copied().unwrap_or_default()
            )),
            Some(user) => user.parse().map_err(|error: rds_iam_token::DbUserError| error.to_string()),
        };
        parsed.map_err(|cause| errors.push(SettingError::new("user", cause))).ok()
    }

    fn region_of_endpoint(
        &self,
        endpoint: Option<&Endpoint>,
        errors: &mut Vec<SettingError>,
    ) -> Option<Region> {
        let of_tokens = self.tokens.as_ref().map(|tokens| tokens.login().region.to_string());
        let given = self.region.as_ref().or(of_tokens.as_ref());
        region::resolve(endpoint?.host(), given.map(String::as_str))
            .map_err(|cause| errors.push(SettingError::new("region", cause)))
            .ok()
    }

    fn tokens_for(&self, login: &Login, errors: &mut Vec<SettingError>) -> Option<TokenSource> {
        if let Some(tokens) = &self.tokens {
            let mut wrong = |cause: String| errors.push(SettingError::new("tokens", cause));
            let Login { endpoint, region, user, .. } = tokens.login();
            if tokens.login() != login {
                wrong(format!(
                    "they are for {user} at {endpoint} in {region}, which is not this pool's login"
                ));
            }
            if self.source.is_set() || self.on_demand {
                wrong("they have their own credentials: set none, no profile, no role, and not `sign_on_demand`".into());
            }
            return Some(tokens.clone());
        }
        let credentials = self.source.resolve(login, errors)?;
        let minter = Minter::new(login.clone(), credentials, self.clock.clone());
        // The other spawns a task; an error is returned before.
        errors.is_empty().then(|| {
            if self.on_demand { TokenSource::lazy(minter) } else { TokenSource::refresh_ahead(minter) }
        })
    }
}

/// Returns why a text can't be a name, if so. A zero byte would end the name on its way to the server.
fn wrong_name(text: &str) -> Option<&'static str> {
    if text.trim().is_empty() {
        Some("it is empty: name one, or do not set it")
    } else if text.contains(char::is_control) {
        Some("it has a control character: write its name without")
    } else {
        None
    }
}

impl<DB: Engine> From<Dsn> for Builder<DB> {
    /// Takes the settings of a connection string, and warns if its password was dropped or its mode of TLS raised.
    fn from(dsn: Dsn) -> Self {
        dsn.log();
        Self::of_logged_dsn(dsn)
    }
}

impl<DB: Engine> fmt::Debug for Builder<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("endpoint", &self.endpoint)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("region", &self.region)
            .field("dial", &self.dial)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
