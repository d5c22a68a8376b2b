# Named, timed steps; to be sourced by a script with `set -e`. A failure says in which step, and at the end
# stands what each took.

# Kept between runs, since some of the tools take minutes to build.
tools=${CI_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/order-saga-ci}
steps=()
current=

# Not `if "$@"`: that would switch `set -e` off in a step that is a function.
step() {
    current=$1
    shift
    printf '\n== %s\n' "$current"
    local start=$SECONDS
    "$@"
    steps+=("$(printf '%5d s  %s' "$((SECONDS - start))" "$current")")
    printf '== %s: %s s\n' "$current" "$((SECONDS - start))"
    current=
}

report_steps() {
    local status=$?
    if ((status != 0)); then
        printf '\n== FAILED: %s (exit status %s)\n' "${current:-before the first step}" "$status" >&2
        return
    fi
    printf '\n'
    printf '%s\n' "${steps[@]}"
    printf '%5d s  together\n' "$SECONDS"
}
trap report_steps EXIT
