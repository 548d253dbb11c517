//! sqlx as a client, in this process: the actions of a scenario, on connections of its two drivers.

mod drivers;
mod relay;

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::error::DatabaseError;
use sqlx::{AssertSqlSafe, Connection, Database, Executor, IntoArguments, Row as _};

use self::relay::Relay;
use super::Result;
use super::scenario::Plan;
use super::sites::{Site, is_mysql};

type Rows = Vec<Vec<Option<String>>>;
type Options<DB> = <<DB as Database>::Connection as Connection>::Options;
type Query<'q, DB> = sqlx::query::Query<'q, DB, <DB as Database>::Arguments>;

/// The fields of an action beside its verb.
const OPTIONS: [&str; 4] = ["params", "file", "running", "stop"];

/// A driver of sqlx.
trait Driver: Database<Arguments: IntoArguments<Self>> {
    /// Returns the options of a connection to a site; with TLS, through the socket of a relay.
    fn options(site: &Site, socket: &Path, password: &str) -> Options<Self>;

    /// Returns a statement with the driver's placeholders.
    fn statement(sql: &str) -> String;

    /// Binds a parameter.
    fn bind<'q>(query: Query<'q, Self>, value: &Value) -> Query<'q, Self>;

    /// Returns the value in a column as text, or the bytes' digits.
    fn value(row: &Self::Row, column: usize) -> sqlx::Result<Option<String>>;

    fn affected(result: &Self::QueryResult) -> u64;

    /// Returns the code of an error in the format of the scenario.
    fn code(error: &(dyn DatabaseError + 'static)) -> String;

    async fn copy_in(connection: &mut Self::Connection, sql: &str, file: &str) -> sqlx::Result<u64>;

    async fn copy_out(connection: &mut Self::Connection, sql: &str) -> sqlx::Result<String>;
}

/// The connections of a scenario.
struct Client<DB: Driver> {
    options: Options<DB>,
    /// `None` once it is closed.
    main: Option<DB::Connection>,
}

/// Runs the steps of a plan, and returns what a program would print.
pub(super) async fn run(client: &str, site: &Site, plan: &Plan) -> Result<String> {
    let relay = Relay::start(site, plan.folder())?;
    let password = &site.secret.password().await?;
    if is_mysql(client) {
        report_all::<sqlx::MySql>(sqlx::MySql::options(site, relay.socket(), password), plan).await
    } else {
        report_all::<sqlx::Postgres>(sqlx::Postgres::options(site, relay.socket(), password), plan).await
    }
}

async fn report_all<DB: Driver>(options: Options<DB>, plan: &Plan) -> Result<String>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let main = Some(DB::Connection::connect_with(&options).await?);
    let mut client = Client::<DB> { options, main };
    let mut lines = String::new();
    for step in plan.steps.as_array().into_iter().flatten() {
        let mut results = Vec::new();
        for action in step["do"].as_array().into_iter().flatten() {
            results.push(match client.act(action).await {
                Err(sqlx::Error::Database(error)) => json!({ "error": DB::code(&*error) }),
                result => result?,
            });
        }
        lines.push_str(&json!({ "step": step["step"], "results": results }).to_string());
        lines.push('\n');
    }
    Ok(lines)
}

impl<DB: Driver> Client<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// Runs an action, and returns its result.
    async fn act(&mut self, action: &Value) -> sqlx::Result<Value> {
        let mut fields = action.as_object().into_iter().flatten();
        let verb = fields.find(|(name, _)| !OPTIONS.contains(&name.as_str()));
        let (verb, argument) = verb.ok_or_else(|| sqlx::Error::Protocol(format!("no verb in {action}")))?;
        let sql = argument.as_str().unwrap_or_default();
        let text = |name: &str| action[name].as_str().unwrap_or_default();
        let params = action["params"].as_array().map_or(&[][..], Vec::as_slice);
        Ok(match verb.as_str() {
            "query" => report(&rows::<DB>(self.main()?, sql, params).await?),
            "execute" => execute::<DB>(self.main()?, sql, params).await?.into(),
            "run" => self.run(sql).await?,
            "begin" | "commit" | "rollback" => self.run(&verb.to_uppercase()).await?,
            "autocommit" => self.run(&format!("SET autocommit = {argument}")).await?,
            "elsewhere" => {
                let mut other = DB::Connection::connect_with(&self.options).await?;
                let rows = rows::<DB>(&mut other, sql, &[]).await?;
                other.close().await?;
                report(&rows)
            }
            "sleep" => self.sleep(sql, text("running"), text("stop")).await?,
            "copy_in" => DB::copy_in(self.main()?, sql, text("file")).await?.into(),
            "copy_out" => report(&[vec![Some(DB::copy_out(self.main()?, sql).await?)]]),
            "reconnect" => {
                self.close().await?;
                self.main = Some(DB::Connection::connect_with(&self.options).await?);
                Value::Null
            }
            "close" => self.close().await?,
            other => return Err(sqlx::Error::Protocol(format!("an unknown verb: {other}"))),
        })
    }

    fn main(&mut self) -> sqlx::Result<&mut DB::Connection> {
        self.main.as_mut().ok_or(sqlx::Error::PoolClosed)
    }

    async fn run(&mut self, sql: &str) -> sqlx::Result<Value> {
        execute::<DB>(self.main()?, sql, &[]).await?;
        Ok(Value::Null)
    }

    async fn close(&mut self) -> sqlx::Result<Value> {
        if let Some(connection) = self.main.take() {
            connection.close().await?;
        }
        Ok(Value::Null)
    }

    /// Runs a long query, and ends it once another connection finds it running.
    async fn sleep(&mut self, sql: &str, running: &str, stop: &str) -> sqlx::Result<Value> {
        let mut other = DB::Connection::connect_with(&self.options).await?;
        let ending = async move {
            let id = loop {
                let found = rows::<DB>(&mut other, running, &[]).await?;
                if let Some(Some(id)) = found.into_iter().flatten().next() {
                    break id;
                }
            };
            rows::<DB>(&mut other, &stop.replace("{id}", &id), &[]).await?;
            other.close().await
        };
        let main = self.main()?;
        let (slept, ended) = tokio::join!(rows::<DB>(main, sql, &[]), ending);
        ended?;
        Ok(report(&slept?))
    }
}

/// Returns all rows of a statement; with parameters, of its executions.
async fn rows<DB: Driver>(connection: &mut DB::Connection, sql: &str, params: &[Value]) -> sqlx::Result<Rows>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let mut rows = Vec::new();
    if params.is_empty() {
        rows = (&mut *connection).fetch_all(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await?;
    }
    for values in params {
        rows.extend((&mut *connection).fetch_all(bound::<DB>(sql, values)).await?);
    }
    rows.iter().map(|row| (0..row.len()).map(|column| DB::value(row, column)).collect()).collect()
}

/// Returns the number of rows that a statement, or its executions, affected.
async fn execute<DB: Driver>(
    connection: &mut DB::Connection,
    sql: &str,
    params: &[Value],
) -> sqlx::Result<u64>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    if params.is_empty() {
        let done = (&mut *connection).execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await?;
        return Ok(DB::affected(&done));
    }
    let mut affected = 0;
    for values in params {
        affected += DB::affected(&(&mut *connection).execute(bound::<DB>(sql, values)).await?);
    }
    Ok(affected)
}

/// Returns a statement with its parameters: sqlx prepares it once for each text.
fn bound<DB: Driver>(sql: &str, values: &Value) -> Query<'static, DB> {
    let query = sqlx::query::<DB>(AssertSqlSafe(DB::statement(sql)));
    values.as_array().into_iter().flatten().fold(query, DB::bind)
}

/// Returns rows in the format of the scenario, with digests for what is long.
fn report(rows: &[Vec<Option<String>>]) -> Value {
    let short = |text: &String| match text.chars().count() {
        0..=100 => text.clone(),
        length => format!("sha256 {} of {length} characters", digest(text)),
    };
    let rows: Rows =
        rows.iter().map(|row| row.iter().map(|value| value.as_ref().map(short)).collect()).collect();
    if rows.len() <= 100 {
        return json!(rows);
    }
    let line = |row: &Vec<Option<String>>| {
        row.iter().map(|value| value.as_deref().unwrap_or_default()).collect::<Vec<_>>().join("\t")
    };
    let lines = rows.iter().map(line).collect::<Vec<_>>().join("\n");
    json!([[format!("sha256 {} of {} rows", digest(&lines), rows.len())]])
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}
