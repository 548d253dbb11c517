# Runs a database server for the emulator, on the host or as the first process of a container.
# usage: sh supervise.sh FOLDER COMMAND...
#
# Orders come through the FIFO FOLDER/orders, which the emulator holds open: "start" runs COMMAND,
# "kill" ends it, by the signal SIGNAL. When the emulator ends, in whatever way, the FIFO closes and the server goes too.
# Uses nothing but what is built into the shell, and `sleep` for other signals than KILL: the container has no other
# programs.
folder=$1
shift
SIGNAL=${SIGNAL:-KILL}
pid=
exec 3<"$folder/orders"

start() {
    (
        "$@" </dev/null >>"$folder/server.log" 2>&1 3<&- &
        echo "$!" >"$folder/pid"
        wait "$!"
        echo "$?" >"$folder/exit"
    ) 3<&- &
    # So that an order to kill that follows at once finds it.
    until [ -s "$folder/pid" ]; do :; done
    read -r pid <"$folder/pid"
}

end() {
    # The folder may be gone by now, so the server's number is kept here.
    if [ -n "$pid" ] && [ ! -e "$folder/exit" ]; then
        kill "-$SIGNAL" "$pid"
        # Another signal is a request, which takes a moment; KILL, after five seconds, is not.
        tries=100
        while [ "$SIGNAL" != KILL ] && kill -0 "$pid" 2>/dev/null; do
            if [ "$tries" -eq 0 ]; then
                kill -KILL "$pid"
            fi
            tries=$((tries - 1))
            sleep 0.05
        done
    fi
    pid=
}

while read -r order <&3; do
    case $order in
    start) start "$@" ;;
    kill) end ;;
    esac
done
end
wait
