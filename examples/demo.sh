#!/bin/sh
# The whole chain on synthetic steel, from images to a split network that runs and a page that decides.
# Usage: examples/demo.sh FOLDER
set -eu
mkdir -p "$1"
cd "$1"

say() { printf '\n$ %s\n' "$*"; "$@"; }

# Long reports go to files; what a person wants to see goes to the terminal as well, as tables.
keep() { file="$1"; shift; printf '\n$ %s > %s\n' "$*" "$file"; "$@" --json > "$file"; }
report() { file="$1"; shift; say "$@"; "$@" --json > "$file"; }

say splittool synth steel --images 440 --force
say splittool train steel --arch splitnet --widths 16,32 --epochs 8 --batch-size 8 --crop 128x256 \
    --validation 0.068 --lambda 0.5 --force
say splittool export splitnet.pt --force

# Cut it at its bottleneck, and price that cut and all others.
say splittool cut splitnet.pt --at latent --force
keep profile.json splittool profile splitnet.xml --no-layers
keep cuts.json splittool cut splitnet.xml --all
say splittool plot cuts.json -o cuts.svg --force
keep speed.json splittool bench-vpu head.xml --minutes 0.1 --window 3
keep bitrate.json splittool bitrate splitnet.xml --fps 12 --fps 10 --images steel/train_images

# Run both halves on sheets that training did not see, beside a plain cut and the input as JPEG.
say splittool infer splitnet.xml splitnet.validation.txt -o whole --force
say splittool infer cut.json splitnet.validation.txt -o split --fps 12 --force
say splittool compare splitnet.xml splitnet.validation.txt --at latent --at encoder.blocks_1.0.activation \
    --bits 4 --codec fast --formats jpeg --qualities 85,50,20 --no-half-size -o compare.json --force
say splittool plot compare.json -o compare.svg --force
report plan.json splittool plan splitnet.xml --edge 100GFLOPS --cloud 5TFLOPS --link 20Mbps --rtt 30ms \
    --infer compare.json
say splittool page plan.json compare.json cuts.json speed.json whole/report.json split/report.json \
    -o decision.html --force

printf '\nOpen %s/decision.html. Beside it: splitnet.curves.png, cuts.svg, compare.svg, split/overlays,\n' "$1"
printf 'and the reports: profile.json, cuts.json, speed.json, bitrate.json, compare.json, plan.json\n'
