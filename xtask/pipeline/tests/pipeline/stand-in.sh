#!/bin/sh
# Stands in for the programs that the pipeline starts: the tests link it under their names. It says and writes what
# they would, keeps what it was told in $STAND_INS/calls, and fails where a call matches the pattern $BREAK.
name=$(basename "$0")
case "$name $1" in "terraform -chdir="*) folder=${1#-chdir=} && shift ;; esac
call="$name $*"
# On one line, also where a script is passed.
printf '%s\n' "$(printf '%s' "$call" | tr '\n' ' ')" >>"$STAND_INS/calls"

# shellcheck disable=SC2254 # it is a pattern
case "$call" in
${BREAK:-nothing}) case "$BREAK_HOW" in
    # What a person's Ctrl-C meets in the middle of an apply.
    wait)
        trap 'echo "state saved" | tee "$STAND_INS/interrupted"; exit 1' INT
        : >"$STAND_INS/waiting"
        while :; do sleep 0.1; done
        ;;
    locked)
        printf 'Error: Error acquiring the state lock\n\nLock Info:\n  ID:        6b7a2f6e\n  Path:      b/dev\n'
        printf '  Operation: OperationTypeApply\n  Who:       ada@build-7\n  Version:   1.11.4\n  Created:   2026-01-01 00:00:00 UTC\n'
        exit 1
        ;;
    tests)
        printf 'failures:\n    tests::bad\n\ntest result: FAILED. 0 passed; 1 failed\n\n'
        echo 'error: test failed, to rerun pass `-p rds-iam-sqlx --test server`'
        seq 30
        exit 101
        ;;
    *)
        echo "broken on purpose: $name" >&2
        exit 7
        ;;
    esac ;;
esac

# The word after an option, or after its equals sign.
option() {
    wanted=$1
    shift
    previous=''
    for word; do
        case "$word" in "$wanted="*) echo "${word#*=}" && return ;; esac
        [ "$previous" = "$wanted" ] && echo "$word" && return
        previous=$word
    done
}

case "$call" in
"cargo metadata --no-deps"*) echo "{\"target_directory\": \"$TARGET\"}" ;;
"cargo metadata "*) echo '{"packages": []}' ;;
"cargo test "*" --no-run --message-format=json"*)
    # One program of tests, which exist for both engines.
    ln -sf "$STAND_INS/stand-in.sh" "$TARGET/debug/both"
    echo "mod a { on_each_engine![b]; }" >"$STAND_INS/both.rs"
    echo '{"reason": "compiler-artifact", "manifest_path": "'"$PWD"'/crates/token/Cargo.toml", "target": {"kind": ["test"],' \
        '"name": "both", "src_path": "'"$STAND_INS"'/both.rs"}, "profile": {"test": true}, "executable": "'"$TARGET"'/debug/both"}'
    ;;
"both --list "*) printf 'a::mysql::b: test\na::postgres::b: test\n' ;;
"cargo tree "*)
    printf '0rds-iam-app v0.1.0 (/src)\n1serde v1.0.0\n\n0rds-iam-bootstrap v0.1.0 (/src)\n1serde v1.0.0\n'
    ;;
"python3 --version") echo "Python 3.11.2" ;;
"node --version") echo v20.20.2 ;;
"npm --version") echo 11.19.1 ;;
"javac -version") echo "javac 17.0.15" ;;
"cargo-deny deny --version") echo "cargo-deny 0.20.2" ;;
"cargo-hack hack --version") echo "cargo-hack 0.6.46" ;;
"cargo build "*)
    for folder in debug release; do
        mkdir -p "$TARGET/$folder"
        : >"$TARGET/$folder/libAWSAuthenticationPlugin.so"
        : >"$TARGET/$folder/libpam.so"
        cp "${PROGRAM:-/bin/true}" "$TARGET/$folder/rds-iam-bootstrap-lambda"
    done
    ;;
"python -m pip install "*cargo-zigbuild*)
    folder=$(dirname "$0")/..
    mkdir -p "$folder/lib/python3/site-packages/ziglang"
    : >"$folder/lib/python3/site-packages/ziglang/zig"
    ln -s "$STAND_INS/stand-in.sh" "$folder/bin/cargo-zigbuild"
    ;;
"cargo-zigbuild --version") echo "cargo-zigbuild 0.24.1" ;;
"cargo-zigbuild zigbuild "*)
    # A real program of this machine: what is packaged is looked into.
    for folder in debug release; do
        mkdir -p "$TARGET/x86_64-unknown-linux-gnu/$folder"
        cp "${PROGRAM:-/bin/true}" "$TARGET/x86_64-unknown-linux-gnu/$folder/rds-iam-bootstrap-lambda"
    done
    ;;
"rustc --print target-libdir"*) echo "$TARGET" ;;
"terraform --version") echo 'Terraform v1.11.4' ;;
"terraform version -json") echo '{"terraform_version": "1.11.4"}' ;;
"terraform test"*) echo 'Success! 1 passed, 0 failed.' ;;
"terraform fmt"*)
    # A program that prints what it finds in its environment, in the forms that programs use.
    for name in $LEAK; do
        echo "leaked $(printenv "$name"), $(printenv "$name" | tr -d '\n' | base64 -w 0)"
    done
    ;;
"terraform plan"*) echo "${PLAN:-plan}" >"$(option -out "$@")" ;;
"terraform show -json"*) cat "$STAND_INS/plan.json" ;;
"terraform init"*)
    # Whose state is asked for, and so whose outputs there are.
    key=$(printf '%s\n' "$@" | sed -n 's|-backend-config=key=\(.*\)/mysql.tfstate|\1|p')
    [ -z "$key" ] || echo "$key" >"$STAND_INS/environment"
    # In the copy whose modules are tested; elsewhere, it would be a new file of the commit's folder.
    case "$folder" in */infra/check/*)
        provider=$folder/.terraform/providers/registry.terraform.io/hashicorp/aws/5.100.0/linux_amd64
        mkdir -p "$provider"
        ln -sf "$STAND_INS/stand-in.sh" "$provider/terraform-provider-aws_v5.100.0_x5"
        ;;
    esac
    ;;
"terraform-provider-aws"*" -debug")
    echo "TF_REATTACH_PROVIDERS='{}'"
    # Until it is ended.
    exec sleep 600
    ;;
"terraform output -json"*) sed "s|ENVIRONMENT|$(cat "$STAND_INS/environment")|" "$STAND_INS/outputs.json" ;;
"terraform state list") cat "$STAND_INS/state" ;;
"terraform apply "*destroy.tfplan) : >"$STAND_INS/state" ;;
"rds-iam whoami"*)
    echo "{\"account\": \"123456789012\", \"arn\": \"arn:aws:iam::123456789012:user/ada\", ${RIGHTS:-\"lacks\": []}}"
    ;;
"rds-iam image push"*) echo "{\"digest\": \"sha256:$(printf '%064d' 1)\", \"tag\": \"$(option --tag "$@")\"}" >"$(option --record "$@")" ;;
"rds-iam image show"*) echo "{\"digest\": \"sha256:$(printf '%064d' 1)\", \"commit\": \"$COMMIT\"}" ;;
"rds-iam-emulator aws")
    echo 'aws_access_key_id = AKIAMADEUP' >"$STAND_INS/credentials"
    echo "{\"aws_endpoint_url\": \"http://127.0.0.1:1\", \"credentials_file\": \"$STAND_INS/credentials\"}"
    cat >/dev/null
    ;;
"tflint --version") echo 'TFLint version 0.64.0' ;;
"tflint "*"--format=sarif") cat "$STAND_INS/tflint.sarif" ;;
"trivy --version") echo 'Version: 0.75.0' ;;
"trivy convert"*) cp "$STAND_INS/trivy.sarif" "$(option --output "$@")" ;;
"trivy "*) cp "$STAND_INS/trivy.json" "$(option --output "$@")" ;;
"python -I -m checkov.main --version" | "python -I -m checkov.main -v") echo 3.3.30 ;;
"python -I -m checkov.main"*)
    files=$(option --output-file-path "$@")
    sarif=$(echo "$files" | cut -d, -f1)
    cp "$STAND_INS/checkov.sarif" "$sarif"
    passed='{"check_id": "CKV_AWS_16"}, {"check_id": "CKV_AWS_17"}, {"check_id": "CKV_AWS_79"}'
    echo '{"results": {"passed_checks": ['"$passed"']}, "summary": {"passed": 3, "failed": 0, "skipped": 0, "parsing_errors": 0}}' \
        >"$(echo "$files" | cut -d, -f2)"
    ;;
"python3 -m venv "*)
    for folder; do :; done
    mkdir -p "$folder/bin"
    ln -s "$0" "$folder/bin/python"
    ;;
"actionlint "*version* | "actionlint -version") echo 1.7.12 ;;
"zizmor --version") echo 'zizmor 1.32.0' ;;
"hadolint --version") echo 'Haskell Dockerfile Linter 2.15.1' ;;
"docker version "*) echo 28.0.0 ;;
"docker buildx version") echo v0.20.0 ;;
"docker save "*) cp "$STAND_INS/image.tar" "$(option --output "$@")" ;;
"curl "*/api/messages) echo '{"messages": []}' ;;
"rds-iam identity "* | "curl "*/api/identity)
    login='"user": "node_app@%", "plugin": "AWSAuthenticationPlugin", "tls_version": "TLSv1.3"'
    echo "{\"database\": {${LOGIN:-$login}}}"
    ;;
esac
