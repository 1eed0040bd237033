mod consistent;
mod faults;
mod server;

pub use faults::{HttpFault, HttpFaults, Rates};
pub use server::S3Server;
