# To be sourced: need PROGRAM... fails if one of these programs is missing, and names each that is.
need() {
    local program missing=()
    for program in "$@"; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
    if ((${#missing[@]})); then
        echo "$0 needs these programs, which are not installed: ${missing[*]}" >&2
        return 1
    fi
}
