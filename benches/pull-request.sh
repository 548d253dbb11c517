#!/bin/sh
# The comparison for `cargo xtask ci`: the same tools in sequence, as in a workflow of shell commands. Without tflint and
# trivy, which take the same time in both. $TARGET is cargo's target folder, $TOOLS xtask's folder of tools, and $XTASK
# the program itself, for the plan of an empty account, which no single tool makes.
set -eu

cargo fmt --all --check
"$TOOLS"/actionlint*/actionlint -shellcheck= -pyflakes= .github/workflows/*.yml
"$TOOLS"/zizmor-*/zizmor --offline --no-progress .github/workflows/*.yml
"$TOOLS"/hadolint-*/hadolint docker/*/Dockerfile docker/local/*/Dockerfile
"$(command -v cargo-deny || echo "$TOOLS"/cargo-deny-*/bin/cargo-deny)" --locked --offline check licenses bans sources
cargo clippy --workspace --all-targets --locked -- -D warnings
RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked
"$(command -v cargo-hack || echo "$TOOLS"/cargo-hack-*/bin/cargo-hack)" hack clippy --locked --feature-powerset \
    --package=rds-iam-roots --package=rds-iam-sqlx --package=rds-iam-token -- -D warnings
# A new folder: cargo keeps the sources of a package by the folder and the version, also when they have changed.
packages=$(mktemp -d "$TARGET/packages-XXXXXX")
cargo publish --dry-run --workspace --locked --allow-dirty --target-dir "$packages"
rm -rf "$packages"
cargo build --workspace --all-targets --locked

terraform fmt -check -recursive terraform
# In a copy, because Terraform writes files beside the code that it tests.
rm -rf "$TARGET/bench/terraform"
mkdir -p "$TARGET/bench"
cp -r terraform "$TARGET/bench/terraform"
for root in "$TARGET"/bench/terraform/stacks/* "$TARGET"/bench/terraform/modules/*; do
    [ -d "$root" ] || continue
    [ -f "$root/.terraform.lock.hcl" ] || cp terraform/stacks/service/.terraform.lock.hcl "$root"
    terraform -chdir="$root" init -backend=false -input=false >/dev/null
    terraform -chdir="$root" validate >/dev/null
    terraform -chdir="$root" test >/dev/null
done
"$TOOLS"/checkov-*/bin/python -I -m checkov.main --directory terraform --framework terraform --skip-download --quiet --compact
"$XTASK" plan

for image in app bootstrap; do
    DOCKER_BUILDKIT=1 docker build --quiet --file "docker/$image/Dockerfile" $BUILD_ARGS .
done

export RDS_IAM_MYSQL_PLUGIN="$TARGET/debug/libAWSAuthenticationPlugin.so"
export RDS_IAM_POSTGRES_PAM="$TARGET/debug/libpam.so"
cargo test --workspace --all-targets --locked
cargo test --workspace --doc --locked
"$TARGET"/debug/rds-iam-demo --bin-dir "$TARGET/debug" --once
