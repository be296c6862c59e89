//! All Rust tests, with one private PostgreSQL for those that run on both engines.

use std::path::Path;
use std::process::Command;

use dothi_store::testing::PrivatePostgres;

pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let nextest = Command::new(&cargo).args(["nextest", "--version"]).output().is_ok_and(|o| o.status.success());
    let mut command = Command::new(&cargo);
    command.current_dir(root);
    command.args(if nextest { ["nextest", "run"].as_slice() } else { ["test", "--quiet"].as_slice() });
    if !arguments.iter().any(|a| a == "-p" || a.starts_with("--package")) {
        command.arg("--workspace");
    }
    command.args(arguments);
    // Kept until the tests are over; it stops when dropped.
    let server = match std::env::var("DOTHI_TEST_POSTGRES") {
        Ok(_) => None,
        Err(_) => PrivatePostgres::start().map_err(|e| e.to_string())?,
    };
    match &server {
        Some(server) => {
            command.env("DOTHI_TEST_POSTGRES", &server.url);
        }
        None if std::env::var_os("DOTHI_TEST_POSTGRES").is_none() => {
            println!("xtask: no PostgreSQL binaries; the tests on PostgreSQL are skipped (Debian: apt-get install postgresql)")
        }
        None => {}
    }
    let status = command.status().map_err(|e| format!("{cargo}: {e}"))?;
    drop(server);
    if status.success() { Ok(()) } else { Err("tests failed".into()) }
}
