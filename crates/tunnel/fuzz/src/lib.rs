//! Drivers of the fuzz targets: each runs one part of the tunnel's protocol on arbitrary bytes, and panics if a property
//! is violated. The README lists the properties.

mod frames;
mod messages;
mod reliable;
pub mod seeds;

pub use frames::frames;
pub use messages::messages;
pub use reliable::reliable;
