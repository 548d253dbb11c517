#!/bin/sh
# A stand-in for docker: records its arguments, standard input and environment in files beside the link that it is
# started by, and prints and exits as `docker login` does. Beside a file `wait`, it waits for a signal.
folder=${0%/*}
printf '%s\n' "$@" >>"$folder/arguments"
cat >>"$folder/input"
env >>"$folder/environment"
if [ -e "$folder/wait" ]; then
    trap 'kill $!; exit 41' TERM
    trap 'kill $!; exit 42' HUP
    sleep 60 >/dev/null 2>&1 &
    echo ready
    wait
fi
if [ -e "$folder/refuse" ]; then
    echo "Error response from daemon: unauthorized" >&2
    exit 9
fi
echo "Login Succeeded"
