# psycopg: runs the statement of its argument and prints the first column. libpq's variables name the server; libpq verifies
# the name in PGHOST, and dials the address in PGHOSTADDR.
import sys

import psycopg

try:
    with psycopg.connect(autocommit=True) as connection:
        cursor = connection.execute(sys.argv[1])
        for row in cursor if cursor.description else ():
            print(row[0])
except psycopg.Error as error:
    sys.exit(str(error))
