#!/bin/sh
# A client in place of mysql and psql: prints its name and its arguments.
echo "${0##*/} $*"
