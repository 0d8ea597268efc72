#!/bin/sh
# The whole chain on synthetic steel, from images to a split network that runs.
# Usage: examples/demo.sh FOLDER
set -eu
mkdir -p "$1"
cd "$1"

say() { printf '\n$ %s\n' "$*"; "$@"; }

# Tables go to the terminal, and as JSON reports to files, so that both can be looked at.
report() { file="$1"; shift; say "$@"; "$@" --json > "$file"; }

say splittool synth steel --images 64 --force
say splittool train steel --arch unet --epochs 20 --crop 256x384 -o unet.pt --force
say splittool export unet.pt -o unet.xml --force
say splittool cut unet.pt --at maxpool_2 --force
report profile.json splittool profile unet.xml --no-layers
report cuts.json splittool cut unet.xml --all
say splittool plot cuts.json -o cuts.svg --force
say splittool bench-vpu head.xml --minutes 0.2 --window 4
report table-1.json splittool bitrate unet.xml --bits 16 --fps 12 --fps 10 --images steel/train_images
report table-2.json splittool bitrate unet.xml --bits 4 --fps 12 --fps 10 --images steel/train_images
say splittool infer unet.xml unet.validation.txt -o whole --force
say splittool infer cut.json unet.validation.txt -o split-4-bit --bits 4 --force
report compare.json splittool compare unet.xml unet.validation.txt --at maxpool_2 --bits 8,4,2 \
    --codec fast --formats jpeg --qualities 85,50,20
say splittool plot compare.json -o compare.svg --force
report plan.json splittool plan unet.xml --edge 100GFLOPS --cloud 5TFLOPS --link 100Mbps \
    --infer compare.json
say splittool page plan.json compare.json cuts.json profile.json -o decision.html --force

printf '\nIn %s: decision.html, unet.curves.png, cuts.svg, compare.svg, split-4-bit/overlays, and the tables as JSON:\n' "$1"
printf 'table-1.json, table-2.json, profile.json, cuts.json, compare.json, plan.json\n'
