// Runs the steps in the file of the second argument with the driver of the first: mysql2 or node-postgres. Prints one
// line of JSON per step: its name, and the results of its actions. main.rs describes both, and the variables.
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const net = require("node:net");
const { pipeline } = require("node:stream/promises");

const { HOST, PORT, USER, DATABASE, CA_FILE, SERVER_NAME, TOKEN_FILE } = process.env;
const login = {
  user: USER,
  database: DATABASE,
  password: TOKEN_FILE ? fs.readFileSync(TOKEN_FILE, "ascii") : "",
};
// The fields of an action beside its verb.
const options = new Set(["params", "file", "running", "stop"]);
const ca = CA_FILE && fs.readFileSync(CA_FILE);

/** Returns a parameter's value. Bytes and long texts have a form in the file. */
function value(param) {
  if (param?.hex) return Buffer.from(param.hex, "hex");
  // A text has a method of that name.
  return Array.isArray(param?.repeat) ? param.repeat[0].repeat(param.repeat[1]) : param;
}

const digest = (found) => crypto.createHash("sha256").update(found).digest("hex");

/** Returns a value as the runner compares it: text or null, with a digest for what is long. */
function text(found) {
  if (found === null) return null;
  if (Buffer.isBuffer(found)) return `hex:${found.toString("hex")}`;
  found = String(found);
  return found.length > 100 ? `sha256 ${digest(found)} of ${found.length} characters` : found;
}

function report(rows) {
  rows = rows.map((row) => row.map(text));
  if (rows.length <= 100) return rows;
  return [[`sha256 ${digest(rows.map((row) => row.join("\t")).join("\n"))} of ${rows.length} rows`]];
}

class MySql2 {
  static async connect() {
    const server = HOST.startsWith("/")
      ? { socketPath: HOST }
      : { host: SERVER_NAME || HOST, stream: () => net.connect(Number(PORT), HOST) };
    const tls = SERVER_NAME ? { ssl: { ca, verifyIdentity: true }, enableCleartextPlugin: true } : {};
    const file = { infileStreamFactory: (path) => fs.createReadStream(path) };
    const driver = new MySql2();
    const options = { ...login, ...server, ...tls, ...file, rowsAsArray: true };
    driver.connection = await require("mysql2/promise").createConnection(options);
    return driver;
  }

  async all(sql, params) {
    if (!params.length) return [(await this.connection.query(sql))[0]];
    const results = [];
    for (const values of params) results.push((await this.connection.execute(sql, values))[0]);
    return results;
  }

  query = async (sql, params) => (await this.all(sql, params)).flat();
  execute = async (sql, params) => (await this.all(sql, params)).reduce((sum, result) => sum + result.affectedRows, 0);
  begin = () => this.connection.beginTransaction();
  commit = () => this.connection.commit();
  rollback = () => this.connection.rollback();
  autocommit = (on) => this.connection.query(`SET autocommit = ${Number(on)}`);
  load = (sql) => this.execute(sql, []);
  reset = () => this.connection.reset();
  close = () => this.connection.end();
  code = (error) => error.errno && String(error.errno);
}

class NodePostgres {
  static async connect() {
    const driver = new NodePostgres();
    driver.connection = driver.client();
    driver.statements = 0;
    await driver.connection.connect();
    return driver;
  }

  client() {
    const ssl = SERVER_NAME ? { ca, servername: SERVER_NAME } : false;
    return new (require("pg").Client)({ ...login, host: HOST, port: Number(PORT), ssl });
  }

  async all(sql, params) {
    if (!params.length) return [await this.connection.query({ text: sql, rowMode: "array" })];
    let number = 0;
    const text = sql.replace(/\?/g, () => `$${++number}`);
    const statement = { name: `s${++this.statements}`, text, rowMode: "array" };
    const results = [];
    for (const values of params) results.push(await this.connection.query({ ...statement, values }));
    return results;
  }

  query = async (sql, params) => (await this.all(sql, params)).flatMap((result) => result.rows);
  execute = async (sql, params) => (await this.all(sql, params)).reduce((sum, result) => sum + result.rowCount, 0);
  begin = () => this.connection.query("BEGIN");
  commit = () => this.connection.query("COMMIT");
  rollback = () => this.connection.query("ROLLBACK");

  async copy_in(sql, { file }) {
    const stream = this.connection.query(require("pg-copy-streams").from(sql));
    await pipeline(fs.createReadStream(file), stream);
    return stream.rowCount;
  }

  async copy_out(sql) {
    const blocks = await this.connection.query(require("pg-copy-streams").to(sql)).toArray();
    return [[text(Buffer.concat(blocks).toString())]];
  }

  // Sends the request on a connection of its own.
  cancel = () => this.client().cancel(this.connection, this.connection._getActiveQuery());
  close = () => this.connection.end();
  code = (error) => error.code;
}

/** The actions of a scenario, on connections of a driver. */
class Client {
  static async connect(Driver) {
    const client = new Client();
    client.Driver = Driver;
    client.main = await Driver.connect();
    return client;
  }

  async act(action) {
    const verb = Object.keys(action).find((key) => !options.has(key));
    try {
      // The driver's own method, unless the client has one.
      const actor = verb in this ? this : this.main;
      return (await actor[verb](action[verb], action)) ?? null;
    } catch (error) {
      if (!this.main.code(error)) throw error;
      return { error: this.main.code(error) };
    }
  }

  params = ({ params = [] }) => params.map((values) => values.map(value));
  query = async (sql, action) => report(await this.main.query(sql, this.params(action)));
  execute = (sql, action) => this.main.execute(sql, this.params(action));
  run = (sql) => this.main.execute(sql, []).then(() => null);
  begin = () => this.main.begin().then(() => null);
  commit = () => this.main.commit().then(() => null);
  rollback = () => this.main.rollback().then(() => null);
  autocommit = (on) => this.main.autocommit(on).then(() => null);
  reset = () => this.main.reset().then(() => null);
  close = () => this.main.close();

  reconnect = async () => {
    await this.main.close();
    this.main = await this.Driver.connect();
  };

  elsewhere = async (sql) => {
    const other = await this.Driver.connect();
    const rows = report(await other.query(sql, []));
    await other.close();
    return rows;
  };

  /** Runs a long statement, and ends it once another connection finds it running. */
  sleep = async (sql, { running, stop }) => {
    const sleeping = this.main.query(sql, []);
    sleeping.catch(() => {}); // It is awaited below.
    const other = await this.Driver.connect();
    let rows = [];
    while (!rows.length) rows = await other.query(running, []);
    if (stop) await other.query(stop.replace("{id}", rows[0][0]), []);
    else this.main.cancel();
    await other.close();
    return report(await sleeping);
  };
}

async function main() {
  const [driver, file] = process.argv.slice(2);
  const client = await Client.connect({ mysql2: MySql2, "node-postgres": NodePostgres }[driver]);
  for (const { step, do: actions } of JSON.parse(fs.readFileSync(file, "utf8"))) {
    const results = [];
    for (const action of actions) results.push(await client.act(action));
    console.log(JSON.stringify({ step, results }));
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
