#!/usr/bin/env bash
# The same cold run from a folder and from a bucket on this machine, one after the other: time, memory, bytes.
#   benches/s3.sh DIR [OPTION...]     DIR: one folder a class; OPTIONs go to report
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
images=${1:?name a folder of images}
shift
target=${CARGO_TARGET_DIR:-target}
cargo build --release --locked --quiet --bin report
cargo build --release --locked --quiet --package s3-server

work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
# Known to this server alone.
export AWS_ACCESS_KEY_ID=bench AWS_SECRET_ACCESS_KEY=bench-only AWS_EC2_METADATA_DISABLED=true
"$target/release/s3-server" --data "$work/data" --access-key bench --secret-key bench-only --bucket out \
    --seed "photos/=$images" --log "$work/log" >"$work/address" &
until [ -s "$work/address" ]; do sleep 0.1; done
url=$(sed 's/listening on //' "$work/address")

run() {
    local name=$1
    shift
    "$target/release/report" --quiet --out "$work/$name" "$@" >&2
    python3 - "$name" "$work/$name/timings.json" <<'PY'
import json, sys
name, t = sys.argv[1], json.load(open(sys.argv[2]))
stage = {s["name"]: s["wall_s"] for s in t["stages"]}
s3 = t.get("s3")
asked = f", {s3['gets']} reads of {1000 * s3['get_s'] / max(s3['gets'], 1):.1f} ms, {s3['retries']} retries" if s3 else ""
print(f"{name}: {t['total_s']:.1f} s (list {stage['list']:.2f}, features {stage['features']:.1f}, "
      f"gather {stage['gather']:.2f}), {t['peak_rss_bytes'] / 1e6:.0f} MB at most{asked}")
PY
}

run folder --input "$images" --cache "$work/cache-folder" "$@"
run bucket --bucket photos --endpoint-url "$url" --cache s3://out/cache "$@"
run cached-in-bucket --bucket photos --endpoint-url "$url" --cache s3://out/cache "$@"
run cached-in-folder --input "$images" --cache "$work/cache-folder" "$@"
for name in bucket cached-in-bucket; do
    cmp "$work/folder/embeddings.parquet" "$work/$name/embeddings.parquet"
done
echo "the same bytes in embeddings.parquet"
