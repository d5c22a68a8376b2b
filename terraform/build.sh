#!/usr/bin/env bash
# Builds the functions' zips for Lambda and prints their sizes: terraform/build.sh [arm64|x86_64].
# Needs cargo-lambda (https://www.cargo-lambda.info), which includes a cross-linker.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v cargo-lambda >/dev/null || {
    echo "terraform/build.sh needs cargo-lambda: \`pip install cargo-lambda\`, or https://www.cargo-lambda.info/guide/installation.html" >&2
    exit 2
}

# Each cold start fetches and unpacks the zip, so its size matters.
max_bytes=$((3 * 1024 * 1024))

case ${1:-arm64} in
arm64 | aarch64) target=(--arm64) ;;
x86_64) target=(--x86-64) ;;
*)
    echo "usage: terraform/build.sh [arm64|x86_64]" >&2
    exit 2
    ;;
esac

functions=()
packages=()
for manifest in functions/*/Cargo.toml; do
    function=$(basename "$(dirname "$manifest")")
    functions+=("$function")
    packages+=(--package "$function")
done

echo "building ${#functions[@]} functions for ${1:-arm64}; linking them takes a few minutes"
cargo lambda build --profile lambda "${target[@]}" --output-format zip --locked "${packages[@]}"

status=0
for function in "${functions[@]}"; do
    zip=${CARGO_TARGET_DIR:-target}/lambda/$function/bootstrap.zip
    bytes=$(wc -c <"$zip")
    printf '%-20s %7.2f MB  %s\n' "$function" "$(awk "BEGIN { print $bytes / 1048576 }")" "$zip"
    if ((bytes > max_bytes)); then
        echo "$function is larger than $((max_bytes / 1048576)) MB" >&2
        status=1
    fi
done
exit "$status"
