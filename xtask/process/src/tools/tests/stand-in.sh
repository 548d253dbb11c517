#!/bin/sh
# Replaces a program under test: linked under its name, it prints NAME.says and ends with NAME.status.
# Committed, and not written by the test: a file that was just written may still be busy when it is started.
cat "$0.says"
exit "$(cat "$0.status")"
