# Runs a PostgreSQL server for the emulator.
# usage: sh prepare.sh RUN DATA COMMAND...
#
# The server rejects a key that another user owns or may read, so its own user copies it. Uses nothing but what is built
# into the shell: the container has hardly any other program.
umask 077
cd "$2" || exit
while IFS= read -r line; do
    printf '%s\n' "$line"
done <"$1/tls/key.pem" >server.key
shift 2
exec "$@"
