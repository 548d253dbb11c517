//! The operations of the API, and their names.

/// An operation of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operation {
    /// `StartSession`
    StartSession,
    /// `ResumeSession`
    ResumeSession,
    /// `TerminateSession`
    TerminateSession,
    /// `DescribeInstanceInformation`
    DescribeInstanceInformation,
}

impl Operation {
    /// Returns the operation of an `X-Amz-Target` header, or `None` if the emulator does not have it.
    #[must_use]
    pub fn from_target(target: &str) -> Option<Self> {
        Some(match target.strip_prefix("AmazonSSM.")? {
            "StartSession" => Self::StartSession,
            "ResumeSession" => Self::ResumeSession,
            "TerminateSession" => Self::TerminateSession,
            "DescribeInstanceInformation" => Self::DescribeInstanceInformation,
            _ => return None,
        })
    }

    /// Returns the action in a policy.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::StartSession => "ssm:StartSession",
            Self::ResumeSession => "ssm:ResumeSession",
            Self::TerminateSession => "ssm:TerminateSession",
            Self::DescribeInstanceInformation => "ssm:DescribeInstanceInformation",
        }
    }
}
