# Runs a scenario with one of four drivers: mysql-connector, pymysql, psycopg, asyncpg. See scenario.py.
import asyncio
import socket
import ssl

from scenario import ENV, HOST, PORT, VERIFIES, main, password


def answer_name():
    """Gives the name that is verified the address that is dialled: these drivers have no option for both."""
    resolve = socket.getaddrinfo

    def resolve_name(host, *rest, **more):
        return resolve(HOST if host == ENV["SERVER_NAME"] else host, *rest, **more)

    socket.getaddrinfo = resolve_name


class Driver:
    """A connection of a driver of the Python database API."""

    mark = "%s"

    def sql(self, sql):
        return sql.replace("?", self.mark)

    def many(self, sql, params):
        """Yields the cursor after each execution of a statement."""
        with self.connection.cursor() as cursor:
            for values in params or [None]:
                cursor.execute(self.sql(sql) if values else sql, values)
                yield cursor

    def query(self, sql, params=None):
        return [row for cursor in self.many(sql, params) for row in cursor.fetchall()]

    def execute(self, sql, params=None):
        return sum(cursor.rowcount for cursor in self.many(sql, params))

    def autocommit(self, on):
        self.connection.autocommit = on

    def begin(self):
        self.autocommit(False)

    def commit(self):
        self.connection.commit()
        self.autocommit(True)

    def rollback(self):
        self.connection.rollback()

    def end_transaction(self):
        self.rollback()
        self.autocommit(True)

    def close(self):
        self.connection.close()


class MySqlConnector(Driver):
    def __init__(self):
        import mysql.connector as driver

        self.errors = driver.Error
        server = {"unix_socket": HOST} if HOST.startswith("/") else {"host": ENV["SERVER_NAME"] or HOST, "port": PORT}
        tls = {"ssl_disabled": True}
        if VERIFIES:
            tls = {"ssl_ca": ENV["CA_FILE"], "ssl_verify_cert": True, "ssl_verify_identity": True}
            # The driver in C, if it is installed, resolves names itself.
            tls |= {"auth_plugin": "mysql_clear_password", "use_pure": True}
        login = {"user": ENV["USER"], "password": password(), "database": ENV["DATABASE"]}
        self.connection = driver.connect(**login, **server, **tls, autocommit=True, allow_local_infile=True)

    def many(self, sql, params):
        cursor = self.connection.cursor(prepared=bool(params))
        try:
            for values in params or [()]:
                cursor.execute(sql, values)
                yield cursor
        finally:
            cursor.close()

    def reset(self):
        self.connection.cmd_reset_connection()

    def code(self, error):
        return str(error.errno)


class PyMySql(Driver):
    def __init__(self):
        import pymysql as driver

        self.errors = driver.Error
        server = {"unix_socket": HOST} if HOST.startswith("/") else {"host": ENV["SERVER_NAME"] or HOST, "port": PORT}
        tls = {"ssl": {"ca": ENV["CA_FILE"], "check_hostname": True}} if VERIFIES else {"ssl_disabled": True}
        login = {"user": ENV["USER"], "password": password(), "database": ENV["DATABASE"]}
        self.connection = driver.connect(**login, **server, **tls, autocommit=True, local_infile=True)

    def autocommit(self, on):
        self.connection.autocommit(on)

    def code(self, error):
        return str(error.args[0])


class Psycopg(Driver):
    def __init__(self):
        import psycopg as driver

        self.errors = driver.Error
        server = {"host": ENV["SERVER_NAME"], "hostaddr": HOST} if VERIFIES else {"host": HOST}
        tls = {"sslmode": "verify-full", "sslrootcert": ENV["CA_FILE"]} if VERIFIES else {"sslmode": "disable"}
        self.connection = driver.connect(
            port=PORT, user=ENV["USER"], password=password(), dbname=ENV["DATABASE"], autocommit=True, **server, **tls
        )

    def many(self, sql, params):
        with self.connection.cursor() as cursor:
            for values in params or [None]:
                cursor.execute(self.sql(sql), values, prepare=bool(values))
                yield cursor

    def copy_in(self, sql, path):
        with self.connection.cursor() as cursor, open(path, "rb") as file:
            with cursor.copy(sql) as copy:
                while block := file.read(1 << 16):
                    copy.write(block)
            return cursor.rowcount

    def copy_out(self, sql):
        with self.connection.cursor() as cursor, cursor.copy(sql) as copy:
            return b"".join(copy).decode()

    def cancel(self):
        self.connection.cancel_safe()

    def code(self, error):
        return error.sqlstate


class Asyncpg(Driver):
    """A connection with an event loop of its own."""

    def __init__(self):
        import asyncpg as driver

        self.errors = (driver.PostgresError, asyncio.CancelledError)
        self.loop = asyncio.new_event_loop()
        tls = ssl.create_default_context(cafile=ENV["CA_FILE"]) if VERIFIES else False
        login = {"user": ENV["USER"], "password": password(), "database": ENV["DATABASE"]}
        self.connection = self.wait(driver.connect(host=ENV["SERVER_NAME"] or HOST, port=PORT, ssl=tls, **login))

    def wait(self, work):
        self.task = self.loop.create_task(work)
        return self.loop.run_until_complete(self.task)

    def sql(self, sql):
        parts = sql.split("?")
        return parts[0] + "".join(f"${n}{part}" for n, part in enumerate(parts[1:], 1))

    async def prepared(self, sql, params):
        statement = await self.connection.prepare(self.sql(sql))
        results = []
        for values in params:
            results.append((await statement.fetch(*values), statement.get_statusmsg()))
        return results

    def query(self, sql, params=None):
        if params:
            return [list(row.values()) for rows, _ in self.wait(self.prepared(sql, params)) for row in rows]
        return [list(row.values()) for row in self.wait(self.connection.fetch(sql))]

    def execute(self, sql, params=None):
        if params:
            return sum(count(status) for _, status in self.wait(self.prepared(sql, params)))
        return count(self.wait(self.connection.execute(sql)))

    def begin(self):
        self.transaction = self.connection.transaction()
        self.wait(self.transaction.start())

    def commit(self):
        self.wait(self.transaction.commit())

    def end_transaction(self):
        self.wait(self.transaction.rollback())

    def copy_in(self, sql, path):
        # The driver writes the statement itself.
        table, columns = sql.removeprefix("COPY ").removesuffix(") FROM STDIN").split(" (")
        return count(self.wait(self.connection.copy_to_table(table, source=path, columns=columns.split(", "))))

    def copy_out(self, sql):
        blocks = []

        async def keep(block):
            blocks.append(block)

        query = sql.removeprefix("COPY (").removesuffix(") TO STDOUT")
        self.wait(self.connection.copy_from_query(query, output=keep))
        return b"".join(blocks).decode()

    def cancel(self):
        self.loop.call_soon_threadsafe(self.task.cancel)

    def code(self, error):
        return getattr(error, "sqlstate", "cancelled")

    def close(self):
        self.wait(self.connection.close())
        self.loop.close()


def count(status):
    return int(status.split()[-1]) if status[-1].isdigit() else 0


if __name__ == "__main__":
    if VERIFIES:
        answer_name()
    main({"mysql-connector": MySqlConnector, "pymysql": PyMySql, "psycopg": Psycopg, "asyncpg": Asyncpg})
