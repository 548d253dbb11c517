// node-postgres: runs the statement of its argument and prints the first column. libpq's variables name the server; TLS
// verifies the name in PGHOST, and the address in PGHOSTADDR is dialled.
"use strict";
const fs = require("node:fs");
const { Client } = require("pg");

const { PGHOST, PGHOSTADDR, PGSSLROOTCERT } = process.env;

async function main() {
  // Port, database, user and password are read from the other variables.
  const client = new Client({
    host: PGHOSTADDR,
    ssl: { ca: fs.readFileSync(PGSSLROOTCERT), servername: PGHOST },
  });
  await client.connect();
  const { rows } = await client.query({ text: process.argv[2], rowMode: "array" });
  for (const row of rows ?? []) console.log(row[0]);
  await client.end();
}

main().catch((error) => {
  console.error(`${error.code}: ${error.message}`);
  process.exit(1);
});
