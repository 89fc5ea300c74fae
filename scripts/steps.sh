# Sourced by .ci/run and test.sh. Defines `step <title> <command…>`, which prints a heading, runs the command and measures
# its time. When the outermost script ends, also after a failure, it prints a table of all steps and seconds.

if [ -z "${PAN_STEPS:-}" ]; then
  PAN_STEPS=$(mktemp)
  export PAN_STEPS
  print_steps() {
    printf '\n%-42s %7s\n' step seconds
    awk -F '\t' '{ printf "%-42s %7d\n", $1, $2; all += $2 } END { printf "%-42s %7d\n", "total", all }' "$PAN_STEPS"
    rm -f "$PAN_STEPS"
  }
  trap print_steps EXIT
fi

step() {
  local title=$1 began=$SECONDS status=0
  shift
  printf '\n==> %s\n' "$title"
  "$@" || status=$?
  printf '%s\t%s\n' "$title" $((SECONDS - began)) >>"$PAN_STEPS"
  return $status
}
