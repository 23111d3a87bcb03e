# Starts a server in a root, and again if it is told to. tools/distros/launching.py talks to it.
#
# usage: sh serve.sh COMMAND [ARGUMENT]...
#
# Prints `started PID` and `ended STATUS` for each start, and at the end `left N`, the number of
# entries in the cache. While the server runs, a line on standard input ends it by SIGTERM. When it
# has ended, the line `again` starts it again. What the server writes goes to standard error.
exec 3<&0
next=again
while [ "$next" = again ]; do
  "$@" </dev/null >&2 3<&- &
  server=$!
  echo "started $server"
  # It reads from 3, because a background process has no standard input.
  sh -c 'read -r line <&3 && kill -TERM "$0"' "$server" &
  reader=$!
  wait "$server"
  status=$?
  # Before `ended`, so that the reader cannot take the line that answers it. The shell would write
  # that the reader was terminated.
  kill "$reader" 2>/dev/null
  { wait "$reader"; } 2>/dev/null
  echo "ended $status"
  read -r next <&3 || next=
done
set -- "$HOME"/.cache/onefold/*
[ -e "$1" ] || shift
echo "left $#"
