//! `portfolio token …`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use portfolio_domain::ports::{PortError, Revoked, TokenRepository};
use portfolio_domain::staff::StaffName;
use portfolio_domain::token::{Token, TokenId, TokenRecord};
use portfolio_domain::use_cases::IssueToken;
use serde_json::{Value, json};

use super::{operator, say, storage, table};
use crate::audit::Change;
use crate::composition;

const RESOURCE: &str = "token";

/// The subcommands of `token`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give a user a key, and print it: it can't be shown again
    Issue(Issue),
    /// List all keys, or those of one user
    List {
        /// The user's name
        #[arg(value_parser = StaffName::parse)]
        name: Option<StaffName>,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key for ever, from the next request on
    Revoke {
        /// The key's number, as the list shows it
        id: i64,
    },
}

/// The flags of `token issue`.
#[derive(Debug, Args)]
pub struct Issue {
    /// Whose key it is to be
    #[arg(value_parser = StaffName::parse)]
    name: StaffName,
    /// What to call the key in lists
    #[arg(long, value_name = "TEXT", default_value = "", value_parser = label)]
    label: String,
    /// How long it counts, as 90d or 12h; for ever unless given
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    expires_in: Option<Duration>,
    /// Adopt the key on standard input (20 to 200 visible ASCII characters) instead of making one
    #[arg(long)]
    key_stdin: bool,
}

fn label(text: &str) -> Result<String, String> {
    let good = text.chars().count() <= 200 && !text.chars().any(char::is_control);
    if good {
        Ok(text.to_owned())
    } else {
        Err("has at most 200 characters, none of them a control character".to_owned())
    }
}

fn lifetime(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(lifetime) if !lifetime.is_zero() => Ok(lifetime),
        _ => Err("must be a time like 90d, 12h or 1h 30m".to_owned()),
    }
}

/// Runs a subcommand.
///
/// # Errors
///
/// When the user or the key is not there, the key can't be adopted, or the database can't be reached.
pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Issue(issue) => give(issue).await?,
        Command::List { name, json } => list(name, json).await?,
        Command::Revoke { id } => {
            let record = revoke("token revoke", &*storage().await?.tokens, TokenId(id)).await?;
            show(&[record.ok_or_else(|| anyhow!("there is no key {id}"))?])?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn give(issue: Issue) -> anyhow::Result<()> {
    const NAME: &str = "token issue";
    let adopted = issue.key_stdin.then(read_key).transpose()?;
    let tokens = storage().await?.tokens;
    let use_case = IssueToken::new(tokens.clone(), composition::random(), composition::clock());
    let done = if issue.key_stdin { "adopted" } else { "issued" };
    let change = Change::by_command(NAME, &operator::<()>(), done, RESOURCE).of_user(issue.name.clone());
    let issued = use_case.execute(issue.name, issue.label, issue.expires_in, adopted).await;
    let issued = change.told(issued, |issued| Some(issued.id.0))?;
    let said = say(issued.token.expose());
    if said.is_err() {
        // Nobody has seen it, and nobody ever will.
        revoke(NAME, &*tokens, issued.id).await?;
    }
    said
}

/// Revokes a key for the command of this `name`, with an audit line where it was not revoked before; nothing where there
/// is none.
async fn revoke(
    name: &'static str,
    tokens: &dyn TokenRepository,
    id: TokenId,
) -> Result<Option<TokenRecord>, PortError> {
    let change = Change::by_command(name, &operator::<()>(), "revoked", RESOURCE).of(id.0);
    match tokens.revoke(id, composition::clock().now()).await {
        Ok(Some(Revoked { record, newly })) => {
            if newly {
                change.of_user(record.owner.clone()).made();
            }
            Ok(Some(record))
        }
        Ok(None) => Ok(None),
        Err(error) => {
            change.failed(&error);
            Err(error)
        }
    }
}

fn read_key() -> anyhow::Result<Token> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("standard input")?;
    Token::adopt(line.trim_end_matches(['\r', '\n'])).context("standard input")
}

async fn list(owner: Option<StaffName>, as_json: bool) -> anyhow::Result<()> {
    let records = storage().await?.tokens.list(owner).await?;
    if as_json {
        say(format_args!("{:#}", Value::from(records.iter().map(to_json).collect::<Vec<_>>())))
    } else {
        show(&records)
    }
}

fn to_json(record: &TokenRecord) -> Value {
    json!({
        "id": record.id.0,
        "owner": record.owner.as_str(),
        "prefix": record.prefix,
        "label": record.label,
        "created_at": table::time(Some(record.created_at)),
        "last_used_at": record.last_used_at.map(|time| table::time(Some(time))),
        "expires_at": record.expires_at.map(|time| table::time(Some(time))),
        "revoked_at": record.revoked_at.map(|time| table::time(Some(time))),
    })
}

fn show(records: &[TokenRecord]) -> anyhow::Result<()> {
    let rows: Vec<_> = records
        .iter()
        .map(|record| {
            [
                record.id.0.to_string(),
                record.owner.to_string(),
                record.prefix.clone(),
                record.label.clone(),
                table::time(Some(record.created_at)),
                table::time(record.last_used_at),
                table::time(record.expires_at),
                table::time(record.revoked_at),
            ]
        })
        .collect();
    table::print(["ID", "OWNER", "PREFIX", "LABEL", "CREATED", "LAST USED", "EXPIRES", "REVOKED"], &rows)
}
