//! The benchmark program, run by `cargo xtask bench`: measures tokens, the app, the proxies, the tunnel and bootstrap
//! with servers of MySQL and PostgreSQL, and the pipeline, most of them compared with an alternative or a goal.
//!
//! `README.md` beside this crate explains each figure.

mod bootstrap;
mod database;
mod machine;
mod pipeline;
mod pool;
mod program;
mod proxies;
mod report;
mod samples;
mod service;
mod tokens;
mod tunnel;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::report::Report;

/// Measures and prints; with --save also writes the figures as JSON.
#[derive(Parser)]
struct Arguments {
    /// Write the figures to FILE
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Measure one section only
    #[arg(long, value_enum)]
    only: Option<Section>,
    /// The program that runs the pipeline; `cargo xtask bench` gives it
    #[arg(long, value_name = "FILE", hide = true)]
    xtask: Option<PathBuf>,
    /// The directory of its tools
    #[arg(long, value_name = "DIR", hide = true)]
    tools: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Section {
    /// The cost of signing, caching and verifying a token
    Tokens,
    /// The app as a program, against a real MySQL and a real PostgreSQL
    Service,
    /// The pool as sqlx's executor, the first row of a program, and waiting tasks, against the alternatives
    Pool,
    /// The auth proxy and the emulated RDS Proxy, against direct connections and other proxies
    Proxies,
    /// The tunnel through an emulated Session Manager, against direct connections and ssh -L
    Tunnel,
    /// The first and the second run for 1,000 users, on each engine
    Bootstrap,
    /// The stages of a pull request, against a shell script; a quarter of an hour
    Pipeline,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // Long operations, such as the first download of the server, are logged.
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("rds_iam_emulator=info"));
    let colours = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    logs.without_time().with_target(false).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;

    let mut report = Report::begin()?;
    let wanted = |section| arguments.only.is_none_or(|only| only == section);
    if wanted(Section::Tokens) {
        tokens::measure(&runtime, &mut report)?;
    }
    if wanted(Section::Service) {
        service::measure(&runtime, &mut report)?;
    }
    if wanted(Section::Pool) {
        pool::measure(&runtime, &mut report)?;
    }
    if wanted(Section::Proxies) {
        proxies::measure(&runtime, &mut report)?;
    }
    if wanted(Section::Tunnel) {
        tunnel::measure(&runtime, &mut report)?;
    }
    if wanted(Section::Bootstrap) {
        bootstrap::measure(&runtime, &mut report)?;
    }
    if wanted(Section::Pipeline) {
        match (&arguments.xtask, &arguments.tools) {
            (Some(xtask), Some(tools)) => pipeline::measure(xtask, tools, &mut report)?,
            _ => println!("\nPipeline: not measured: `cargo xtask bench` passes the path of xtask"),
        }
    }
    if let Some(path) = arguments.save {
        report.save(&path)?;
        println!("\nsaved in {}", path.display());
    }
    Ok(())
}
