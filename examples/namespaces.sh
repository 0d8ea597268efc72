#!/bin/sh
# Device and cloud in two network namespaces, joined by a link that the kernel keeps to a rate (htb).
#
#     sudo sh examples/namespaces.sh cut.json IMAGES [RATE]       # RATE as tc has it: 20mbit
#
# Needs root and iproute2. Masks must be those of `splittool infer` in one process; the last line
# says whether they are.
set -eu
cut=$1 images=$2 rate=${3:-20mbit}
out=$(mktemp -d)

finish() {
    [ -z "${server:-}" ] || kill "$server" 2>/dev/null || true
    ip netns delete splittool-edge 2>/dev/null || true
    ip netns delete splittool-cloud 2>/dev/null || true
    rm -rf "$out"
}
trap finish EXIT INT TERM

ip netns add splittool-edge
ip netns add splittool-cloud
ip link add edge0 netns splittool-edge type veth peer name cloud0 netns splittool-cloud
ip -n splittool-edge address add 10.99.0.1/24 dev edge0
ip -n splittool-cloud address add 10.99.0.2/24 dev cloud0
for side in edge cloud; do
    ip -n "splittool-$side" link set lo up
    ip -n "splittool-$side" link set "${side}0" up
    ip netns exec "splittool-$side" tc qdisc add dev "${side}0" root handle 1: htb default 1
    ip netns exec "splittool-$side" tc class add dev "${side}0" parent 1: classid 1:1 htb rate "$rate"
done

# Nothing but the other namespace reaches this address, so that it may speak plainly.
ip netns exec splittool-cloud splittool serve "$cut" --host 10.99.0.2 --insecure &
server=$!
ip netns exec splittool-edge splittool send "$cut" "$images" -o "$out/sent" \
    --server grpc://10.99.0.2:8001 --bits 8
splittool infer "$cut" "$images" -o "$out/here" --bits 8 --no-labels --json >"$out/infer.json"
cmp "$out/sent/predictions.csv" "$out/here/predictions.csv"
echo "the same masks over a link of $rate and in one process"
