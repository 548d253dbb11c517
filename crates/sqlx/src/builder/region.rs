//! The region that tokens are signed for: that of the endpoint's name, or else the given one.

use rds_iam_token::{Host, Region};

/// Returns the region of a host, or why there is none and what to set.
pub(super) fn resolve(host: &Host, given: Option<&str>) -> Result<Region, String> {
    let given = given.map(str::parse::<Region>).transpose().map_err(|error| error.to_string())?;
    let named = Region::from_rds_host(&host.to_string());
    match (named, given) {
        (Some(named), Some(given)) if named != given => {
            Err(format!("it is {given}, but the endpoint is in {named}: set it to {named}, or do not set it"))
        }
        (Some(region), _) | (None, Some(region)) => Ok(region),
        (None, None) => Err(format!(
            "the name {host} has none: set the one that the database is in (`region`, or `?region=` in a connection string)"
        )),
    }
}
