# Shared by the scripts that use Terraform; meant to be sourced.

# A path that does not exist causes a warning on every call.
[[ -e ${TF_CLI_CONFIG_FILE:-/} ]] || unset TF_CLI_CONFIG_FILE
export TF_IN_AUTOMATION=1 TF_INPUT=0 CHECKPOINT_DISABLE=1

# Prints the folder with the AWS provider on this machine, as made by `terraform providers mirror`, or an empty
# line. Taken from TERRAFORM_PLUGIN_DIR if set, otherwise searched in the usual places.
plugin_dir() {
    if [[ -n ${TERRAFORM_PLUGIN_DIR:-} ]]; then
        printf '%s\n' "$TERRAFORM_PLUGIN_DIR"
        return
    fi
    local found
    found=$(find "$HOME/.terraform.d" "${XDG_DATA_HOME:-$HOME/.local/share}" /opt /usr/local/share /usr/share \
        -maxdepth 4 -type d -path '*/registry.terraform.io/hashicorp/aws' -print -quit 2>/dev/null || true)
    printf '%s\n' "${found%/registry.terraform.io/hashicorp/aws}"
}

# Copies everything that Terraform reads into a folder, so that nothing is written to the tree: the configuration,
# the definition, the functions, the console's pages, and the tables and metrics that the crates declare. The tests also
# read openapi.yaml.
copy_terraform() {
    mkdir -p "$1"
    cp -R terraform statemachine functions console openapi.yaml "$1"
    rm -rf "$1/terraform/.terraform"
    local table
    for table in crates/*/table.json crates/metrics/metrics.json; do
        mkdir -p "$1/$(dirname "$table")"
        cp "$table" "$1/$table"
    done
}

# Runs terraform init with the locked provider, from this machine if possible, otherwise from the registry.
init_terraform() {
    local dir
    dir=$(plugin_dir)
    terraform -chdir="$1" init -no-color -backend=false -lockfile=readonly ${dir:+-plugin-dir="$dir"} >"$1/init.log" 2>&1 || {
        cat "$1/init.log"
        return 1
    }
    rm -f "$1/init.log"
}
