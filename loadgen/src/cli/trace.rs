//! The options of a traced request.

use super::{ResultArgs, Sizes, TargetProxy};
use crate::{plan, request, units};
use clap::Args;
use http::{HeaderName, HeaderValue};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The options of a traced request.
#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// What to ask for; without it, the reference target's home page
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Another page of the reference target, such as /products/7
    #[arg(long, value_name = "PATH", conflicts_with = "url", help_heading = "Request")]
    pub(crate) path: Option<String>,
    /// Requests, one after the other, each with a look-up and a connection of its own: the median is drawn
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = units::whole::<u32, 1, 1000>, help_heading = "Request")]
    pub(crate) count: u32,
    /// Header field; repeatable. An X-Request-ID takes the place of the ids that are made
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = request::header, help_heading = "Request")]
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Time to the whole answer of each
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = units::positive_duration, help_heading = "Request")]
    pub(crate) timeout: Duration,
    /// Everything random comes from it; the ids of requests also from the time of day
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = units::whole::<u64, 0, { u64::MAX }>, help_heading = "Request")]
    pub(crate) seed: u64,

    /// Name server that resolves the URL's host
    #[arg(long, value_name = "IP:PORT", requires = "url", value_parser = plan::address, help_heading = "Connection")]
    pub(crate) resolver: Option<SocketAddr>,
    /// Connect to ADDR:PORT for HOST:PORT
    #[arg(long, value_name = "HOST:PORT:ADDR:PORT", requires = "url", value_parser = plan::connect_to, help_heading = "Connection")]
    pub(crate) connect_to: Vec<plan::ConnectTo>,
    /// Certificates to trust instead of the system's (PEM)
    #[arg(long, value_name = "FILE", conflicts_with = "insecure", help_heading = "Connection")]
    pub(crate) cacert: Option<PathBuf>,
    /// Trust any certificate
    #[arg(long, help_heading = "Connection")]
    pub(crate) insecure: bool,

    /// The reference target's proxy [default: builtin]
    #[arg(long, value_enum, conflicts_with = "url", help_heading = "Reference target")]
    pub(crate) target_proxy: Option<TargetProxy>,
    /// The reference target's sizes
    #[command(flatten)]
    pub(crate) sizes: Sizes,

    /// Where the result goes
    #[command(flatten)]
    pub(crate) result: ResultArgs,
}
