//! The settings of the database and their names in each source.

/// A setting of the database or of the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Setting {
    Engine,
    Endpoint,
    Port,
    Name,
    User,
    Region,
}

impl Setting {
    pub(super) const ALL: [Self; 6] =
        [Self::Engine, Self::Endpoint, Self::Port, Self::Name, Self::User, Self::Region];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Endpoint => "endpoint",
            Self::Port => "port",
            Self::Name => "database name",
            Self::User => "database user",
            Self::Region => "region",
        }
    }

    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::Engine => "RDS_IAM_ENGINE",
            Self::Endpoint => "RDS_IAM_DB_ENDPOINT",
            Self::Port => "RDS_IAM_DB_PORT",
            Self::Name => "RDS_IAM_DB_NAME",
            Self::User => "RDS_IAM_DB_USER",
            Self::Region => "AWS_REGION",
        }
    }

    /// Returns the key in an `rds.conf`, which has none for the application's user.
    pub(super) fn key(self) -> Option<&'static str> {
        match self {
            Self::Engine => Some("ENGINE"),
            Self::Endpoint => Some("RDS_ENDPOINT"),
            Self::Port => Some("RDS_PORT"),
            Self::Name => Some("DB_NAME"),
            Self::User => None,
            Self::Region => Some("REGION"),
        }
    }

    /// Returns the last part of the parameter's name.
    pub(super) fn parameter(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Endpoint => "endpoint",
            Self::Port => "port",
            Self::Name => "dbname",
            Self::User => "username",
            Self::Region => "region",
        }
    }
}
